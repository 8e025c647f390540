/** Cancel requests: they end what the client does now, wherever that is, and nobody else's work. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { PROTOCOL_3_2 } from '../../src/wire/postgres/codes.ts'
import { cancelRequest, query } from '../../src/wire/postgres/frontend.ts'
import { writeTestCertificate } from '../support/certificate.ts'
import {
  type Client,
  cancelKeyOf,
  connect,
  connectAll,
  endClients,
  failure,
  one,
} from '../support/clients.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { heldStatement } from '../support/held-statement.ts'
import { type House, startHouse } from '../support/house.ts'
import { RawClient } from '../support/raw-client.ts'
import { dial, exchange } from '../support/raw-session.ts'
import { scrape, sumOf } from '../support/scrape.ts'

let house: House
let narrow: Front
let direct: Client

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  narrow = await startFront(house, { pool: { maxConnections: 1 }, admin: true })
  direct = await connect(house.direct)
})

afterEach(async () => {
  endClients(direct)
  await until(() => narrow.app.snapshot().clients.total === 0, 10_000)
})

afterAll(async () => {
  endClients()
  await narrow?.end()
  await house?.end()
})

/** Resolves when the other side has closed the cancel connection. */
async function cancel(port: number, { pid, secret }: { pid: number; secret: number }) {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(secret)
  expect(await exchange(port, cancelRequest(pid, bytes))).toHaveLength(0)
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

const sleepers = () =>
  direct
    .query(`select 1 from pg_stat_activity where wait_event = 'PgSleep'`)
    .then(({ rows }) => rows.length)

describe('A cancel request', () => {
  it('ends the running query of its client, who goes on', async () => {
    const client = await connect(narrow.url())
    const asleep = failure(client.query('select pg_sleep(600)'))
    await until(async () => (await sleepers()) === 1, 10_000)
    await cancel(narrow.port('writer'), cancelKeyOf(client))
    expect(await asleep).toMatchObject({
      code: '57014',
      message: 'canceling statement due to user request',
    })
    expect(await one(client, 'select 5')).toBe(5)
  })

  it('may come through any endpoint', async () => {
    const client = await connect(narrow.url('writer'))
    const asleep = failure(client.query('select pg_sleep(600)'))
    await until(async () => (await sleepers()) === 1, 10_000)
    await cancel(narrow.port('reader'), cancelKeyOf(client))
    expect((await asleep).code).toBe('57014')
  })

  it('ends the wait of a client in the queue, and the running one does not notice', async () => {
    const [holder, waiter] = await connectAll(2, narrow.url())
    await holder!.query('begin')
    const { running, release } = await heldStatement(house, holder!)
    const waiting = failure(waiter!.query('select 1'))
    await until(() => narrow.app.snapshot().pools[0]!.waiting === 1, 10_000)
    await cancel(narrow.port('writer'), cancelKeyOf(waiter!))
    expect(await waiting).toMatchObject({ code: '57014', severity: 'ERROR' })
    expect(narrow.app.snapshot().pools[0]!.waiting).toBe(0)
    await release()
    expect((await running).rows[0]!.n).toBe(3)
    await holder!.query('commit')
    expect(await one(waiter!, 'select 5')).toBe(5)
  })

  it('with a wrong key or number is ignored without an answer', async () => {
    const client = await connect(narrow.url())
    const key = cancelKeyOf(client)
    const { running, release } = await heldStatement(house, client)
    await cancel(narrow.port('writer'), { ...key, secret: key.secret ^ 1 })
    await cancel(narrow.port('writer'), { ...key, pid: key.pid + 1 })
    await release()
    expect((await running).rows[0]!.n).toBe(3)
  })

  it('to an idle client leaves its next query alone', async () => {
    const client = await connect(narrow.url())
    await client.query('select 1')
    await cancel(narrow.port('writer'), cancelKeyOf(client))
    expect(await one(client, 'select 5')).toBe(5)
  })

  it('to a client that has left finds nobody', async () => {
    const client = await connect(narrow.url())
    const key = cancelKeyOf(client)
    await client.end()
    await until(() => narrow.app.snapshot().clients.total === 0, 10_000)
    const next = await connect(narrow.url())
    const { running, release } = await heldStatement(house, next)
    await cancel(narrow.port('writer'), key)
    await release()
    expect((await running).rows[0]!.n).toBe(3)
  })

  it('closes its connection only when it has landed, so what comes next is safe', async () => {
    const client = await connect(narrow.url())
    await client.query('begin')
    for (let round = 0; round < 60; round++) {
      await client.query('savepoint s')
      const outcome = client.query('select pg_sleep(0.002)').catch(() => {})
      await cancel(narrow.port('writer'), cancelKeyOf(client))
      await outcome
      // Also when it hit the savepoint's end: the transaction is the client's own all along.
      await client.query('rollback to s')
      expect(await one(client, 'select 5')).toBe(5)
    }
    await client.query('rollback')
  })

  it('with the long key of protocol 3.2 works, and the first bytes of it do not', async () => {
    const port = narrow.port('writer')
    const client = await RawClient.open({ port, version: PROTOCOL_3_2 })
    expect(client.secret).toHaveLength(32)
    client.write(query('select pg_sleep(600)'))
    await until(async () => (await sleepers()) === 1, 10_000)
    for (const length of [4, 31]) {
      await exchange(port, cancelRequest(client.pid, client.secret.subarray(0, length)))
    }
    expect(await sleepers()).toBe(1)
    await exchange(port, cancelRequest(client.pid, client.secret))
    expect(await client.until(() => client.count('E') > 0, 10_000)).toBe(true)
    client.destroy()
  })

  it('many at once for one statement cost the node few connections', async () => {
    const client = await connect(narrow.url())
    const asleep = failure(client.query('select pg_sleep(600)'))
    await until(async () => (await sleepers()) === 1, 10_000)
    const sent = async () =>
      sumOf(await scrape(narrow.adminPort), 'weir_database_cancels_total', { node: 'node-1' })
    const before = await sent()
    const key = cancelKeyOf(client)
    await Promise.all(Array.from({ length: 200 }, () => cancel(narrow.port('writer'), key)))
    expect((await asleep).code).toBe('57014')
    // Most of the 200 found one under way already.
    expect((await sent()) - before).toBeLessThan(100)
    expect(await one(client, 'select 5')).toBe(5)
  })

  it('goes over TLS as well', async () => {
    const files = await writeTestCertificate(house.directory)
    const secure = await startFront(house, { config: { tls: { mode: 'required', ...files } } })
    try {
      const client = await connect(secure.url(), { ssl: { rejectUnauthorized: false } })
      const asleep = failure(client.query('select pg_sleep(600)'))
      await until(async () => (await sleepers()) === 1, 10_000)
      const { pid, secret } = cancelKeyOf(client)
      const bytes = Buffer.alloc(4)
      bytes.writeInt32BE(secret)
      const socket = await dial(secure.port('writer'), 'localhost')
      const closed = new Promise((resolve) => socket.once('close', resolve).resume())
      socket.write(cancelRequest(pid, bytes))
      expect((await asleep).code).toBe('57014')
      await closed
      // And without TLS even where it is required, as Postgres takes it too.
      const again = failure(client.query('select pg_sleep(600)'))
      await until(async () => (await sleepers()) === 1, 10_000)
      await cancel(secure.port('writer'), { pid, secret })
      expect((await again).code).toBe('57014')
    } finally {
      endClients(direct)
      await secure.end()
    }
  })

  it('never hits another client, however busy the pool', async () => {
    const shared = await startFront(house, { pool: { maxConnections: 3 } })
    try {
      const clients = await connectAll(20, shared.url())
      // The last five cancel themselves; all others must never see an error.
      const [victims, others] = [clients.slice(15), clients.slice(0, 15)]
      let going = true
      let served = 0
      let cancelled = 0
      const work = async (client: Client, n: number): Promise<void> => {
        while (going || served <= 300) {
          expect(await one(client, `select ${n} from pg_sleep(0.001)`)).toBe(n)
          served++
        }
      }
      const hit = async (client: Client): Promise<void> => {
        for (let round = 0; round < 60; round++) {
          const outcome = client.query('select pg_sleep(0.003)').then(
            () => undefined,
            (error: { code: string }) => error.code,
          )
          // At a random moment: queued, running, or over already.
          for (let turns = Math.random() * 6; turns > 1; turns--) await nextTurn()
          await cancel(shared.port('writer'), cancelKeyOf(client))
          const code = await outcome
          if (code !== undefined) expect(code).toBe('57014')
          if (code === '57014') cancelled++
        }
      }
      const working = Promise.all(others.map(work))
      // An early failure must not wait for the rest.
      const hitting = Promise.all(victims.map(hit))
      await Promise.race([hitting, working])
      await hitting
      going = false
      await working
      expect(cancelled).toBeGreaterThan(20)
      expect(served).toBeGreaterThan(300)
      expect(shared.app.snapshot().pools[0]!.total).toBeLessThanOrEqual(3)
    } finally {
      endClients(direct)
      await shared.end()
    }
  })
})
