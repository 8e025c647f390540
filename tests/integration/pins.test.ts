/** What a session leaves on a server connection: pinned while it lives, gone for whoever comes next. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import {
  type Client,
  connect,
  connectAll,
  endClients,
  failure,
  one,
  wireOf,
} from '../support/clients.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'
import { scrape, sumOf } from '../support/scrape.ts'

let house: House
let narrow: Front
let direct: Client

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  narrow = await startFront(house, { pool: { maxConnections: 1 } })
  direct = await connect(house.direct)
  await direct.query('create sequence tickets')
  await direct.query('create table talk (n int)')
})

afterEach(async () => {
  endClients(direct)
  await until(() => narrow.app.snapshot().clients.total === 0, 5_000)
})

afterAll(async () => {
  endClients()
  await narrow?.end()
  await house?.end()
})

interface Case {
  readonly reason: string
  readonly make: string
  /** A question whose answer differs while the state is there. */
  readonly look: string
  readonly made: unknown
  readonly clean: unknown
}

const HELD = `select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()`
const STATEMENTS = 'select count(*)::int from pg_prepared_statements where from_sql'

const CASES: Record<string, Case> = {
  SET: {
    reason: 'settings',
    make: `set work_mem = '123MB'`,
    look: 'show work_mem',
    made: '123MB',
    clean: '4MB',
  },
  'set_config()': {
    reason: 'settings',
    make: `select set_config('work_mem', '77MB', false)`,
    look: 'show work_mem',
    made: '77MB',
    clean: '4MB',
  },
  LISTEN: {
    reason: 'listen',
    make: 'listen tidings',
    look: 'select count(*)::int from pg_listening_channels()',
    made: 1,
    clean: 0,
  },
  'a temporary table': {
    reason: 'temporary',
    make: 'create temp table scratch (n int)',
    look: `select (to_regclass('pg_temp.scratch') is not null)::int`,
    made: 1,
    clean: 0,
  },
  'a session advisory lock': {
    reason: 'advisory-lock',
    make: 'select pg_advisory_lock(4711)',
    look: HELD,
    made: 1,
    clean: 0,
  },
  'a cursor WITH HOLD': {
    reason: 'cursor-with-hold',
    make: 'declare kept cursor with hold for select 1',
    look: 'select count(*)::int from pg_cursors where is_holdable',
    made: 1,
    clean: 0,
  },
  'PREPARE in SQL': {
    reason: 'sql-prepare',
    make: 'prepare answer as select 42',
    look: STATEMENTS,
    made: 1,
    clean: 0,
  },
}

describe('A session that uses', () => {
  it.each(Object.entries(CASES))('%s keeps its state to itself until it leaves', async (_, c) => {
    const wide = await startFront(house, { pool: { maxConnections: 2 }, admin: true })
    try {
      const client = await connect(wide.url())
      const before = sumOf(await scrape(wide.adminPort), 'weir_session_pins_total')
      expect(await one(client, c.look)).toBe(c.clean)
      await client.query(c.make)
      const pid = await one(client, 'select pg_backend_pid()')
      expect(wide.app.snapshot().pins).toEqual([{ reason: c.reason, count: 1 }])
      expect(wide.app.snapshot().clients).toMatchObject({ pinned: 1, active: 1 })
      const after = await scrape(wide.adminPort)
      expect(before).toBe(0)
      expect(
        sumOf(after, 'weir_session_pins_total', { reason: c.reason, endpoint: 'writer' }),
      ).toBe(1)

      // Others use the rest of the pool meanwhile and see nothing of it.
      const other = await connect(wide.url())
      for (let round = 0; round < 3; round++) {
        expect(await one(other, c.look)).toBe(c.clean)
        expect(await one(client, c.look)).toBe(c.made)
        expect(await one(client, 'select pg_backend_pid()')).toBe(pid)
      }
      // With the other server connection taken, the next client gets the one that was left.
      await other.query('begin')
      await other.query('select 1')
      await client.end()
      const next = await connect(wide.url())
      expect(await one(next, 'select pg_backend_pid()')).toBe(pid)
      expect(await one(next, c.look)).toBe(c.clean)
      expect(wide.app.snapshot().clients.pinned).toBe(0)
    } finally {
      endClients(direct)
      await wide.end()
    }
  })

  it('nextval() still finds its currval() and nobody else does', async () => {
    const client = await connect(narrow.url())
    await client.query(`select nextval('tickets')`)
    expect(await one(client, `select currval('tickets')`)).toBe('1')
    await client.end()
    const next = await connect(narrow.url())
    expect((await failure(next.query(`select currval('tickets')`))).code).toBe('55000')
  })

  it('nothing but transactions, SET LOCAL and transaction locks is never pinned', async () => {
    const client = await connect(narrow.url())
    await client.query('begin')
    await client.query(`set local work_mem = '99MB'`)
    await client.query('select pg_advisory_xact_lock(1)')
    await client.query('declare passing cursor for select 1')
    await client.query('commit')
    expect(narrow.app.snapshot().clients).toMatchObject({ pinned: 0, active: 0 })
    expect(await one(client, 'show work_mem')).toBe('4MB')
  })

  it('LISTEN hears what is notified', async () => {
    const client = await connect(narrow.url())
    const heard: string[] = []
    client.on('notification', ({ payload }) => heard.push(payload ?? ''))
    await client.query('listen tidings')
    await direct.query(`notify tidings, 'rain'`)
    await until(() => heard.length > 0, 5_000)
    expect(heard).toEqual(['rain'])
  })
})

describe('An endpoint with session pooling', () => {
  it('lends one server connection for the whole session and cleans it afterwards', async () => {
    const front = await startFront(house, {
      endpoints: [{ name: 'writer', kind: 'writer', pooling: 'session' }],
      pool: { maxConnections: 1, borrowTimeout: '300ms' },
    })
    try {
      const client = await connect(front.url())
      const pid = await one(client, 'select pg_backend_pid()')
      expect(front.app.snapshot().clients).toMatchObject({ pinned: 1, active: 1 })
      const other = await connect(front.url())
      expect((await failure(other.query('select 1'))).code).toBe('53300')
      await client.query('set work_mem = 65536')
      await client.end()
      const query = () =>
        one(other, `select pg_backend_pid() || ' ' || current_setting('work_mem')`)
      expect(await until(query, 5_000)).toBe(`${pid} 4MB`)
    } finally {
      endClients(direct)
      await front.end()
    }
  })
})

describe('A client that says nothing for limits.idleClientTimeout', () => {
  it('is told and closed, but never inside a transaction', async () => {
    const front = await startFront(house, { config: { limits: { idleClientTimeout: '1s' } } })
    try {
      const [silent, busy] = await connectAll(2, front.url())
      await busy!.query('begin')
      await busy!.query('insert into talk values (1)')
      await until(() => silent!.strays.length > 0, 5_000)
      expect(silent!.strays[0]).toMatchObject({ severity: 'FATAL', code: '57P05' })
      await busy!.query('commit')
      expect(await one(direct, 'select count(*)::int from talk')).toBe(1)
    } finally {
      endClients(direct)
      await front.end()
    }
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
