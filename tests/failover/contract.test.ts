/**
 * What a client sees when its server goes, row by row, on a real server whose processes are ended
 * under it. Rule: a row that depends on what was in flight holds it there by a lock, not by luck.
 */
import pg from 'pg'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { type Client, connect, endClients, failure, one } from '../support/clients.ts'
import { startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'

let house: House
let direct: pg.Client
/** Holds locks; what is asked in a transaction is told as it was at its begin. */
let locker: pg.Client

beforeAll(async () => {
  house = await startHouse({ ports: [15_960, 15_999], pool: 5 })
  await house.ask('create table kept (n int)')
})

afterAll(() => house?.end())

beforeEach(async () => {
  direct = new pg.Client({ connectionString: house.direct })
  locker = new pg.Client({ connectionString: house.direct })
  await direct.connect()
  await locker.connect()
  await direct.query('truncate kept')
})

afterEach(async () => {
  endClients()
  await direct.end()
  await locker.end()
})

/** Ends the server process that runs, or ran last, a statement like this. */
async function end(like: string): Promise<void> {
  const ended = await direct.query(
    `select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where query like $1 and pid <> pg_backend_pid() and backend_type = 'client backend'`,
    [like],
  )
  expect(ended.rowCount).toBeGreaterThan(0)
}

/** Starts `request` while the table is locked, and does `work` as soon as it waits there. */
async function whileLocked<T>(
  like: string,
  request: () => Promise<T>,
  work: () => Promise<unknown>,
): Promise<T> {
  await locker.query('begin')
  await locker.query('lock table kept in access exclusive mode')
  const result = request()
  result.catch(() => {})
  try {
    await until(() => waits(like), 10_000, { what: `a statement like ${like} that waits` })
    await work()
  } finally {
    await locker.query('rollback')
  }
  return result
}

async function waits(like: string): Promise<boolean> {
  const { rows } = await direct.query(
    `select 1 from pg_stat_activity where query like $1 and wait_event_type = 'Lock'`,
    [like],
  )
  return rows.length > 0
}

const rows = (): Promise<unknown> => house.ask('select n from kept order by n')

async function begun(): Promise<Client> {
  const client = await connect(house.writer)
  await client.query('begin')
  await client.query('insert into kept values (1)')
  return client
}

describe('A transaction whose server is lost', () => {
  it('fails with 40001 once and with 25P02 until it is rolled back, and the session goes on', async () => {
    const client = await begun()
    await end('insert into kept%')
    const first = await failure(client.query('insert into kept values (2)'))
    expect(first).toMatchObject({ severity: 'ERROR', code: '40001' })
    expect(await failure(client.query('select 1'))).toMatchObject({ code: '25P02' })
    expect(await failure(client.query('select $1::int', [1]))).toMatchObject({ code: '25P02' })
    expect(await failure(client.query('rollback to a'))).toMatchObject({ code: '25P02' })
    expect((await client.query('commit')).command).toBe('ROLLBACK')
    await client.query('insert into kept values (3)')
    expect(await rows()).toEqual([{ n: 3 }])
    expect(client.strays).toEqual([])
  })

  it('is told to a statement under way, by the simple and by the extended protocol', async () => {
    for (const values of [undefined, []]) {
      const client = await connect(house.writer)
      await client.query('begin')
      await client.query('select 1')
      const text = 'insert into kept values (7)'
      const lost = whileLocked(
        text,
        () => client.query(text, values),
        () => end(text),
      )
      expect(await failure(lost)).toMatchObject({ code: '40001' })
      expect((await client.query('rollback', values)).command).toBe('ROLLBACK')
      expect(await one(client, 'select 1')).toBe(1)
    }
    expect(await rows()).toEqual([])
  })

  it('does not take a COMMIT, and ends with it', async () => {
    const client = await begun()
    await end('insert into kept%')
    expect(await failure(client.query('commit'))).toMatchObject({ code: '40001' })
    await client.query('insert into kept values (4)')
    expect(await rows()).toEqual([{ n: 4 }])
  })

  it('is run again by the helpers of drivers, which look for 40001', async () => {
    const sql = postgres(house.writer, { max: 1, onnotice: () => {} })
    let tries = 0
    const transact = (): Promise<unknown> =>
      sql.begin(async (t) => {
        tries++
        await t`insert into kept values (${tries})`
        if (tries === 1) await end('insert into kept values ($1)%')
        await t`insert into kept values (10)`
      })
    const error = (await transact().catch((e: unknown) => e)) as { code: string }
    expect(error.code).toBe('40001')
    await transact()
    await sql.end()
    expect(await rows()).toEqual([{ n: 2 }, { n: 10 }])
  })

  it('takes with it what it had set and created, and nothing from before', async () => {
    const client = await connect(house.writer)
    await client.query("set work_mem = '1MB'")
    await client.query('begin')
    await client.query("set work_mem = '2MB'")
    await client.query('create temp table scratch (n int)')
    await end('create temp table%')
    expect(await failure(client.query('select * from scratch'))).toMatchObject({ code: '40001' })
    await client.query('rollback')
    expect(await one(client, 'show work_mem')).toBe('1MB')
    expect(await failure(client.query('select * from scratch'))).toMatchObject({ code: '42P01' })
  })
})

describe('A request outside a transaction whose server is lost', () => {
  it('is sent again when it only reads', async () => {
    const client = await connect(house.writer)
    await client.query('insert into kept values (5)')
    for (const text of ['select n from kept', 'select n + $1::int - $1::int as n from kept']) {
      const read = await whileLocked(
        'select n%',
        () => client.query(text, text.includes('$1') ? [1] : undefined),
        async () => {
          await end('select n%')
          await until(() => waits('select n%'), 10_000, { what: 'the read to come back' })
        },
      )
      expect(read.rows).toEqual([{ n: 5 }])
    }
  })

  it('is told that its outcome is unknown when it writes', async () => {
    const client = await connect(house.writer)
    const text = 'insert into kept values (6)'
    const lost = whileLocked(
      text,
      () => client.query(text),
      () => end(text),
    )
    expect(await failure(lost)).toMatchObject({ severity: 'ERROR', code: '08007' })
    expect(await one(client, 'select 1')).toBe(1)
  })

  it('is told so, too, when the endpoint does not send reads again', async () => {
    const front = await startFront(house, {
      endpoints: [{ name: 'writer', kind: 'writer', retryReads: false }],
    })
    const client = await connect(front.url())
    const lost = whileLocked(
      'select n%',
      () => client.query('select n from kept'),
      () => end('select n%'),
    )
    expect(await failure(lost)).toMatchObject({ code: '08007' })
    await front.end()
  })

  it('is told that a COPY came to nothing', async () => {
    const sql = postgres(house.writer, { max: 1 })
    const [row] = await sql`select pg_backend_pid() as pid`
    expect(row).toBeDefined()
    const into = await sql`copy kept from stdin`.writable()
    into.write('1\n2\n')
    await until(() => copies(), 10_000)
    const failed = new Promise<{ code?: string }>((resolve) => into.once('error', resolve))
    await end('%copy kept from stdin%')
    // Only told now, and not behind the end of the data: there this driver overhears errors. It goes
    // on sending what belongs to the COPY.
    expect(await failed).toMatchObject({ code: '40001' })
    expect(await sql`select n from kept`).toEqual([])
    await sql.end()
  })
})

async function copies(): Promise<boolean> {
  const found = await direct.query(
    `select 1 from pg_stat_activity where query like '%copy kept from stdin%'
      and pid <> pg_backend_pid()`,
  )
  return found.rows.length > 0
}
