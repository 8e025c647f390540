/**
 * What a session leaves on a server connection and cannot take along: pinned while it is there, free
 * again when it is gone, and never seen by anybody else.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { type Client, connect, connectAll, endClients, failure, one } from '../support/clients.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'
import { scrape, sumOf } from '../support/scrape.ts'

let house: House
let narrow: Front
let wide: Front
let direct: Client

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  narrow = await startFront(house, { pool: { maxConnections: 1 }, admin: true })
  wide = await startFront(house, { pool: { maxConnections: 2 }, admin: true })
  direct = await connect(house.direct)
  await direct.query('create table talk (n int)')
})

afterEach(async () => {
  endClients(direct)
  await until(() => free(narrow) && free(wide), 10_000)
})

afterAll(async () => {
  endClients()
  await narrow?.end()
  await wide?.end()
  await house?.end()
})

/** Resolves once the server has been asked and one client is pinned, for this and nothing else. */
async function pinned({ app, adminPort }: Front, reason: string): Promise<void> {
  await until(() => app.snapshot().clients.pinned > 0, 10_000)
  const answer = await fetch(`http://127.0.0.1:${adminPort}/clients`)
  const { clients } = (await answer.json()) as { clients: { pins: string[] }[] }
  expect(clients.flatMap(({ pins }) => pins)).toEqual([reason])
}

/** Resolves once nobody holds a server connection. */
async function unpinned({ app }: Front): Promise<void> {
  await until(() => app.snapshot().clients.active === 0, 10_000)
  expect(app.snapshot().clients.pinned).toBe(0)
}

function free({ app }: Front): boolean {
  return app.snapshot().clients.total === 0
}

interface Case {
  readonly reason: string
  readonly make: readonly string[]
  /** A question whose answer differs while the state is there. */
  readonly look: string
  readonly made: unknown
  readonly clean: unknown
  /** Each of these takes it away. */
  readonly ends: Readonly<Record<string, readonly string[]>>
}

const DISCARD = { 'DISCARD ALL': ['discard all'] }
const SCRATCH = `select (to_regclass('pg_temp.scratch') is not null)::int`
const HELD = `select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()`
const CURSORS = 'select count(*)::int from pg_cursors where is_holdable'

const CASES: Record<string, Case> = {
  'a temporary table': {
    reason: 'temporary',
    make: ['create temp table scratch (n int)'],
    look: SCRATCH,
    made: 1,
    clean: 0,
    ends: {
      DROP: ['drop table scratch'],
      'DROP in a transaction': ['begin', 'drop table scratch', 'commit'],
      'DISCARD TEMP': ['discard temp'],
      ...DISCARD,
    },
  },
  'a temporary view of two': {
    reason: 'temporary',
    make: ['create temp view scratch as select 1', 'create temp view other as select 1'],
    look: SCRATCH,
    made: 1,
    clean: 0,
    ends: { 'DROP of both': ['drop view other', 'drop view scratch'], ...DISCARD },
  },
  'a temporary sequence made in a transaction': {
    reason: 'temporary',
    make: ['begin', 'create temp sequence scratch', 'commit'],
    look: SCRATCH,
    made: 1,
    clean: 0,
    ends: { DROP: ['drop sequence scratch'], ...DISCARD },
  },
  'SELECT INTO TEMP': {
    reason: 'temporary',
    make: ['select 1 as n into temp scratch'],
    look: SCRATCH,
    made: 1,
    clean: 0,
    ends: { DROP: ['drop table scratch'] },
  },
  'a temporary function': {
    reason: 'temporary',
    make: ['create function pg_temp.scratch() returns int return 1'],
    look: `select count(*)::int from pg_proc where pronamespace = pg_my_temp_schema()`,
    made: 1,
    clean: 0,
    ends: { DROP: ['drop function pg_temp.scratch()'], ...DISCARD },
  },
  'a session advisory lock': {
    reason: 'advisory-lock',
    make: ['select pg_advisory_lock(4711)'],
    look: HELD,
    made: 1,
    clean: 0,
    ends: {
      pg_advisory_unlock: ['select pg_advisory_unlock(4711)'],
      pg_advisory_unlock_all: ['select pg_advisory_unlock_all()'],
      ...DISCARD,
    },
  },
  'an advisory lock taken twice': {
    reason: 'advisory-lock',
    make: ['select pg_advisory_lock(4712)', 'select pg_try_advisory_lock_shared(4712)'],
    look: `${HELD} and mode = 'ExclusiveLock'`,
    made: 1,
    clean: 0,
    ends: {
      'both released': [
        'select pg_advisory_unlock(4712)',
        'select pg_advisory_unlock_shared(4712)',
      ],
    },
  },
  'a cursor WITH HOLD': {
    reason: 'cursor-with-hold',
    make: ['declare kept cursor with hold for select 1'],
    look: CURSORS,
    made: 1,
    clean: 0,
    ends: { CLOSE: ['close kept'], 'CLOSE ALL': ['close all'], ...DISCARD },
  },
  'a cursor WITH HOLD made in a transaction': {
    reason: 'cursor-with-hold',
    make: ['begin', 'declare kept cursor with hold for select 1', 'commit'],
    look: CURSORS,
    made: 1,
    clean: 0,
    ends: { CLOSE: ['close kept'] },
  },
  'set_config() with a name that is not written': {
    reason: 'settings',
    make: [`select set_config('work' || '_mem', '77MB', false)`],
    look: 'show work_mem',
    made: '77MB',
    clean: '4MB',
    ends: { 'RESET ALL': ['reset all'], ...DISCARD },
  },
}

describe('A session that uses', () => {
  it.each(Object.entries(CASES))('%s keeps it to itself until it leaves', async (_, c) => {
    const before = sumOf(await scrape(wide.adminPort), 'weir_session_pins_total', {
      reason: c.reason,
    })
    const client = await connect(wide.url())
    expect(await one(client, c.look)).toBe(c.clean)
    for (const text of c.make) await client.query(text)
    const pid = await one(client, 'select pg_backend_pid()')
    await pinned(wide, c.reason)
    expect(wide.app.snapshot().clients).toMatchObject({ pinned: 1, active: 1 })
    const after = await scrape(wide.adminPort)
    const labels = { reason: c.reason, endpoint: 'writer' }
    expect(sumOf(after, 'weir_session_pins_total', labels)).toBe(before + 1)

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
  })

  const ends = Object.entries(CASES).flatMap(([name, c]) =>
    Object.entries(c.ends).map(([how, texts]) => [name, how, c, texts] as const),
  )
  it.each(ends)('%s is free again after %s', async (_name, _how, c, texts) => {
    const client = await connect(narrow.url())
    for (const text of c.make) await client.query(text)
    await pinned(narrow, c.reason)
    for (const text of texts) await client.query(text)
    // The only server connection serves another, who finds it clean.
    const other = await connect(narrow.url())
    expect(await one(other, c.look)).toBe(c.clean)
    expect(await one(client, c.look)).toBe(c.clean)
    await unpinned(narrow)
  })

  it.each(Object.entries(CASES))('%s is not pinned when that is rolled back', async (_, c) => {
    if (c.make.length > 1 || c.reason === 'advisory-lock' || c.reason === 'settings') return
    const client = await connect(narrow.url())
    await client.query(`begin; ${c.make[0]}`)
    expect(await one(client, c.look)).toBe(c.look === CURSORS ? 1 : c.made)
    await client.query('rollback')
    const other = await connect(narrow.url())
    expect(await one(other, c.look)).toBe(c.clean)
    await unpinned(narrow)
  })

  it('one lock of two is still pinned', async () => {
    const client = await connect(narrow.url())
    await client.query('select pg_advisory_lock(1), pg_advisory_lock(2)')
    await client.query('select pg_advisory_unlock(1)')
    expect(await one(client, HELD)).toBe(1)
    await pinned(narrow, 'advisory-lock')
    await client.query('select pg_advisory_unlock(2)')
    await unpinned(narrow)
  })

  it('LOAD or setseed() gives its server connection up when it leaves', async () => {
    for (const [text, reason] of [
      [`load 'plpgsql'`, 'load'],
      ['select setseed(0.5)', 'seed'],
      ['set seed = 0.5', 'seed'],
    ] as const) {
      const client = await connect(narrow.url())
      const pid = await one(client, 'select pg_backend_pid()')
      await client.query(text)
      await pinned(narrow, reason)
      await client.query('discard all')
      await pinned(narrow, reason)
      await client.end()
      const next = await connect(narrow.url())
      expect(await one(next, 'select pg_backend_pid()')).not.toBe(pid)
      await next.end()
    }
  })

  it('a text of a megabyte is never pinned', async () => {
    const client = await connect(narrow.url())
    const text = `select length('${'x'.repeat(1_048_576)}')`
    expect(await one(client, text)).toBe(1_048_576)
    const prepared = { name: 'long', text: `${text} + $1::int`, values: [1] }
    expect(Object.values((await client.query(prepared)).rows[0])).toEqual([1_048_577])
    expect(narrow.app.snapshot().clients.pinned).toBe(0)
    const other = await connect(narrow.url())
    expect(await one(other, 'select 1')).toBe(1)
  })

  it('nothing but what ends with its transaction is never pinned', async () => {
    const client = await connect(narrow.url())
    await client.query('begin')
    await client.query(`set local work_mem = '99MB'`)
    await client.query('select pg_advisory_xact_lock(1)')
    await client.query('declare passing cursor for select 1')
    await client.query('create temp table brief (n int) on commit drop')
    await client.query('commit')
    await unpinned(narrow)
    expect(await one(client, 'show work_mem')).toBe('4MB')
  })

  it('a pinned one still has its settings and its transactions', async () => {
    const client = await connect(narrow.url(), { application_name: 'keeper' })
    await client.query('create temp table scratch (n int)')
    await client.query(`set work_mem = '9MB'`)
    await client.query('begin; insert into scratch values (1); set work_mem = 8192; rollback')
    expect(await one(client, 'show work_mem')).toBe('9MB')
    await client.query('drop table scratch')
    const other = await connect(narrow.url())
    expect(await one(other, 'show work_mem')).toBe('4MB')
    expect(await one(other, 'show application_name')).toBe('')
    expect(await one(client, 'show work_mem')).toBe('9MB')
    expect(await one(client, 'show application_name')).toBe('keeper')
    await client.query('reset work_mem')
    expect(await one(client, 'show work_mem')).toBe('4MB')
  })
})

describe('An endpoint with session pooling', () => {
  it('lends one server connection for the whole session and cleans it afterwards', async () => {
    const front = await startFront(house, {
      endpoints: [{ name: 'writer', kind: 'writer', pooling: 'session' }],
      pool: { maxConnections: 1, borrowTimeout: '2s' },
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
      expect(await until(query, 10_000)).toBe(`${pid} 4MB`)
    } finally {
      endClients(direct)
      await front.end()
    }
  })
})

describe('A statement prepared by SQL under session pooling', () => {
  it('has its own name on the server', async () => {
    const front = await startFront(house, {
      endpoints: [{ name: 'writer', kind: 'writer', pooling: 'session' }],
    })
    try {
      const client = await connect(front.url())
      await client.query('prepare mine(int) as select $1 + 1')
      expect(await one(client, 'execute mine(4)')).toBe(5)
      expect(await one(client, 'select name from pg_prepared_statements')).toBe('mine')
      await client.query('deallocate mine')
      expect(await one(client, 'select count(*)::int from pg_prepared_statements')).toBe(0)
    } finally {
      endClients(direct)
      await front.end()
    }
  })
})

describe('A client that says nothing for limits.idleClientTimeout', () => {
  it('is told and closed, but never inside a transaction nor while it listens', async () => {
    const front = await startFront(house, { config: { limits: { idleClientTimeout: '1s' } } })
    try {
      const [silent, busy, ear] = await connectAll(3, front.url())
      await ear!.query('listen news')
      await busy!.query('begin')
      await busy!.query('insert into talk values (1)')
      await until(() => silent!.strays.length > 0, 10_000)
      expect(silent!.strays[0]).toMatchObject({ severity: 'FATAL', code: '57P05' })
      await busy!.query('commit')
      expect(await one(direct, 'select count(*)::int from talk')).toBe(1)
      expect(ear!.strays).toEqual([])
    } finally {
      endClients(direct)
      await front.end()
    }
  })
})
