/**
 * The other ways to treat what would pin (`strict`, `aws`), and `verify`, which asks about what
 * functions have done.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { type Client, connect, endClients, failure, one } from '../support/clients.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'

let house: House
let front: Front
let direct: Client

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  direct = await connect(house.direct)
  await direct.query(`create table talk (n int); create sequence tickets;
    create function changes(name text, value text) returns void language plpgsql as
      $$begin perform set_config(name, value, false); end$$;
    create function makes() returns void language plpgsql as
      $$begin create temp table scratch (n int); end$$;
    create function locks() returns void language plpgsql as
      $$begin perform pg_advisory_lock(9); end$$`)
  front = await startFront(house, {
    endpoints: [
      { name: 'strict', kind: 'writer', pinning: 'strict' },
      { name: 'aws', kind: 'writer', pinning: 'aws' },
      { name: 'verify', kind: 'writer', verify: true },
      { name: 'plain', kind: 'writer' },
    ],
    pool: { maxConnections: 1 },
    admin: true,
  })
})

afterEach(async () => {
  endClients(direct)
  await until(() => front.app.snapshot().clients.total === 0, 10_000)
})

afterAll(async () => {
  endClients()
  await front?.end()
  await house?.end()
})

async function pins(): Promise<string[]> {
  const answer = await fetch(`http://127.0.0.1:${front.adminPort}/clients`)
  const { clients } = (await answer.json()) as { clients: { pins: string[] }[] }
  return clients.flatMap((client) => client.pins)
}

/** Resolves once nobody holds the server connection. */
async function free(): Promise<void> {
  await until(() => front.app.snapshot().clients.active === 0, 10_000)
}

const REFUSED: readonly (readonly [text: string, hint: string])[] = [
  ['create temp table t (n int)', 'ON COMMIT DROP'],
  ['select 1 as n into temp t', 'ON COMMIT DROP'],
  ['declare c cursor with hold for select 1', 'WITH HOLD'],
  ['select pg_advisory_lock(1)', 'pg_advisory_xact_lock'],
  [`load 'plpgsql'`, 'session_preload_libraries'],
  ['select setseed(0.1)', 'client'],
  [`select set_config('work' || '_mem', '1MB', false)`, 'name of the setting'],
]

describe('An endpoint that is strict', () => {
  it.each(REFUSED)('refuses %s', async (text, hint) => {
    const client = await connect(front.url('strict'))
    for (const query of [text, { text, values: [] as string[] }, { name: 'twice', text }]) {
      const error = await failure(client.query(query as string))
      expect(error.code).toBe('0A000')
      expect(error.hint).toContain(hint)
      expect(await one(client, 'select 1')).toBe(1)
    }
    await free()
    expect(await pins()).toEqual([])
  })

  it.each([
    ['simple', 'create temp table t (n int)'],
    ['extended', { text: 'create temp table t (n int)', values: [] as string[] }],
  ])('fails a transaction with it as Postgres would, %s', async (_, query) => {
    const client = await connect(front.url('strict'))
    await client.query('begin')
    await client.query('insert into talk values (1)')
    expect((await failure(client.query(query as string))).code).toBe('0A000')
    expect((await failure(client.query('select 1'))).code).toBe('25P02')
    expect((await client.query('commit')).command).toBe('ROLLBACK')
    expect(await one(client, 'select count(*)::int from talk')).toBe(0)
  })

  it('refuses it inside a longer text, of which nothing happens', async () => {
    const client = await connect(front.url('strict'))
    const text = 'insert into talk values (2); create temp table t (n int)'
    expect((await failure(client.query(text))).code).toBe('0A000')
    expect(await one(client, 'select count(*)::int from talk')).toBe(0)
  })

  it('lets pass what ends with its transaction, and what follows', async () => {
    const client = await connect(front.url('strict'))
    await client.query('begin; create temp table t (n int) on commit drop; commit')
    await client.query('begin; select pg_advisory_xact_lock(1); commit')
    await client.query(`set work_mem = '9MB'`)
    await client.query('listen news; unlisten news')
    await one(client, `select nextval('tickets')`)
    await free()
    expect(await pins()).toEqual([])
    expect(await one(client, 'show work_mem')).toBe('9MB')
  })
})

/** Longer than RDS Proxy reads. */
const LONG = `select 1 /* ${'long '.repeat(4_000)}*/`

describe('An endpoint that pins as RDS Proxy does', () => {
  const PINS: readonly (readonly [text: string, reason: string])[] = [
    [`set work_mem = '9MB'`, 'settings'],
    ['set local work_mem = 8192', 'settings'],
    ['discard all', 'discard'],
    ['create temp table t (n int)', 'temporary'],
    ['prepare p as select 1', 'sql-prepare'],
    ['listen news', 'listen'],
    [`select nextval('tickets')`, 'sequence'],
    ['select pg_advisory_lock(1)', 'advisory-lock'],
    [LONG, 'large-statement'],
  ]
  it.each(PINS.map(([text, reason]) => [text.slice(0, 40), text, reason] as const))(
    'is pinned by %s until the client leaves',
    async (_, text, reason) => {
      const client = await connect(front.url('aws'))
      const pid = await one(client, 'select pg_backend_pid()')
      await free()
      await client.query(text)
      await client.query('discard all')
      await until(async () => (await pins()).includes(reason), 10_000)
      expect(await one(client, 'select pg_backend_pid()')).toBe(pid)
      await client.end()
      const next = await connect(front.url('aws'))
      const look = `select concat(current_setting('work_mem'), ' ', to_regclass('pg_temp.t'),
      (select count(*) from pg_prepared_statements where from_sql),
      (select count(*) from pg_listening_channels()),
      (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()))`
      expect(await one(next, look)).toBe('4MB 000')
    },
  )

  it('is not pinned by plain statements', async () => {
    const client = await connect(front.url('aws'))
    await client.query('begin; insert into talk values (1); rollback')
    await client.query({ name: 'one', text: 'select 1' })
    await free()
    expect(await pins()).toEqual([])
  })

  it('hears what is notified', async () => {
    const client = await connect(front.url('aws'))
    const heard: unknown[] = []
    client.on('notification', ({ payload }) => heard.push(payload))
    await client.query('listen news')
    await direct.query(`notify news, 'rain'`)
    await until(() => heard.length > 0, 10_000)
    expect(heard).toEqual(['rain'])
  })
})

describe('What a function changes that nobody has read', () => {
  it('follows with verify: settings', async () => {
    const [client, other] = [await connect(front.url('verify')), await connect(front.url('verify'))]
    await client.query(`select changes('work_mem', '9MB')`)
    expect(await one(other, 'show work_mem')).toBe('4MB')
    expect(await one(client, 'show work_mem')).toBe('9MB')
    await client.query({ text: 'select changes($1, $2)', values: ['work_mem', '8MB'] })
    expect(await one(other, 'show work_mem')).toBe('4MB')
    expect(await one(client, 'show work_mem')).toBe('8MB')
    await client.query(`begin; select changes('work_mem', '7MB'); rollback`)
    expect(await one(other, 'show work_mem')).toBe('4MB')
    expect(await one(client, 'show work_mem')).toBe('8MB')
    await free()
    expect(await pins()).toEqual([])
  })

  it('pins with verify: temporary tables and locks, until they are gone', async () => {
    const client = await connect(front.url('verify'))
    await client.query('select makes()')
    await until(async () => (await pins()).includes('temporary'), 10_000)
    await client.query('drop table scratch')
    await free()
    await client.query('select locks()')
    await until(async () => (await pins()).includes('advisory-lock'), 10_000)
    await client.query('select pg_advisory_unlock_all()')
    await free()
  })

  it.each(['TimeZone', 'application_name', 'DateStyle'])(
    'follows without verify where the server reports it: %s',
    async (name) => {
      const [client, other] = [await connect(front.url('plain')), await connect(front.url('plain'))]
      const value = {
        TimeZone: 'Asia/Tokyo',
        application_name: 'inside',
        DateStyle: 'German, DMY',
      }[name]!
      const before = await one(other, `show ${name}`)
      await client.query(`select changes('${name}', '${value}')`)
      expect(await one(other, `show ${name}`)).toBe(before)
      expect(await one(client, `show ${name}`)).toBe(value)
      await client.query(`begin; select changes('${name}', 'UTC'); rollback`).catch(() => {})
      await client.query('rollback')
      expect(await one(client, `show ${name}`)).toBe(value)
      await client.query(`reset ${name}`)
      expect(await one(client, `show ${name}`)).toBe(before)
      await free()
      expect(await pins()).toEqual([])
    },
  )
})
