/** What clients that begin alike share, and what each has for itself. */
import { expect, it } from 'vitest'
import type { Authenticated } from '../../../src/protocol/postgres/greet-step.ts'
import { Kinds } from '../../../src/protocol/postgres/kinds.ts'
import { SecretBlock } from '../../../src/protocol/postgres/secret-block.ts'

function authenticated(
  settings: Readonly<Record<string, string>>,
  more: Partial<Authenticated> = {},
): Authenticated {
  return {
    kind: 'authenticated',
    user: 'app',
    database: 'shop',
    parameters: new Map(Object.entries(settings)),
    protocolMinor: 0,
    replication: undefined,
    options: new Map(),
    endpoint: undefined,
    method: 'scram-sha-256',
    rest: Buffer.alloc(0),
    ...more,
  }
}

it('clients that begin alike are one and the same', () => {
  const kinds = new Kinds()
  const one = kinds.introduce(authenticated({ DateStyle: 'ISO', client_encoding: 'UTF8' }))
  const two = kinds.introduce(authenticated({ client_encoding: 'UTF8', datestyle: 'ISO' }))
  expect(two).toBe(one)
  expect(kinds.of(two)).toBe(kinds.of(one))
})

it.each<[string, Record<string, string>, Partial<Authenticated>]>([
  ['another setting', { client_encoding: 'LATIN1' }, {}],
  ['another user', {}, { user: 'boss' }],
  ['another database', {}, { database: 'app' }],
  ['another endpoint', {}, { endpoint: 'reader' }],
  ['replication', {}, { replication: 'true' }],
  ['another protocol', {}, { protocolMinor: 2 }],
])('%s makes another client', (_what, settings, more) => {
  const kinds = new Kinds()
  const one = kinds.introduce(authenticated({}))
  expect(kinds.introduce(authenticated(settings, more))).not.toBe(one)
})

it('what a client has sent ahead is its own', () => {
  const kinds = new Kinds()
  const early = kinds.introduce(authenticated({}, { rest: Buffer.from('early') }))
  expect(early.rest.toString()).toBe('early')
  expect(kinds.introduce(authenticated({})).rest).toHaveLength(0)
})

it('clients that differ in what they call themselves need one welcome', () => {
  const kinds = new Kinds()
  const kindOf = (settings: Record<string, string>) =>
    kinds.of(kinds.introduce(authenticated(settings)))
  const one = kindOf({ application_name: 'worker 1', client_encoding: 'UTF8' })
  const two = kindOf({ application_name: 'worker 2', client_encoding: 'UTF8' })
  expect(two.welcome).toBe(one.welcome)
  expect([one.ownName, two.ownName]).toEqual(['worker 1', 'worker 2'])
})

it.each([
  ['without a name, which may have one by its role', {}],
  ['with a name that is cut short', { application_name: 'x'.repeat(64) }],
  ['with a name that is changed', { application_name: 'Zürich' }],
  ['with another setting', { application_name: 'a', client_encoding: 'LATIN1' }],
])('a client %s needs a welcome of its own', (_what, settings) => {
  const kinds = new Kinds()
  const named = kinds.of(kinds.introduce(authenticated({ application_name: 'a' })))
  const other = kinds.of(kinds.introduce(authenticated(settings)))
  expect(other.welcome).not.toBe(named.welcome)
})

it('thousands of kinds are forgotten in the end, and known again when they come', () => {
  const kinds = new Kinds()
  const first = kinds.introduce(authenticated({ 'a.b': 'first' }))
  for (let i = 0; i < 2_000; i++) kinds.introduce(authenticated({ 'a.b': `${i}` }))
  const again = kinds.introduce(authenticated({ 'a.b': 'first' }))
  expect(again).not.toBe(first)
  expect(again).toEqual(first)
})

it('no two cancel keys are the same bytes', () => {
  const block = new SecretBlock()
  const taken = Array.from({ length: 1_000 }, (_, i) => block.take(i % 2 === 0 ? 4 : 32))
  // Each is written over: none may have touched another.
  taken.forEach((bytes, i) => {
    bytes.fill(i % 251)
  })
  taken.forEach((bytes, i) => {
    expect(bytes.every((byte) => byte === i % 251)).toBe(true)
  })
})
