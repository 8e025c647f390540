/** Logins that wait for their welcome: what they say meanwhile, and how many of them come in. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { query, startupMessage } from '../../src/wire/postgres/frontend.ts'
import { type House, startHouse } from '../support/house.ts'
import { dial, PROTOCOL_3, RawSession, rawSession } from '../support/raw-session.ts'

let house: House

beforeAll(async () => {
  house = await startHouse({
    pool: 1,
    ports: [16_001, 16_050],
    config: {
      auth: { trust: true, secrets: [{ username: 'weir', password: 'weir' }] },
      limits: { maxClientConnections: 3 },
    },
  })
})

afterAll(async () => {
  await house?.end()
})

/** A client that has the only server connection until it is told to let go. */
async function holder(): Promise<{ letGo(): Promise<void>; leave(): void }> {
  const raw = await rawSession(house.port)
  raw.messages.length = 0
  raw.send(query('begin'))
  await raw.take('Z')
  return {
    letGo: async () => {
      raw.send(query('commit'))
      await raw.take('Z')
    },
    leave: () => raw.vanish(),
  }
}

/** A client whose settings nobody has asked for before, so that its welcome must be fetched. */
async function stranger(name: string): Promise<RawSession> {
  const raw = new RawSession(await dial(house.port))
  const parameters = { user: 'weir', database: 'app', 'test.name': name }
  raw.send(startupMessage(PROTOCOL_3, Object.entries(parameters)))
  return raw
}

const waiting = (): number =>
  house.app.snapshot().pools.reduce((sum, pool) => sum + pool.waiting, 0)

it('what a client asks before it is welcomed is answered after', async () => {
  const first = await holder()
  const raw = await stranger('early')
  await until(() => waiting() === 1, 10_000)
  raw.send(query("select 'early bird'"))
  await first.letGo()
  await raw.take('Z')
  expect(await raw.values()).toEqual(['early bird'])
  raw.vanish()
  first.leave()
})

it('logins that wait for their welcome together do not come in past the limit', async () => {
  await until(() => house.app.snapshot().clients.total === 0, 10_000)
  const first = await holder()
  const raws = await Promise.all(['a', 'b', 'c', 'd'].map(stranger))
  await until(() => waiting() === 4, 10_000)
  await first.letGo()
  await until(() => raws.every((r) => r.closed || r.messages.some((m) => m.type === 'Z')), 10_000)
  expect(raws.filter((r) => !r.messages.some((m) => m.type === 'E'))).toHaveLength(2)
  first.leave()
  for (const raw of raws) raw.vanish()
})
