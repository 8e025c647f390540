/** The wait for a promotion on real nodes: what it says, and that nothing of it is ever left there. */
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Cluster } from '../../src/cluster/cluster.ts'
import { systemClock } from '../../src/core/clock.ts'
import { until } from '../../src/core/until.ts'
import { PostgresProbe } from '../../src/protocol/postgres/probe.ts'
import { type PromotionAnswer, waitStatement } from '../../src/protocol/postgres/probe-wait.ts'
import { endLab, rowsOf, testLab } from '../integration/cluster/fixture.ts'

let cluster: Cluster
let calledOff: AbortController
let probe: PostgresProbe | undefined

const reader = () => cluster.readers()[0]!

const waitAs = (user: string, password: string) => {
  const { database } = cluster.login
  probe = new PostgresProbe({ user, password: () => password, database, clock: systemClock })
  return probe.promotionWait(reader(), calledOff.signal)
}

const askReader = (text: string) => rowsOf(cluster.url(reader().name), text)
const askWriter = (text: string) => rowsOf(cluster.url(), text)

const connected = async (): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: cluster.url(reader().name) })
  client.on('error', () => {})
  await client.connect()
  return client
}

const waiting = async (): Promise<number> => {
  const rows = await askReader(
    `select from pg_stat_activity where application_name = 'weir probe' or query like 'do $weir%'`,
  )
  return rows.length
}

beforeAll(async () => {
  cluster = await testLab({ nodes: 2 })
  await askWriter(`create role plain login password 'plain'`)
  const roles = `select from pg_roles where rolname = 'plain'`
  await until(async () => (await askReader(roles)).length === 1, 10_000, { what: 'the role' })
})

afterAll(() => endLab(cluster))

beforeEach(() => {
  calledOff = new AbortController()
})

afterEach(async () => {
  calledOff.abort()
  await probe?.close()
})

describe('A wait for a promotion', () => {
  it('ends by itself while the node stays a reader, and can be begun again', async () => {
    const wait = waitAs('plain', 'plain')
    for (let i = 0; i < 3; i++) expect(await wait(1)).toEqual({ promoted: false })
  })

  it('leaves no connection behind when it is called off in the middle', async () => {
    const wait = waitAs('plain', 'plain')
    await wait(1)
    const ended = wait(1)
    await until(async () => (await waiting()) === 1, 10_000, { what: 'a wait on the reader' })
    calledOff.abort()
    expect(await ended).toBeUndefined()
    await until(async () => (await waiting()) === 0, 10_000, { what: 'no wait on the reader' })
  })

  it('is over soon on the node when the one who waits is gone without a word', async () => {
    const client = await connected()
    client.query(waitStatement(1)).catch(() => {})
    await until(async () => (await waiting()) === 1, 10_000, { what: 'a wait on the reader' })
    client.connection.stream.destroy()
    await until(async () => (await waiting()) === 0, 10_000, { what: 'no wait on the reader' })
  })

  it('holds no snapshot for longer than one look, so that it never holds up the replay', async () => {
    const client = await connected()
    const text = waitStatement(1)
    const long = text.replace(/1\.\.\d+/, '1..100000')
    expect(long).not.toBe(text)
    client.query(long).catch(() => {})
    const transactions = new Set<unknown>()
    await until(
      async () => {
        const [row] = await askReader(
          `select xact_start::text as since from pg_stat_activity where query like 'do $weir%'`,
        )
        if (row !== undefined) transactions.add(row.since)
        return transactions.size > 2
      },
      10_000,
      { what: 'several transactions in one wait' },
    )
    await askReader(
      `select pg_terminate_backend(pid) from pg_stat_activity where query like 'do $weir%'`,
    )
  })

  it('is not to be had where its language is not allowed, and the probe does not mind', async () => {
    await askWriter('revoke usage on language plpgsql from public')
    const signal = new AbortController().signal
    await until(async () => (await waitAs('plain', 'plain')(1)) === undefined, 10_000, {
      what: 'a reader that has heard of it',
    })
    expect(await probe!.probe(reader(), signal)).toMatchObject({ ok: true, inRecovery: true })
    await askWriter('grant usage on language plpgsql to public')
    calledOff.abort()
    await until(async () => (await waiting()) === 1, 10_000, { what: 'only the probe is left' })
  })

  it('is not to be had with a wrong password, or where nobody listens', async () => {
    expect(await waitAs('plain', 'wrong')(1)).toBeUndefined()
    const nobody = { name: 'nobody', host: '127.0.0.1', port: 1 }
    expect(await probe!.promotionWait(nobody, calledOff.signal)(1)).toBeUndefined()
  })

  // Last, as the reader is none any more.
  it('says timeline and position of the new writer as soon as there is one', async () => {
    const node = reader()
    const wait = waitAs('plain', 'plain')
    expect(await wait(1)).toEqual({ promoted: false })
    let answer = wait(1)
    const promoted = cluster.promote(node.name)
    while ((await answer)?.promoted === false) answer = wait(1)
    const said = (await answer) as Extract<PromotionAnswer, { promoted: true }>
    expect(said).toMatchObject({ promoted: true, timeline: 2 })
    expect(said.lsn).toBeGreaterThan(0n)
    expect(said.positionMs).toBeGreaterThan(0)
    await promoted
  })
})
