import { join } from 'node:path'
import { expect, test } from 'vitest'
import { LOCAL_NODES, labEndpoints } from '../../../src/cli/lab-endpoints.ts'
import { loadSettings } from '../../../src/config/load.ts'

const file = join(import.meta.dirname, '../../../config/local.yaml')

function endpointsOf(nodes: readonly string[], overrides: readonly string[]) {
  const addresses = nodes.map((name, i) => ({ name, host: '127.0.0.1', port: 5501 + i }))
  const all = [`nodes=${JSON.stringify(addresses)}`, ...overrides]
  return loadSettings({ file, env: {}, overrides: all }).settings.endpoints
}

test('a lab of three nodes gets the endpoints of config/local.yaml', () => {
  const made = endpointsOf(LOCAL_NODES, [`endpoints=${labEndpoints(LOCAL_NODES)}`])
  expect(made).toEqual(endpointsOf(LOCAL_NODES, []))
})

test.each([
  [['node-1'], ['writer', 'reader', 'node-1']],
  [
    ['node-1', 'node-2'],
    ['writer', 'reader', 'analytics', 'node-1', 'node-2'],
  ],
  [
    ['node-1', 'node-2', 'node-4', 'node-5'],
    ['writer', 'reader', 'analytics', 'node-1', 'node-2', 'node-4', 'node-5'],
  ],
])('a lab of %j is a valid configuration', (nodes, names) => {
  const made = endpointsOf(nodes, [`endpoints=${labEndpoints(nodes)}`])
  expect(made.map((endpoint) => endpoint.name)).toEqual(names)
})
