/** The instrument's own look at a promotion, and its logins, on real nodes. */
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectTo } from '../../src/bench/failover/line.ts'
import { PromotionWatch } from '../../src/bench/failover/promotion-watch.ts'
import { makeTables } from '../../src/bench/failover/sequence-table.ts'
import { SharedKeys } from '../../src/bench/failover/shared-keys.ts'
import { WallClock } from '../../src/bench/failover/wall-clock.ts'
import { until } from '../../src/core/until.ts'
import { type House, startHouse } from '../support/house.ts'

let house: House
const clock = new WallClock()
const now = () => clock.now()
const clients: pg.Client[] = []

const options = (keys?: SharedKeys) => ({
  applicationName: 'instrument',
  connectTimeoutMs: 30_000,
  queryTimeoutMs: 60_000,
  ...(keys === undefined ? {} : { keys }),
})

const connected = async (url: string, keys?: SharedKeys): Promise<pg.Client> => {
  const client = await connectTo(url, options(keys))
  clients.push(client)
  return client
}

const writer = () => house.cluster.writer()
const reader = () => house.cluster.readers()[0]!
const urlAs = (user: string, password: string, name: string) => {
  const url = new URL(house.cluster.url(name))
  url.username = user
  url.password = password
  return url.href
}

/** The writer role moves to the reader; what the watch saw of it, and the time it was asked. */
const watched = async (client: pg.Client) => {
  const { name } = reader()
  const watch = new PromotionWatch([{ name, client }], now)
  clock.set()
  watch.start()
  const asked = now()
  await house.cluster.promote(name)
  await until(() => watch.seen !== undefined, 30_000, { what: 'the promotion to be seen' })
  const done = now()
  const written = await watch.written
  await watch.stop()
  return { name, asked, done, seen: watch.seen!, written }
}

beforeAll(async () => {
  house = await startHouse({ nodes: 2, ports: [15_960, 15_999] })
  await house.ask(`create role plain login password 'plain'`)
  const client = await connected(house.cluster.url(writer().name))
  await makeTables(client)
  const roles = `select from pg_roles where rolname = 'plain'`
  const there = await connected(house.cluster.url(reader().name))
  await until(async () => (await there.query(roles)).rowCount === 1, 10_000, { what: 'the role' })
})

afterAll(async () => {
  for (const client of clients) await client.end().catch(() => {})
  await house?.end()
})

describe('Clients that share their keys', () => {
  it('log in with SCRAM at every node, and derive one key in all', async () => {
    const keys = new SharedKeys()
    for (let i = 0; i < 5; i++) {
      for (const { name } of house.cluster.nodes()) {
        const client = await connected(house.cluster.url(name), keys)
        expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
      }
    }
    expect(keys.derivations).toBe(1)
  })

  it('are refused with a wrong password, as always', async () => {
    const url = urlAs('plain', 'wrong', writer().name)
    await expect(connected(url, new SharedKeys())).rejects.toMatchObject({ code: '28P01' })
  })
})

describe('The watch for a promotion', () => {
  it('has the node say when it was last a reader, and writes as soon as it is none', async () => {
    const client = await connected(house.cluster.url(reader().name))
    const { name, asked, done, seen, written } = await watched(client)
    expect(seen.name).toBe(name)
    // The truth lies within what is said.
    expect(seen.at + seen.withinMs).toBeGreaterThan(asked)
    expect(seen.at).toBeLessThan(done)
    expect(written).toBeGreaterThanOrEqual(seen.at)
  })

  it('asks the node itself where it cannot look at itself', async () => {
    await house.ask('revoke usage on language plpgsql from public')
    const there = await connected(house.cluster.url(reader().name))
    const gone = `select from pg_language where lanname = 'plpgsql' and lanacl is not null`
    await until(async () => (await there.query(gone)).rowCount === 1, 10_000, {
      what: 'the rights',
    })
    const client = await connected(urlAs('plain', 'plain', reader().name))
    const { name, asked, done, seen } = await watched(client)
    expect(seen.name).toBe(name)
    expect(seen.at + seen.withinMs).toBeGreaterThan(asked)
    expect(seen.at).toBeLessThan(done)
  })
})
