import { expect, test } from 'vitest'
import { changeOf } from '../../../../src/app/workers/rolling.ts'
import { schema } from '../../../../src/config/schema.ts'
import { type Settings, settle } from '../../../../src/config/settings.ts'

function settings(some: Readonly<Record<string, unknown>> = {}): Settings {
  const nodes = [{ name: 'a', host: 'h' }]
  return settle(schema.parse({ nodes, ...some }), '/weir.yaml')
}

const now = settings()
const next = settings({
  nodes: [{ name: 'b', host: 'h' }],
  workers: 4,
  pool: { maxConnections: 7 },
  auth: { secrets: ['other.json'], methods: ['md5'] },
  tls: { mode: 'allowed', certFile: 'a.crt', keyFile: 'a.key' },
  admin: { port: 7_000 },
})

test('workers that are replaced take over what concerns clients and pools, and the rest is named', () => {
  const { settings: then, taken, refused } = changeOf(now, next, true)
  expect([...taken].sort()).toEqual([
    'auth.methods',
    'auth.secrets',
    'pool.maxConnections',
    'tls.certFile',
    'tls.keyFile',
    'tls.mode',
  ])
  expect([...refused].sort()).toEqual(['admin.port', 'nodes', 'workers'])
  expect(then.pool.maxConnections).toBe(7)
  expect(then.auth).toEqual(next.auth)
  expect([then.nodes, then.workers, then.admin]).toEqual([now.nodes, now.workers, now.admin])
})

test('one process takes over secrets and certificate, and names all else', () => {
  const { settings: then, taken, refused } = changeOf(now, next, false)
  expect([...taken].sort()).toEqual(['auth.secrets', 'tls.certFile', 'tls.keyFile'])
  expect([...refused].sort()).toEqual([
    'admin.port',
    'auth.methods',
    'nodes',
    'pool.maxConnections',
    'tls.mode',
    'workers',
  ])
  expect(then.auth.secrets).toEqual(next.auth.secrets)
  expect(then.auth.methods).toEqual(now.auth.methods)
  expect(then.tls.mode).toBe('off')
  expect(then.tls.certFile).toBe('/a.crt')
})

test('nothing is changed by the same settings', () => {
  expect(changeOf(now, settings(), true)).toEqual({ settings: now, taken: [], refused: [] })
})
