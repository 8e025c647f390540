/** Endpoints over nodes that a source finds: none at first, and some that want no reads. */
import { expect, test } from 'vitest'
import { Turns } from '../../../src/endpoint/balance.ts'
import { type ChoiceView, choose } from '../../../src/endpoint/choose.ts'
import type { EndpointRule } from '../../../src/endpoint/endpoint.ts'
import { node, topology } from './states.ts'

const view: ChoiceView = {
  leases: () => 0,
  budget: () => 10,
  random: () => 0,
  turns: new Turns(),
}

const base = { name: 'e', kind: 'reader', customType: 'ANY', balance: 'leastLeases' } as const

/** Only what choosing looks at. */
const rule = (more: Partial<EndpointRule>): EndpointRule =>
  ({ ...base, noReader: 'writer', borrowTimeout: 1_000, ...more }) as EndpointRule

test('before the source has answered every kind of endpoint waits, even one that names a node', () => {
  for (const more of [
    { kind: 'writer' },
    { kind: 'reader' },
    { kind: 'instance', node: 'x' },
  ] as const) {
    expect(choose(rule(more), { epoch: 0, nodes: [] }, view)).toEqual({
      ...{ none: 'unknown', wait: true, wakeOn: 'epoch' },
      sentence: 'endpoint e: no node is known yet',
    })
  }
})

test('a node that wants no reads gets none from reader endpoints, and serves where it is named', () => {
  const quiet = node(2, { noReads: true })
  const nodes = [...topology('W').nodes, quiet]
  expect(choose(rule({}), { epoch: 1, nodes }, view)).toMatchObject({ node: 'node-1' })
  expect(choose(rule({ noReader: 'error' }), { epoch: 1, nodes }, view)).toMatchObject({
    none: 'no-reader',
  })
  const named = rule({ kind: 'custom', staticMembers: ['node-2'] })
  expect(choose(named, { epoch: 1, nodes }, view)).toMatchObject({ node: 'node-2' })
  const instance = rule({ kind: 'instance', node: 'node-2' })
  expect(choose(instance, { epoch: 1, nodes }, view)).toMatchObject({ node: 'node-2' })
})
