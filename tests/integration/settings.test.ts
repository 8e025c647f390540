/**
 * Settings follow their client over server connections that others use: those asked for at start and
 * those set later, by the transaction rules of Postgres, and nobody else ever has them.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { type Client, connect, endClients, failure, one, wireOf } from '../support/clients.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'

let house: House
let narrow: Front
let direct: Client

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  narrow = await startFront(house, { pool: { maxConnections: 1 } })
  direct = await connect(house.direct)
  await direct.query('create role clerk')
  await direct.query('create role "Mixed Case"')
  await direct.query('create schema "Odd, ""schema"')
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

/** Name, what is said, and the question it changes. */
const SET: readonly (readonly [text: string, look: string])[] = [
  [`set work_mem = '123MB'`, 'show work_mem'],
  [`set session work_mem to '124MB'`, 'show work_mem'],
  [`select set_config('work_mem', '77MB', false)`, 'show work_mem'],
  [`set search_path = "Odd, ""schema", public`, 'show search_path'],
  [`set search_path = ''`, 'show search_path'],
  [`set schema 'elsewhere'`, 'show search_path'],
  [`set time zone 'Asia/Tokyo'`, 'show timezone'],
  ['set time zone -3.5', 'show timezone'],
  [`set time zone interval '+05:30' hour to minute`, 'show timezone'],
  [`set datestyle = 'German'`, 'show datestyle'],
  [`set intervalstyle = sql_standard`, 'show intervalstyle'],
  [`set names 'LATIN1'`, 'show client_encoding'],
  [`set application_name = 'it''s \\ "me"'`, 'show application_name'],
  [`set app.tenant = 'blue'`, `select current_setting('app.tenant', true)`],
  [`set app.tenant = 'Zoë £5'`, `select current_setting('app.tenant', true)`],
  ['set role clerk', 'select current_user::text'],
  ['set role "Mixed Case"', 'select current_user::text'],
  ['set session authorization clerk', 'select session_user::text'],
  [`select set_config('role', 'clerk', false)`, 'select current_user::text'],
  ['set session characteristics as transaction read only', 'show transaction_read_only'],
  ['set default_transaction_isolation = serializable', 'show transaction_isolation'],
  [`set statement_timeout = '1h'`, 'show statement_timeout'],
  [`set standard_conforming_strings = off`, 'show standard_conforming_strings'],
  [`set xml option document`, 'show xmloption'],
  ['set extra_float_digits = 0', 'show extra_float_digits'],
  [`do $$begin set timezone = 'Asia/Tokyo'; end$$`, 'show timezone'],
  [`do $$begin set work_mem = '55MB'; end$$`, 'show work_mem'],
  [
    `begin; set work_mem = '1MB'; savepoint s; set work_mem = '2MB'; rollback to s; commit`,
    'show work_mem',
  ],
  [`set work_mem = '5MB'; set timezone = 'Asia/Tokyo'`, 'show timezone'],
  [`set work_mem = '5MB'; select 1; commit`, 'show work_mem'],
]

describe('A setting that is changed by', () => {
  it.each(SET)('%s follows its client and nobody else', async (text, look) => {
    const plain = await connect(narrow.url())
    const before = await one(plain, look)
    await direct.query(text)
    const expected = await one(direct, look)
    await direct.query('reset session authorization; reset role')
    await direct.query('discard all')
    expect(expected).not.toBe(before)

    const client = await connect(narrow.url())
    await client.query(text)
    // A name that was made up stays known to the session it was made in, with nothing in it.
    const clean = text.includes('app.tenant') ? [before, ''] : [before]
    for (let round = 0; round < 2; round++) {
      expect(clean).toContain(await one(plain, look))
      expect(await one(client, look)).toBe(expected)
    }
    expect(narrow.app.snapshot().clients.pinned).toBe(0)
    await client.query('discard all')
    expect(clean).toContain(await one(client, look))
    expect(clean).toContain(await one(plain, look))
  })

  const UNDONE: readonly (readonly [text: string, look: string])[] = [
    [`begin; set work_mem = '1MB'; rollback`, 'show work_mem'],
    [`begin; set work_mem = '1MB'; select 1/0`, 'show work_mem'],
    [`set work_mem = '1MB'; select 1/0`, 'show work_mem'],
    [`begin; savepoint s; set work_mem = '1MB'; rollback to s; commit`, 'show work_mem'],
    [`begin; set local work_mem = '1MB'; commit`, 'show work_mem'],
    [`begin; set role clerk; rollback`, 'select current_user::text'],
    [`set work_mem = 'banana'`, 'show work_mem'],
    [`begin; set application_name = 'x'; rollback`, 'show application_name'],
    [`select set_config('work_mem', '1MB', true)`, 'show work_mem'],
    [`set transaction isolation level serializable`, 'show transaction_isolation'],
    [`set transaction_read_only = on`, 'show transaction_read_only'],
  ]
  it.each(UNDONE)('%s is as it was', async (text, look) => {
    const client = await connect(narrow.url())
    const before = await one(client, look)
    await client.query(text).catch(() => {})
    await client.query('rollback')
    expect(await one(client, look)).toBe(before)
    const other = await connect(narrow.url())
    expect(await one(other, look)).toBe(before)
    await until(() => narrow.app.snapshot().clients.active === 0, 10_000)
    expect(narrow.app.snapshot().clients.pinned).toBe(0)
  })
})

describe('RESET goes back to what the client asked for at start', () => {
  const START = {
    application_name: 'mine',
    options: '-c work_mem=12MB -c Search_Path=blue -c TimeZone=Asia/Tokyo',
  }
  const LOOK = `select concat_ws(' ', current_setting('application_name'), current_setting('work_mem'),
    current_setting('search_path'), current_setting('timezone'))`
  const CHANGE = `set application_name = 'x'; set work_mem = '1MB'; set search_path = x; set time zone 5`

  it.each([
    'reset application_name',
    'reset timezone',
    'set time zone local',
    'reset work_mem',
    'reset all',
    'set work_mem to default',
    'set work_mem = default; set search_path = default',
    'set schema default',
    'discard all',
    `reset all; set work_mem = '3MB'`,
    `reset work_mem; set work_mem = '3MB'; select 1`,
    `begin; reset all; rollback`,
    `begin; reset work_mem; commit`,
    `begin; savepoint s; reset all; rollback to s; commit`,
    `reset all; select 1/0`,
    `reset work_mem; select 1/0`,
    `begin; discard all; commit`,
    `select 1; discard all`,
    'reset nonsense',
  ])('after %s as directly', async (text) => {
    const other = await connect(narrow.url())
    const client = await connect(narrow.url(), START)
    const straight = await connect(house.direct, START)
    const answers: unknown[][] = [[], []]
    for (const [i, session] of [straight, client].entries()) {
      await session.query(CHANGE)
      await one(other, 'show work_mem')
      const { code, message } = await session.query(text).then(
        () => ({ code: 'none', message: '' }),
        (error) => error,
      )
      answers[i]!.push(code, message)
      await session.query('rollback')
      expect(await one(other, 'show work_mem')).toBe('4MB')
      answers[i]!.push(await one(session, LOOK))
    }
    expect(answers[1]).toEqual(answers[0])
    expect(await one(other, 'show work_mem')).toBe('4MB')
    await until(() => narrow.app.snapshot().clients.active === 0, 10_000)
    expect(narrow.app.snapshot().clients.pinned).toBe(0)
  })

  it.each([['reset work_mem'], ['reset all'], ['discard all'], ['set work_mem to default']])(
    'after %s as a prepared statement',
    async (text) => {
      const client = await connect(narrow.url(), START)
      const straight = await connect(house.direct, START)
      const other = await connect(narrow.url())
      for (const session of [straight, client]) {
        await session.query(CHANGE)
        await session.query({ name: 'again', text, values: [] })
      }
      expect(await one(other, 'show work_mem')).toBe('4MB')
      expect(await one(client, LOOK)).toBe(await one(straight, LOOK))
    },
  )
})

describe('A role that is dropped meanwhile', () => {
  it('fails the statements of its client, which never run with the rights of the login', async () => {
    await direct.query('create role passing; create table entries (n int)')
    const client = await connect(narrow.url())
    await client.query('set role passing')
    const other = await connect(narrow.url())
    expect(await one(other, 'select current_user::text')).toBe('weir')
    await direct.query('drop role passing')
    for (const text of [
      'insert into entries values (1)',
      'begin; insert into entries values (2)',
    ]) {
      const error = await failure(client.query(text))
      expect(error.detail).toContain('"passing"')
    }
    expect(await one(other, 'select count(*)::int from entries')).toBe(0)
    expect(await one(other, 'select current_user::text')).toBe('weir')
  })
})

describe('Settings asked for at start', () => {
  const withOptions = (text: string) => ({ options: text })

  it('follow each client over one shared server connection', async () => {
    const [blue, green, plain] = await Promise.all([
      connect(narrow.url(), {
        application_name: 'blue',
        options: '-c TimeZone=Asia/Tokyo -c search_path=blue,public -c statement_timeout=11111',
      }),
      connect(narrow.url(), {
        application_name: 'green',
        options: '-c timezone=America/Lima -c work_mem=12MB',
      }),
      connect(narrow.url()),
    ])
    const all = `select concat_ws(' ', current_setting('application_name'), current_setting('TimeZone'),
      current_setting('search_path'), current_setting('statement_timeout'), current_setting('work_mem'))`
    const plainZone = await one(direct, 'show timezone')
    const pids = new Set<unknown>()
    for (let round = 0; round < 4; round++) {
      expect(await one(blue!, all)).toBe('blue Asia/Tokyo blue,public 11111ms 4MB')
      pids.add(await one(blue!, 'select pg_backend_pid()'))
      expect(await one(green!, all)).toBe('green America/Lima "$user", public 0 12MB')
      pids.add(await one(green!, 'select pg_backend_pid()'))
      expect(await one(plain!, all)).toBe(` ${plainZone} "$user", public 0 4MB`)
      pids.add(await one(plain!, 'select pg_backend_pid()'))
    }
    expect(pids.size).toBe(1)
    expect(narrow.app.snapshot().clients.pinned).toBe(0)
  })

  it('are named in pg_stat_activity while the client works', async () => {
    const client = await connect(narrow.url(), { application_name: 'ledger-job' })
    const pid = await one(client, 'select pg_backend_pid()')
    const { rows } = await direct.query(
      'select application_name from pg_stat_activity where pid = $1',
      [pid],
    )
    expect(rows).toEqual([{ application_name: 'ledger-job' }])
  })

  it.each([
    ['a wrong value', '-c work_mem=banana', '22023'],
    ['an unknown name', '-c no_such_setting=1', '42704'],
    ['a name that needs a restart', '-c max_connections=7', '55P02'],
  ])('are refused at login for %s, as Postgres does', async (_, options, code) => {
    const through = await failure(connect(narrow.url(), withOptions(options)))
    const straight = await failure(connect(house.direct, withOptions(options)))
    expect(straight.code).toBe(code)
    expect({ code: through.code, message: through.message, severity: through.severity }).toEqual({
      code: straight.code,
      message: straight.message,
      severity: straight.severity,
    })
    // The server connection it was tried on serves the next.
    const next = await connect(narrow.url())
    expect(await one(next, 'select 1')).toBe(1)
  })

  it('are reported at login as a direct server reports them', async () => {
    const options = { application_name: 'mirror', options: '-c datestyle=German -c TimeZone=UTC' }
    const told = async (url: string): Promise<Record<string, string>> => {
      const { Client: Driver } = (await import('pg')).default
      const client = new Driver({ connectionString: url, ...options })
      const parameters: Record<string, string> = {}
      wireOf(client).on('parameterStatus', (message: Record<string, string>) => {
        parameters[message.parameterName!] = message.parameterValue!
      })
      await client.connect()
      await client.end()
      return parameters
    }
    const straight = await told(house.direct)
    expect(Object.keys(straight).length).toBeGreaterThan(10)
    expect(await told(narrow.url())).toEqual(straight)
    // The second login is answered from memory.
    expect(await told(narrow.url())).toEqual(straight)
  })
})
