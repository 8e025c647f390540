/**
 * What lasts too long before real nodes: each client is told why, and its server connection serves
 * others at once.
 */
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { until } from '../../src/core/until.ts'
import { query } from '../../src/wire/postgres/frontend.ts'
import { type House, startHouse } from '../support/house.ts'
import { type RawSession, rawSession } from '../support/raw-session.ts'

let house: House
/** Why sessions ended, the last one last. */
const reasons: string[] = []

beforeAll(async () => {
  const debug = (fields: object, text: string): void => {
    if (text === 'client session closed') reasons.push((fields as { reason: string }).reason)
  }
  house = await startHouse({
    log: { ...silentLog, debug },
    pool: 2,
    ports: [17_530, 17_559],
    config: {
      auth: { trust: true, secrets: [{ username: 'weir', password: 'weir' }] },
      limits: {
        statementTimeout: '4s',
        idleInTransactionTimeout: '2s',
        messageTimeout: '2s',
        sendTimeout: '2s',
      },
    },
  })
})

afterAll(async () => {
  await house?.end()
})

/** So many are lent; none when all is over. */
const lent = (): number => house.app.snapshot().pools.reduce((sum, { active }) => sum + active, 0)

async function client(): Promise<{ client: pg.Client; fatal: () => string | undefined }> {
  const one = new pg.Client({ connectionString: house.writer })
  let code: string | undefined
  one.on('error', (error) => {
    code ??= (error as { code?: string }).code
  })
  await one.connect()
  return { client: one, fatal: () => code }
}

const closed = (session: RawSession) => until(() => session.closed, 30_000)

it('a statement that runs for too long is cancelled, and its client works on', async () => {
  const { client: one } = await client()
  const notices: string[] = []
  one.on('notice', ({ message }) => notices.push(message ?? ''))
  const slept = one.query('select pg_sleep(60)')
  await expect(slept).rejects.toMatchObject({ code: '57014' })
  expect(notices).toEqual(['canceling statement due to statement timeout of the proxy'])
  expect((await one.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  await one.end()
})

it('a client that does nothing in its transaction is closed, and the transaction is undone', async () => {
  const { client: one, fatal } = await client()
  await one.query('create table if not exists kept (a int)')
  await one.query('begin')
  await one.query('insert into kept values (1)')
  await until(() => fatal() !== undefined, 30_000)
  expect(fatal()).toBe('25P03')
  await until(() => lent() === 0, 20_000)
  expect(await house.ask('select count(*)::int as n from kept')).toEqual([{ n: 0 }])
})

it('a client that never reads is cut, and its server connection is free again', async () => {
  const session = await rawSession(house.port)
  session.socket.pause()
  // Within the time a statement may run as far as the node goes: it writes, and nobody takes it.
  session.send(query("select repeat('x', 1000) from generate_series(1, 1000000)"))
  await until(() => lent() === 1, 20_000)
  await until(() => lent() === 0, 30_000)
  await until(() => house.app.snapshot().clients.total === 0, 20_000)
  expect(reasons.at(-1)).toBe('send-timeout')
  session.vanish()
})

it('a message that comes in drips ends its session, in a transaction and outside', async () => {
  const outside = await rawSession(house.port)
  const inside = await rawSession(house.port)
  inside.send(query('begin'))
  await inside.take('Z')
  const text = query(`select ${"'x'".padEnd(200)}`)
  let at = 0
  const drip = setInterval(() => {
    const one = text.subarray(at, at + 1)
    at = Math.min(at + 1, text.length - 2)
    for (const session of [outside, inside]) if (!session.closed) session.send(one)
  }, 100)
  try {
    for (const session of [outside, inside]) {
      expect(await session.error()).toMatchObject({ code: '08P01' })
      await closed(session)
    }
  } finally {
    clearInterval(drip)
  }
  await until(() => lent() === 0, 20_000)
})

it('a client that has stopped reading and goes on asking is cut as well', async () => {
  const session = await rawSession(house.port)
  session.socket.pause()
  const asks = Buffer.concat(Array.from({ length: 2_000 }, () => query("select repeat('x', 9000)")))
  session.send(asks, asks)
  await until(() => house.app.snapshot().clients.total === 0, 30_000)
  expect([reasons.at(-1), lent()]).toEqual(['send-timeout', 0])
  session.vanish()
})
