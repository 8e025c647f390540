/** Many clients on few server connections that they share, in front of a real Postgres. */
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  expect,
  it,
  type MockInstance,
  vi,
} from 'vitest'
import { until } from '../../src/core/until.ts'
import { SharedServer } from '../../src/session/shared-server.ts'
import { cancelRequest, query } from '../../src/wire/postgres/frontend.ts'
import {
  type Client,
  cancelKeyOf,
  connect,
  connectAll,
  endClients,
  failure,
} from '../support/clients.ts'
import { type House, startHouse } from '../support/house.ts'
import { exchange, rawSession } from '../support/raw-session.ts'

const POOL = 3
const CLIENTS = 24

let house: House
let boarding: MockInstance<SharedServer['board']>

beforeAll(async () => {
  house = await startHouse({
    pool: POOL,
    ports: [24_001, 24_100],
    config: {
      pool: { sharing: 'on' },
      auth: { trust: true, secrets: [{ username: 'weir', password: 'weir' }] },
    },
  })
  await house.ask(
    'create table numbers as select i, i * i as square from generate_series(0, 999) i',
  )
})

beforeEach(() => {
  boarding = vi.spyOn(SharedServer.prototype, 'board')
})

afterEach(() => {
  boarding.mockRestore()
  endClients()
})

afterAll(async () => {
  endClients()
  await house?.end()
})

/** How many requests have ridden in this test. */
const rides = (): number => boarding.mock.results.filter(({ value }) => value === true).length

/** Every client asks `times` times, one request after the other. */
async function all<T>(
  clients: readonly Client[],
  times: number,
  ask: (client: Client, who: number, round: number) => Promise<T>,
): Promise<void> {
  await Promise.all(
    clients.map(async (client, who) => {
      for (let round = 0; round < times; round++) await ask(client, who, round)
    }),
  )
}

it('answers each client what it asked, on no more server connections than the pool has', async () => {
  const clients = await connectAll(CLIENTS, house.writer)
  await all(clients, 40, async (client, who, round) => {
    const i = (who * 37 + round) % 1_000
    const ways = [
      `select square, '${who}-${round}' as id from numbers where i = ${i}`,
      {
        text: 'select square, $2::text as id from numbers where i = $1',
        values: [i, `${who}-${round}`],
      },
      {
        name: 'by number',
        text: 'select square, $2::text as id from numbers where i = $1',
        values: [i, `${who}-${round}`],
      },
    ]
    const { rows } = await client.query(ways[(who + round) % 3] as string)
    expect(rows).toEqual([{ square: i * i, id: `${who}-${round}` }])
  })
  expect(rides()).toBeGreaterThan(0)
  const [{ count }] = (await house.ask(
    "select count(*)::int from pg_stat_activity where usename = 'weir' and query like '%from numbers where%' and pid <> pg_backend_pid()",
  )) as [{ count: number }]
  expect(count).toBeGreaterThan(0)
  expect(count).toBeLessThanOrEqual(POOL)
})

it('an error ends the request that it is of', async () => {
  const clients = await connectAll(8, house.writer)
  await all(clients, 40, async (client, who, round) => {
    const divisor = (who + round) % 5
    const asked = client.query(`select ${who * 100 + round} / ${divisor} as q`)
    if (divisor === 0) expect((await failure(asked)).code).toBe('22012')
    else expect((await asked).rows).toEqual([{ q: Math.trunc((who * 100 + round) / divisor) }])
  })
  expect(rides()).toBeGreaterThan(0)
})

it('writes and transactions among them are done once, and seen by whoever asks next', async () => {
  await house.ask('create table marks (who int, round int)')
  const clients = await connectAll(8, house.writer)
  await all(clients, 20, async (client, who, round) => {
    if (round % 4 === 0) await client.query('begin')
    await client.query(`insert into marks values (${who}, ${round})`)
    const { rows } = await client.query(`select count(*)::int from marks where who = ${who}`)
    expect(rows).toEqual([{ count: round + 1 }])
    if (round % 4 === 0) await client.query('commit')
    const after = await client.query(`select count(*)::int from marks where who = ${who}`)
    expect(after.rows).toEqual([{ count: round + 1 }])
  })
  expect(await house.ask('select count(*)::int from marks')).toEqual([{ count: 160 }])
  expect(rides()).toBeGreaterThan(0)
})

it('a table that changes in between fails nobody who has prepared a statement of it', async () => {
  await house.ask('create table shape (a int)')
  await house.ask('insert into shape values (1)')
  const clients = await connectAll(8, house.writer)
  const widths = new Set<number>()
  let changes = 0
  await all(clients, 40, async (client, who, round) => {
    if (who === 0 && round % 10 === 9) {
      await house.ask(`alter table shape add column b${++changes} int default ${changes}`)
    }
    const { rows } = await client.query({ name: 'wide', text: 'select * from shape' })
    expect(rows[0].a).toBe(1)
    widths.add(Object.keys(rows[0]).length)
  })
  const last = await clients[1]!.query({ name: 'wide', text: 'select * from shape' })
  expect(Object.keys(last.rows[0])).toHaveLength(1 + changes)
  expect(widths.size).toBeGreaterThan(1)
  expect(rides()).toBeGreaterThan(0)
})

const count = (n: number): string => `select count(*)::int from generate_series(1, ${n}) n`

it('a cancelled request ends, one that rides behind it too, and nobody else’s', async () => {
  const clients = await connectAll(8, house.writer)
  await all(clients, 10, (client) => client.query(count(3)))
  const [slow, behind, ...others] = clients as [Client, Client, ...Client[]]
  const slowEnds = failure(slow.query(count(2_000_000_000)))
  const behindEnds = behind.query(count(7)).then(
    ({ rows }) => rows[0].count,
    ({ code }) => code,
  )
  const { pid, secret } = cancelKeyOf(behind)
  const key = Buffer.alloc(4)
  key.writeInt32BE(secret)
  await exchange(house.port, cancelRequest(pid, key))
  expect([7, '57014']).toContain(await behindEnds)
  await all(others, 10, async (client, who, round) => {
    const { rows } = await client.query(count(10 * who + round))
    expect(rows).toEqual([{ count: 10 * who + round }])
  })
  const own = cancelKeyOf(slow)
  key.writeInt32BE(own.secret)
  await exchange(house.port, cancelRequest(own.pid, key))
  expect((await slowEnds).code).toBe('57014')
  expect((await slow.query(count(5))).rows).toEqual([{ count: 5 }])
  expect((await behind.query(count(6))).rows).toEqual([{ count: 6 }])
  expect(rides()).toBeGreaterThan(0)
})

it('what a client that has left was asking for does not go on for ever', async () => {
  const [keeps, leaves] = (await connectAll(2, house.writer)) as [Client, Client]
  await all([keeps, leaves], 10, (client) => client.query(count(3)))
  void leaves.query(count(2_000_000_001)).catch(() => {})
  const running =
    "select 1 from pg_stat_activity where state = 'active' and query like '%2000000001%' and pid <> pg_backend_pid()"
  await until(async () => (await house.ask(running)).length === 1, 20_000)
  // Long enough to have been found slow while its client was still there.
  await until(async () => (await keeps.query(count(4))).rows[0].count === 4, 20_000)
  endClients(keeps)
  await until(async () => (await house.ask(running)).length === 0, 30_000)
})

it('a lost server connection is noticed by nobody who was given nothing yet', async () => {
  const clients = await connectAll(12, house.writer)
  let over = false
  let killed = 0
  const killing = (async () => {
    while (!over) {
      const rows = await house.ask(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like '%from numbers%' and pid <> pg_backend_pid() limit 1",
      )
      killed += rows.length
    }
  })()
  const ends = new Map<string, number>()
  await all(clients, 100, async (client, who, round) => {
    const i = (who * 41 + round) % 1_000
    const end = await client.query(`select square from numbers where i = ${i}`).then(
      ({ rows }) => {
        expect(rows).toEqual([{ square: i * i }])
        return 'answered'
      },
      ({ code }) => code as string,
    )
    ends.set(end, (ends.get(end) ?? 0) + 1)
  })
  over = true
  await killing
  expect(killed).toBeGreaterThan(0)
  expect([...ends.keys()].filter((end) => end !== 'answered' && end !== '40001')).toEqual([])
  // Only the first on a server connection can have been given a part of its answer.
  expect(ends.get('40001') ?? 0).toBeLessThanOrEqual(killed)
  expect(rides()).toBeGreaterThan(0)
})

it('a huge answer and a client that never reads it hold up nobody else', async () => {
  const clients = await connectAll(6, house.writer)
  const long = (n: number): string => `select repeat('x', ${n}) as long`
  await all(clients, 10, (client) => client.query(long(3)))
  const silent = await Promise.all([rawSession(house.port), rawSession(house.port)])
  for (const session of silent) {
    session.socket.pause()
    session.send(query(long(60_000_000)))
  }
  await all(clients, 30, async (client, who, round) => {
    const n = who * 100 + round
    expect((await client.query(long(n))).rows[0].long).toHaveLength(n)
  })
  for (const session of silent) session.socket.destroy()
  expect((await clients[0]!.query(long(20_000_000))).rows[0].long).toHaveLength(20_000_000)
  expect(rides()).toBeGreaterThan(0)
})

it('clients with different settings do not meet', async () => {
  const zones = ['UTC', 'Asia/Tokyo', 'America/Lima']
  const clients = await Promise.all(
    Array.from({ length: 9 }, (_, who) =>
      connect(house.writer, { options: `-c TimeZone=${zones[who % 3]}` }),
    ),
  )
  await all(clients, 30, async (client, who, round) => {
    const { rows } = await client.query(`select current_setting('TimeZone') as zone, ${round} as n`)
    expect(rows).toEqual([{ zone: zones[who % 3], n: round }])
  })
  for (const [who, client] of clients.entries()) {
    await all([client], 5, async (_client, _who, round) => {
      const { rows } = await client.query(
        `select current_setting('TimeZone') as zone, ${round} as n`,
      )
      expect(rows).toEqual([{ zone: zones[who % 3], n: round }])
    })
  }
  expect(rides()).toBeGreaterThan(0)
  await all(clients, 3, async (client, who) => {
    const zone = zones[(who + 1) % 3]
    await client.query(`set timezone = '${zone}'`)
    const { rows } = await client.query("select current_setting('TimeZone') as zone, 1 as n")
    expect(rows).toEqual([{ zone, n: 1 }])
  })
})
