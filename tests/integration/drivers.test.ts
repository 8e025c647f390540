/**
 * The two drivers of Node through a pool far smaller than the number of their connections. Rule:
 * every reply carries the id of its request, so one that went to somebody else would be seen.
 */
import pg from 'pg'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../../src/core/until.ts'
import { type House, startHouse } from '../support/house.ts'

const POOL = 3
const CLIENTS = 20
const STATEMENTS = 1_500

let house: House

beforeAll(async () => {
  house = await startHouse({ pool: POOL })
  await house.ask('create table kept (id int primary key, note text, made bytea)')
  await house.ask('create table account (id int primary key, balance int not null)')
  await house.ask('insert into account select i, 100 from generate_series(1, 10) i')
})

afterAll(async () => {
  await house?.end()
})

/** Most server connections of clients at any moment while `work` runs, control connection aside. */
async function mostServers<T>(work: Promise<T>): Promise<{ result: T; most: number }> {
  const watcher = new pg.Client({ connectionString: house.direct })
  await watcher.connect()
  let running = true
  let most = 0
  const watch = (async () => {
    while (running) {
      const { rows } = await watcher.query(
        `select count(*)::int as n from pg_stat_activity
         where backend_type = 'client backend' and pid <> pg_backend_pid()`,
      )
      most = Math.max(most, rows[0].n)
    }
  })()
  try {
    const result = await work
    running = false
    await watch
    return { result, most: most - 1 }
  } finally {
    running = false
    await watch.catch(() => {})
    await watcher.end()
  }
}

/** Sums over accounts never change, however transfers interleave or fail. */
async function total(): Promise<unknown> {
  return (await house.ask('select sum(balance)::int as n from account'))[0]?.n
}

describe('pg', () => {
  test('values come back as they do directly', async () => {
    const text = `select $1::int as i, $2::text as t, $3::bytea as b, $4::timestamptz as at,
      $5::jsonb as j, $6::numeric as n, $7::int[] as a, null as nothing, $8::bool as yes`
    const at = new Date('2024-02-29T12:34:56.789Z')
    const values = [7, 'ü€😀', Buffer.from([0, 255]), at, { a: [1] }, '1.50', [1, 2], true]
    const answers = []
    for (const connectionString of [house.direct, house.writer]) {
      const client = new pg.Client({ connectionString })
      await client.connect()
      const { rows, fields } = await client.query(text, values)
      answers.push({ rows, fields: fields.map((f) => ({ ...f })) })
      await client.end()
    }
    expect(answers[1]).toEqual(answers[0])
    expect(answers[1]!.rows[0].at).toEqual(at)
  })

  test('twenty connections, simple, with parameters and prepared, each reply at its own request', async () => {
    const pool = new pg.Pool({ connectionString: house.writer, max: CLIENTS })
    let done = 0
    const worker = async (k: number): Promise<void> => {
      for (let i = 0; i < STATEMENTS / CLIENTS; i++) {
        const id = `${k}-${i}`
        const client = await pool.connect()
        const replies = [
          await client.query(`select '${id}' as id`),
          await client.query('select $1::text as id', [id]),
          await client.query({
            name: `n${i % 5}`,
            text: `select $1::text as id, ${i % 5} as k`,
            values: [id],
          }),
          await client.query({ text: 'select $1::text as id', values: [id], rowMode: 'array' }),
        ]
        client.release()
        expect(replies.slice(0, 3).map((r) => r.rows[0].id)).toEqual([id, id, id])
        expect(replies[2]!.rows[0].k).toBe(i % 5)
        expect(replies[3]!.rows).toEqual([[id]])
        done += replies.length
      }
    }
    const { most } = await mostServers(
      Promise.all(Array.from({ length: CLIENTS }, (_, k) => worker(k))),
    )
    await pool.end()
    expect(done).toBe(4 * STATEMENTS)
    expect(most).toBeLessThanOrEqual(POOL)
    expect(most).toBeGreaterThan(1)
  })

  test('transactions of many clients keep together, also when they fail', async () => {
    const pool = new pg.Pool({ connectionString: house.writer, max: CLIENTS })
    const before = await total()
    let failed = 0
    const transfer = async (k: number): Promise<void> => {
      const client = await pool.connect()
      const [from, to] = [1 + (k % 10), 1 + ((k * 7 + 3) % 10)].sort((a, b) => a - b)
      try {
        await client.query('begin')
        await client.query('update account set balance = balance - 1 where id = $1', [from])
        await client.query('update account set balance = balance + 1 where id = $1', [to])
        if (k % 4 === 0) await client.query('select 1/0')
        await client.query('commit')
      } catch (error) {
        failed++
        expect((error as { code?: string }).code).toBe('22012')
        await client.query('rollback')
      } finally {
        client.release()
      }
    }
    await Promise.all(Array.from({ length: 200 }, (_, k) => transfer(k)))
    await pool.end()
    expect(failed).toBe(50)
    expect(await total()).toBe(before)
  })

  test('errors carry what Postgres says, and the connection goes on', async () => {
    const errors = []
    for (const connectionString of [house.direct, house.writer]) {
      const client = new pg.Client({ connectionString })
      await client.connect()
      const caught: unknown[] = []
      const wrong: pg.QueryConfig[] = [
        { text: 'selec 1' },
        { text: 'select $1::int', values: ['x'] },
        { name: 'e', text: 'select 1 / $1::int as n', values: [0] },
        { name: 'e', text: 'select 1 / $1::int as n', values: [0] },
        { text: 'insert into account values (1, 1)' },
      ]
      for (const query of wrong) {
        await client.query(query).catch((error: Error) => {
          caught.push({ ...error, text: error.message })
        })
      }
      const right = { name: 'e', text: 'select 1 / $1::int as n', values: [1] }
      caught.push((await client.query(right)).rows)
      await client.end()
      errors.push(caught)
    }
    expect(errors[1]).toEqual(errors[0])
    expect(errors[1]).toHaveLength(6)
  })

  test('a client that vanishes inside a transaction leaves nothing behind', async () => {
    const client = new pg.Client({ connectionString: house.writer })
    client.on('error', () => {})
    await client.connect()
    await client.query('begin')
    await client.query("insert into kept values (1, 'half')")
    ;(
      client as unknown as { connection: { stream: { destroy(): void } } }
    ).connection.stream.destroy()
    const other = new pg.Client({ connectionString: house.writer })
    await other.connect()
    // The row lock of the lost transaction would make this wait for ever.
    await other.query("insert into kept values (1, 'whole')")
    expect((await other.query('select note from kept where id = 1')).rows).toEqual([
      { note: 'whole' },
    ])
    await other.query('truncate kept')
    await other.end()
  })
})

describe('postgres.js', () => {
  test('values come back as they do directly', async () => {
    const answers = []
    for (const url of [house.direct, house.writer]) {
      const sql = postgres(url, { max: 1 })
      answers.push([
        ...(await sql`select ${7}::int as i, ${'ü€😀'} as t, ${Buffer.from([0, 255])}::bytea as b,
          ${new Date(0)}::timestamptz as at, ${sql.json({ a: [1] })} as j, ${[1, 2]}::int[] as a`),
      ])
      await sql.end()
    }
    expect(answers[1]).toEqual(answers[0])
  })

  test('prepared by default and pipelined, every reply at its own request', async () => {
    const sql = postgres(house.writer, { max: CLIENTS })
    const asked = Array.from({ length: STATEMENTS }, async (_, i) => {
      const id = `p-${i}`
      const rows =
        i % 3 === 0
          ? await sql`select ${id} as id, ${i}::int as n`
          : i % 3 === 1
            ? await sql`select ${i}::int as n, ${id}::text as id`
            : await sql.unsafe(`select '${id}' as id, ${i} as n`)
      expect(rows).toHaveLength(1)
      expect({ ...rows[0] }).toEqual({ id, n: i })
    })
    const { most } = await mostServers(Promise.all(asked))
    await sql.end()
    expect(most).toBeLessThanOrEqual(POOL)
  })

  test('errors in a pipeline hit their own request only', async () => {
    const sql = postgres(house.writer, { max: 2 })
    const asked = Array.from({ length: 300 }, async (_, i) => {
      const result = await sql`select ${i}::int / ${i % 5}::int as n, ${i}::int as id`.catch(
        (error) => error.code,
      )
      if (i % 5 === 0) expect(result).toBe('22012')
      else expect({ ...result[0] }).toEqual({ n: Math.floor(i / (i % 5)), id: i })
    })
    await Promise.all(asked)
    await sql.end()
  })

  test('transactions, savepoints and rollbacks', async () => {
    const sql = postgres(house.writer, { max: 10 })
    const before = await total()
    const results = await Promise.allSettled(
      Array.from({ length: 60 }, (_, k) =>
        sql.begin(async (tx) => {
          await tx`update account set balance = balance - 1 where id = 1`
          await tx
            .savepoint(async (sp) => {
              await sp`update account set balance = balance - 50 where id = 2`
              throw new Error('taken back')
            })
            .catch(() => {})
          await tx`update account set balance = balance + 1 where id = 2`
          if (k % 3 === 0) throw new Error('on purpose')
          return k
        }),
      ),
    )
    await sql.end()
    expect(results.filter((r) => r.status === 'rejected')).toHaveLength(20)
    expect(await total()).toBe(before)
  })

  test('a cursor reads in pieces', async () => {
    const sql = postgres(house.writer, { max: 2 })
    const seen: number[] = []
    await sql`select n from generate_series(1, 95) n`.cursor(10, (rows) => {
      expect(rows.length).toBeLessThanOrEqual(10)
      for (const row of rows) seen.push(row.n)
    })
    const first: number[] = []
    for await (const [row] of sql`select n from generate_series(1, 50) n`.cursor()) {
      first.push(row?.n)
      if (first.length === 3) break
    }
    await sql.end()
    expect(seen).toEqual(Array.from({ length: 95 }, (_, i) => i + 1))
    expect(first).toEqual([1, 2, 3])
  })

  test('listen hears what others notify', async () => {
    const sql = postgres(house.writer, { max: 2 })
    const heard: string[] = []
    const { unlisten } = await sql.listen('driver', (payload) => heard.push(payload))
    for (let i = 0; i < 20; i++) await sql.notify('driver', `${i}`)
    await until(() => heard.length === 20, 10_000, { what: 'twenty notifications' })
    expect(heard).toEqual(Array.from({ length: 20 }, (_, i) => `${i}`))
    await unlisten()
    await sql.end()
  })

  test('cancel ends its own query and no other', async () => {
    const sql = postgres(house.writer, { max: 3 })
    const sleeping = sql`select pg_sleep(30)`
    const bystander = sql`select 'unharmed' as text, pg_sleep(0.5)`.execute()
    sleeping.execute()
    const running = async () =>
      (
        await house.ask(
          "select 1 from pg_stat_activity where query like '%pg_sleep(30)%' and pid <> pg_backend_pid() and state = 'active'",
        )
      ).length > 0
    await until(running, 10_000, { what: 'the query to run' })
    sleeping.cancel()
    await expect(sleeping).rejects.toMatchObject({ code: '57014' })
    expect((await bystander)[0]?.text).toBe('unharmed')
    expect((await sql`select 1 as n`)[0]?.n).toBe(1)
    await sql.end()
  })

  test('COPY both ways by streams', async () => {
    const sql = postgres(house.writer, { max: 2 })
    const lines = Array.from({ length: 5_000 }, (_, i) => `${i}\tnote ${i}\t\\N\n`)
    const into = await sql`copy kept from stdin`.writable()
    await new Promise<void>((resolve, reject) => {
      into.on('error', reject).on('finish', resolve)
      for (const line of lines) into.write(line)
      into.end()
    })
    let text = ''
    const out = await sql`copy (select * from kept order by id) to stdout`.readable()
    for await (const chunk of out) text += chunk
    // Not over the same connections: after a copy the driver may wait for itself, directly too.
    await sql.end({ timeout: 1 })
    await house.ask('truncate kept')
    expect(text).toBe(lines.join(''))
  })
})
