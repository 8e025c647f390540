/** Borrowing and giving back before a real node: bounds, order, timeouts, and clients that leave. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { bind, copyData, execute, flush, parse, query } from '../../src/wire/postgres/frontend.ts'
import {
  type Client,
  connect,
  connectAll,
  endClients,
  failure,
  later,
  one,
  wireOf,
} from '../support/clients.ts'
import { FRONT_PORTS, type Front, type FrontOptions, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'
import { type RawSession, rawSession } from '../support/raw-session.ts'

const USERS = ['app1', 'app2'].map((username) => ({ username, password: `${username}-secret` }))

let house: House
let direct: Client
const fronts: Front[] = []

async function front(options: FrontOptions): Promise<Front> {
  const started = await startFront(house, { users: USERS, ...options })
  fronts.push(started)
  return started
}

const onlyPool = ({ app }: Front) => app.snapshot().pools[0]!

/** Server connections of a user, as the node itself counts them. */
async function backendsOf(...users: string[]): Promise<number> {
  const { rows } = await direct.query(
    'select count(*)::int as n from pg_stat_activity where usename = any($1)',
    [users],
  )
  return rows[0].n
}

/** Looks as often as it can while `work` goes on; returns the most that was seen. */
async function mostBackends(work: Promise<unknown>, ...users: string[]): Promise<number> {
  let going = true
  let most = 0
  const watch = async (): Promise<void> => {
    while (going) most = Math.max(most, await backendsOf(...users))
  }
  const watching = watch()
  try {
    await work
  } finally {
    going = false
    await watching
  }
  return most
}

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  direct = await connect(house.direct)
  for (const { username, password } of USERS) {
    await direct.query(`create role ${username} login password '${password}'`)
    await direct.query(`grant all on schema public to ${username}`)
  }
  await direct.query('create table seats (id int primary key, who text)')
  await direct.query(`insert into seats values (1, 'nobody')`)
  await direct.query('grant all on seats to public')
})

afterEach(async () => {
  endClients(direct)
  await Promise.all(fronts.splice(0).map((f) => f.end()))
})

afterAll(async () => {
  endClients()
  await house?.end()
})

describe('A pool', () => {
  it('serves 64 clients over at most 10 server connections', async () => {
    const many = await front({ pool: { maxConnections: 10 } })
    const clients = await connectAll(64, many.url('writer', 'app1'))
    let answered = 0
    const busy = async (client: Client, number: number): Promise<void> => {
      for (let round = 0; round < 12; round++) {
        if ((number + round) % 3 === 0) {
          await client.query('begin')
          await client.query('select pg_sleep(0.002)')
          await client.query('commit')
        } else expect(await one(client, `select ${number}`)).toBe(number)
        answered++
      }
    }
    const most = await mostBackends(Promise.all(clients.map(busy)), 'app1')
    expect(answered).toBe(64 * 12)
    expect(most).toBe(10)
    expect(onlyPool(many)).toMatchObject({ total: 10, maximum: 10, waiting: 0 })
  })

  it('serves those who wait in the order they came', async () => {
    const narrow = await front({ pool: { maxConnections: 1 } })
    const [holder, ...waiters] = await connectAll(6, narrow.url())
    await holder!.query('begin')
    const served: number[] = []
    const waits: Promise<unknown>[] = []
    for (const [i, waiter] of waiters.entries()) {
      waits.push(waiter.query('select 1').then(() => served.push(i)))
      await until(() => onlyPool(narrow).waiting === i + 1, 10_000)
    }
    await holder!.query('commit')
    await Promise.all(waits)
    expect(served).toEqual([0, 1, 2, 3, 4])
  })

  it('tells a client that waited too long with numbers, and serves it afterwards', async () => {
    const narrow = await front({ pool: { maxConnections: 1, borrowTimeout: '300ms' } })
    const [holder, waiter] = await connectAll(2, narrow.url())
    // Even the first connection may take longer than that to open.
    await until(() => holder!.query('begin'), 10_000)
    const simple = await failure(waiter!.query('select 1'))
    expect(simple).toMatchObject({ code: '53300', severity: 'ERROR' })
    expect(simple.message).toMatch(
      /^timed out after [\d.]+ s waiting for a server connection of pool node-1\/app\/weir \(total 1, active 1, idle 0, waiting 1\)$/,
    )
    const extended = await failure(waiter!.query('select $1::int', [1]))
    expect(extended).toMatchObject({ code: '53300', severity: 'ERROR' })
    await holder!.query('commit')
    expect(await one(waiter!, 'select 7')).toBe(7)
    expect((await waiter!.query('select $1::int as n', [8])).rows).toEqual([{ n: 8 }])
  })

  it('with nowait refuses at once when no server connection is idle', async () => {
    const narrow = await front({ pool: { maxConnections: 1, borrowTimeout: 'nowait' } })
    // The pool is empty at first, and nowait waits for no opening.
    const [holder, waiter] = await until(() => connectAll(2, narrow.url()), 10_000)
    await holder!.query('begin')
    const error = await failure(waiter!.query('select 1'))
    expect(error.code).toBe('53300')
    expect(error.message).toMatch(/nowait \(total 1, active 1, idle 0, waiting \d\)/)
    await holder!.query('commit')
    expect(await one(waiter!, 'select 7')).toBe(7)
  })

  it('keeps all pools of a node together within the share of its max_connections', async () => {
    const shared = await front({ pool: { maxConnections: 50, maxConnectionsPercent: 5 } })
    const clients = await Promise.all(
      ['app1', 'app2'].map((user) => connectAll(12, shared.url('writer', user))),
    )
    const busy = async (client: Client): Promise<void> => {
      for (let round = 0; round < 10; round++) await client.query('select pg_sleep(0.002)')
    }
    const most = await mostBackends(Promise.all(clients.flat().map(busy)), 'app1', 'app2')
    // 100 connections less 3 for superusers, of which 5 %.
    expect(shared.app.snapshot().nodes[0]!.budget).toBe(4)
    expect(most).toBe(4)
  })

  it('runs the init query on a new server connection and again after every reset', async () => {
    const initQuery = "SET statement_timeout = '54321ms'; SET lock_timeout = '4321ms'"
    const prepared = await front({ pool: { maxConnections: 1, initQuery } })
    const first = await connect(prepared.url())
    expect(await one(first, 'show statement_timeout')).toBe('54321ms')
    const pid = await one(first, 'select pg_backend_pid()')
    await first.query('set statement_timeout = 1000')
    await first.query('set lock_timeout = 1000')
    await first.end()
    const second = await connect(prepared.url())
    expect(await one(second, 'show statement_timeout')).toBe('54321ms')
    expect(await one(second, 'show lock_timeout')).toBe('4321ms')
    expect(await one(second, 'select pg_backend_pid()')).toBe(pid)
  })
})

describe('A server connection', () => {
  it('that an administrator ends while idle is missed by nobody', async () => {
    const narrow = await front({ pool: { maxConnections: 2 } })
    const [a, b] = await connectAll(2, narrow.url('writer', 'app1'))
    await Promise.all([a!.query('begin'), b!.query('begin')])
    await Promise.all([a!.query('commit'), b!.query('commit')])
    expect(await backendsOf('app1')).toBe(2)
    await direct.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app1'`,
    )
    await until(() => onlyPool(narrow).total === 0, 10_000)
    for (const client of [a!, b!, a!, b!]) expect(await one(client, 'select 1')).toBe(1)
    expect([...a!.strays, ...b!.strays]).toEqual([])
  })

  it('that an administrator ends under a statement costs an error and not the session', async () => {
    const narrow = await front({ pool: { maxConnections: 1 } })
    const client = await connect(narrow.url('writer', 'app1'))
    const asleep = failure(client.query('select pg_sleep(600)'))
    await until(async () => {
      const { rowCount } = await direct.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where usename = 'app1' and wait_event = 'PgSleep'`,
      )
      return rowCount === 1
    }, 10_000)
    expect(await asleep).toMatchObject({
      severity: 'ERROR',
      code: '08007',
      detail: 'terminating connection due to administrator command',
    })
    expect(await one(client, 'select 1')).toBe(1)
  })

  it('past its lifetime is replaced between two transactions, unnoticed', async () => {
    const narrow = await front({ pool: { maxConnections: 1, maxLifetime: '1s' } })
    const client = await connect(narrow.url())
    const first = await one(client, 'select pg_backend_pid()')
    await client.query('begin')
    const inside = await one(client, 'select pg_backend_pid()')
    expect(await one(client, 'select pg_backend_pid() from pg_sleep(1.2)')).toBe(inside)
    expect(inside).toBe(first)
    await client.query('commit')
    expect(await one(client, 'select pg_backend_pid()')).not.toBe(first)
    expect(client.strays).toEqual([])
  })

  it('torn in the middle of a message is given up, and its place used again', async () => {
    const narrow = await front({ pool: { maxConnections: 1 }, config: { auth: { trust: true } } })
    const raw = await rawSession(narrow.port('writer'), { user: 'app1' })
    // The head of a COPY message of a megabyte, and then nothing.
    raw.send(query('copy seats from stdin'))
    await raw.take('G')
    raw.send(copyData(Buffer.alloc(1_048_576, 0x78)).subarray(0, 50_000))
    raw.vanish()
    const next = await connect(narrow.url('writer', 'app1'))
    expect(await one(next, 'select count(*)::int from seats')).toBe(1)
    expect(await backendsOf('app1')).toBe(1)
  })
})

describe('A client that waits', () => {
  it('and leaves gives up its place in line', async () => {
    const narrow = await front({ pool: { maxConnections: 1 } })
    const [holder, leaving, staying] = await connectAll(3, narrow.url())
    await holder!.query('begin')
    const left = failure(leaving!.query('select 1'))
    await until(() => onlyPool(narrow).waiting === 1, 10_000)
    const served = later(one(staying!, 'select 7'))
    await until(() => onlyPool(narrow).waiting === 2, 10_000)
    wireOf(leaving!).stream.destroy()
    await left
    await until(() => onlyPool(narrow).waiting === 1, 10_000)
    await holder!.query('commit')
    expect(await served).toBe(7)
    expect(onlyPool(narrow)).toMatchObject({ total: 1, waiting: 0 })
  })

  it('may send on meanwhile, and everything is done in order', async () => {
    const narrow = await front({ pool: { maxConnections: 1 }, config: { auth: { trust: true } } })
    const holder = await connect(narrow.url())
    const raw = await rawSession(narrow.port('writer'))
    await holder.query('begin')
    raw.messages.length = 0
    // Ten times as much as is held for a client that waits.
    const padding = 'x'.repeat(65_536)
    const requests = Array.from({ length: 40 }, (_, i) => query(`select ${i} /* ${padding} */`))
    raw.send(...requests)
    await until(() => onlyPool(narrow).waiting === 1, 10_000)
    await holder.query('commit')
    const answers: string[] = []
    for (let i = 0; i < requests.length; i++) {
      answers.push(...(await raw.values()))
    }
    expect(answers.map(Number)).toEqual(requests.map((_, i) => i))
    raw.vanish()
  })

  it('is told what the node says when no server connection can be opened', async () => {
    const users = ['barred', 'crowded'].map((username) => ({ username, password: 'x' }))
    const refusing = await front({ users, pool: { borrowTimeout: '2s' } })
    await direct.query(`create role barred nologin password 'x'`)
    await direct.query(`create role crowded login password 'x' connection limit 0`)
    // For ever: told at once.
    expect(await failure(connect(refusing.url('writer', 'barred')))).toMatchObject({
      severity: 'FATAL',
      code: '28000',
      message: 'role "barred" is not permitted to log in',
    })
    // Maybe not for ever: tried again until the borrow timeout.
    const crowded = await failure(connect(refusing.url('writer', 'crowded')))
    expect(crowded).toMatchObject({ severity: 'FATAL', code: '53300' })
    expect(crowded.message).toMatch(
      /^timed out after .* last error: too many connections for role "crowded"\)$/,
    )
  })
})

describe('A client that leaves', () => {
  const LOCK = 'begin; select 1 from seats where id = 1 for update'
  const started = (raw: RawSession) => raw.take('Z')
  const ways: Record<string, (raw: RawSession) => Promise<unknown>> = {
    'inside a transaction': async (raw) => {
      raw.send(query(LOCK))
      await started(raw)
    },
    'inside a failed transaction': async (raw) => {
      raw.send(query(LOCK))
      await started(raw)
      raw.send(query('select 1/0'))
      await started(raw)
    },
    'in the middle of a long query': async (raw) => {
      raw.send(query(LOCK))
      await started(raw)
      raw.send(query('select pg_sleep(600)'))
      await sleeping()
    },
    'in the middle of COPY in': async (raw) => {
      raw.send(query(LOCK))
      await started(raw)
      raw.send(query('copy seats from stdin'))
      await raw.take('G')
      raw.send(copyData(Buffer.from('2\tsomebody\n')))
    },
    'in the middle of COPY out': async (raw) => {
      raw.send(query(LOCK))
      await started(raw)
      raw.socket.pause()
      raw.send(query('copy (select repeat($$x$$, 1000) from generate_series(1, 300000)) to stdout'))
      await until(async () => (await activity()) === 'active/ClientWrite', 10_000)
    },
    'in the middle of a pipeline without Sync': async (raw) => {
      raw.send(
        parse('', 'update seats set who = $$lost$$ where id = 1', []),
        bind('', ''),
        execute('', 0),
        flush(),
      )
      await raw.take('C')
    },
    'in the middle of a pipeline that failed, without Sync': async (raw) => {
      raw.send(query(LOCK))
      await started(raw)
      raw.send(parse('', 'select 1/0', []), bind('', ''), execute('', 0), flush())
      await raw.take('E')
    },
  }

  const activity = async (): Promise<string | null> => {
    const { rows } = await direct.query(
      `select state || '/' || coalesce(wait_event, '') as what from pg_stat_activity
       where usename = 'app1'`,
    )
    return rows[0]?.what ?? null
  }
  const sleeping = () => until(async () => (await activity()) === 'active/PgSleep', 10_000)

  it.each(Object.entries(ways))(
    '%s leaves a rolled back server connection to the next',
    async (_, leave) => {
      const narrow = await front({
        pool: { maxConnections: 1 },
        config: { auth: { trust: true } },
      })
      const raw = await rawSession(narrow.port('writer'), { user: 'app1' })
      raw.messages.length = 0
      raw.send(query('select pg_backend_pid()'))
      const [pid] = await raw.values()
      await leave(raw)
      raw.vanish()
      const next = await connect(narrow.url('writer', 'app1'))
      expect(String(await one(next, 'select pg_backend_pid()'))).toBe(pid)
      expect(await one(next, 'select pg_current_xact_id_if_assigned()')).toBeNull()
      expect(await one(next, 'select who from seats where id = 1 for update nowait')).toBe('nobody')
      expect(await one(next, 'select count(*)::int from seats')).toBe(1)
    },
  )
})
