/**
 * Several worker processes before one lab: what is shared is shared, what dies is replaced, and a
 * reload loses nobody.
 */
import { readFile, writeFile } from 'node:fs/promises'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { StatusSnapshot } from '../../src/admin/snapshot.ts'
import { until } from '../../src/core/until.ts'
import { type FrontFile, writeFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'
import { family, isAlive, type WeirChild, weir } from '../support/weir-child.ts'

let house: House
let child: WeirChild | undefined
let front: FrontFile
const open: pg.Client[] = []

beforeAll(async () => {
  house = await startHouse({ pool: 3 })
})

afterAll(async () => {
  await house.end()
})

afterEach(async () => {
  for (const client of open.splice(0)) await client.end().catch(() => {})
  child?.process.kill('SIGTERM')
  await child?.ended
  child = undefined
})

const SEVERAL = 'workers serve clients'

interface Wanted {
  readonly config?: Readonly<Record<string, unknown>>
  readonly pool?: Readonly<Record<string, unknown>>
}

async function start({ config = {}, pool = {} }: Wanted = {}, says = SEVERAL): Promise<void> {
  front = await writeFront(house, {
    endpoints: [{ name: 'writer', kind: 'writer' }],
    admin: true,
    config: { workers: 2, ...config },
    pool: { maxConnections: 4, ...pool },
  })
  child = weir('serve', '--config', front.file)
  await child.says(says)
  await until(async () => (await status()).nodes[0]?.role === 'writer', 20_000)
}

async function status(): Promise<StatusSnapshot> {
  const answer = await fetch(`http://127.0.0.1:${front.adminPort}/status`)
  return (await answer.json()) as StatusSnapshot
}

function url(): string {
  const { user, password, database } = house.cluster.login
  return `postgres://${user}:${password}@127.0.0.1:${front.basePort}/${database}`
}

interface Client extends pg.Client {
  readonly processID: number
  readonly secretKey: number
}

async function connect(): Promise<Client> {
  const client = new pg.Client({ connectionString: url(), connectionTimeoutMillis: 20_000 })
  client.on('error', () => {})
  await client.connect()
  open.push(client)
  return client as Client
}

/** Which worker serves a client stands in the number it was given. */
const workerOf = ({ processID }: Client): number => (processID & 0x3f_ffff) >> 17

/** Clients of two different workers, and of the first again. */
async function three(): Promise<[Client, Client, Client]> {
  const clients = [await connect(), await connect(), await connect(), await connect()]
  const here = clients.filter((c) => workerOf(c) === workerOf(clients[0]!))
  const there = clients.find((c) => workerOf(c) !== workerOf(clients[0]!))
  return [here[0]!, there!, here[1]!]
}

/** Ends when the server closes the connection, which it does when the request has landed. */
async function cancel({ processID, secretKey }: Client): Promise<void> {
  const { connect } = await import('node:net')
  const request = Buffer.alloc(16)
  for (const [i, n] of [16, 80877102, processID, secretKey].entries())
    request.writeInt32BE(n, i * 4)
  await new Promise<void>((resolve, reject) => {
    const socket = connect(front.basePort, '127.0.0.1', () => socket.write(request))
    socket.on('close', () => resolve())
    socket.on('error', reject)
    socket.resume()
  })
}

/** All series of /metrics whose name and labels match, summed. */
async function metric(pattern: RegExp): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${front.adminPort}/metrics`)
  const lines = (await answer.text()).split('\n').filter((line) => pattern.test(line))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

/** Numbers of the processes that serve clients. */
async function serving(): Promise<number[]> {
  return (await status()).workers.filter((w) => w.state === 'serving').map((w) => w.pid)
}

describe('two workers', () => {
  test('share the clients, and status, clients and metrics show the whole', async () => {
    await start()
    const clients = await Promise.all(Array.from({ length: 8 }, () => connect()))
    for (const client of clients) await client.query('select 1')
    const numbers = new Set(clients.map((c) => c.processID))
    expect(numbers.size).toBe(8)
    const seen = await status()
    const each = seen.workers.map((w) => w.clients)
    expect(each).toHaveLength(2)
    expect(Math.min(...each)).toBeGreaterThan(0)
    expect(each[0]! + each[1]!).toBe(8)
    expect(new Set(seen.workers.map((w) => w.pid)).size).toBe(2)
    expect(seen.clients.total).toBe(8)
    expect(seen.endpoints[0]).toMatchObject({ name: 'writer', clients: 8 })
    expect(seen.pools).toHaveLength(1)
    expect(seen.pools[0]!.maximum).toBe(4)
    const list = await fetch(`http://127.0.0.1:${front.adminPort}/clients`)
    const { clients: listed } = (await list.json()) as { clients: { id: number }[] }
    expect(new Set(listed.map((c) => c.id)).size).toBe(8)
    expect(await metric(/^weir_client_connections\{/)).toBe(8)
    expect(await metric(/^weir_client_connections_setup_succeeded_total/)).toBe(8)
    expect(await metric(/^weir_query_requests_total/)).toBe(8)
    expect(await metric(/^weir_workers /)).toBe(2)
  })

  test('pass cancel requests on to whoever serves the session, and to nobody else', async () => {
    await start()
    const [here, there, other] = await three()
    expect(workerOf(here)).not.toBe(workerOf(there))
    // Twice each: new connections go to the workers in turn, so each is asked for both.
    for (const client of [here, here, there, there]) {
      const asleep = client.query('select pg_sleep(600)')
      const neighbour = other.query('select pg_sleep(0.3), 7 as seven')
      const outcome = asleep.then(
        () => 'slept on',
        (error: { code: string }) => error.code,
      )
      const running = async (): Promise<boolean> => {
        const sql =
          "select 1 from pg_stat_activity where state = 'active' and query like '%sleep(600)%' and pid <> pg_backend_pid()"
        return (await house.ask(sql)).length > 0
      }
      await until(running, 10_000)
      await cancel(client)
      expect(await outcome).toBe('57014')
      expect((await neighbour).rows[0]).toMatchObject({ seven: 7 })
    }
  })

  test('hear each other, and a notification names the client that sent it', async () => {
    await start()
    const [here, there, again] = await three()
    const heard: { by: string; from: number; what: string }[] = []
    const hear = async (by: string, client: Client): Promise<void> => {
      client.on('notification', ({ processId, payload }) => {
        heard.push({ by, from: processId, what: payload ?? '' })
      })
      await client.query('listen news')
    }
    // That somebody listens here is known to the other worker a moment later.
    const known = async (by: string, from: Client): Promise<void> => {
      const of = (name: string) => heard.filter((h) => h.by === name)
      await until(async () => {
        await from.query("notify news, 'early'")
        return of(by).some((h) => h.from === from.processID)
      }, 20_000)
      await from.query("notify news, 'last'")
      const names = by === 'here' ? ['here', 'there'] : ['there']
      await until(() => names.every((name) => of(name).at(-1)?.what === 'last'), 20_000)
      heard.length = 0
    }
    await hear('there', there)
    await known('there', again)
    for (let i = 0; i < 5; i++) {
      await here.query(`notify news, 'a${i}'`)
      await there.query(`notify news, 'b${i}'`)
    }
    await until(() => heard.length === 10, 20_000)
    const first = heard.slice()
    await hear('here', here)
    await known('here', there)
    for (let i = 5; i < 10; i++) {
      await here.query(`notify news, 'a${i}'`)
      await there.query(`notify news, 'b${i}'`)
    }
    await until(() => heard.length === 20, 20_000)
    heard.unshift(...first)
    for (const { from, what } of heard) {
      expect(from).toBe(what.startsWith('a') ? here.processID : there.processID)
    }
    const all = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    const ofHere = (by: string): string[] =>
      heard.filter((h) => h.by === by && h.what.startsWith('a')).map((h) => h.what)
    expect(ofHere('there')).toEqual(all.map((i) => `a${i}`))
    expect(ofHere('here')).toEqual(all.slice(5).map((i) => `a${i}`))
  })

  test('are paused together, and go on together', async () => {
    await start()
    const [here, there] = await three()
    await here.query('begin')
    const order = async (path: string, body: object): Promise<Record<string, unknown>> => {
      const answer = await fetch(`http://127.0.0.1:${front.adminPort}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      return (await answer.json()) as Record<string, unknown>
    }
    const paused = await order('/pause', { node: 'node-1', forMs: 60_000, waitMs: 0 })
    expect(paused).toMatchObject({ lent: 1, inTheWay: [{ endpoint: 'writer', node: 'node-1' }] })
    let done = 0
    const waiting = [there, await connect()].map(async (client) => {
      await client.query('select 1')
      done++
    })
    await until(async () => (await status()).clients.waiting === 2, 10_000)
    expect((await status()).pauses[0]).toMatchObject({ lent: 1, waiting: 2 })
    await here.query('commit')
    await until(async () => (await status()).pauses[0]?.lent === 0, 10_000)
    expect(done).toBe(0)
    await order('/resume', {})
    await Promise.all(waiting)
    expect(done).toBe(2)
  })

  test('bound the clients of both together', async () => {
    await start({ config: { limits: { maxClientConnections: 6 } } })
    for (let i = 0; i < 6; i++) await connect()
    await until(async () => (await status()).clients.total === 6, 10_000)
    const told = async (): Promise<string> => {
      const client = new pg.Client({ connectionString: url() })
      client.on('error', () => {})
      return client.connect().then(
        () => client.end().then(() => 'let in'),
        (error: { code: string }) => error.code,
      )
    }
    await until(async () => (await told()) === '53300', 10_000)
    expect([await told(), await told()]).toEqual(['53300', '53300'])
  })
})

describe('the budget of a node', () => {
  /** Server connections of the front's own, told by a name that only they have. */
  async function backends(): Promise<number> {
    const sql = "select count(*)::int as n from pg_stat_activity where usename = 'sharer'"
    return (await house.ask(sql))[0]!.n as number
  }

  test('is never exceeded, moves to where it is needed, and starves nobody', async () => {
    await house.ask("create role sharer login superuser password 'sharer'").catch(() => {})
    await start({
      config: {
        auth: {
          secrets: [
            { username: 'sharer', password: 'sharer' },
            { username: house.cluster.login.user, password: house.cluster.login.password },
          ],
        },
      },
      pool: { maxConnections: undefined, maxConnectionsPercent: 5, idleTimeout: '5m' },
    })
    const budget = (await status()).nodes[0]!.budget!
    expect(budget).toBeGreaterThan(2)
    expect(budget).toBeLessThan(6)
    const { database } = house.cluster.login
    const own = `postgres://sharer:sharer@127.0.0.1:${front.basePort}/${database}`
    let over = 0
    let most = 0
    let looking = true
    const watch = (async () => {
      const eye = new pg.Client({ connectionString: house.direct })
      await eye.connect()
      const sql = "select count(*)::int as n from pg_stat_activity where usename = 'sharer'"
      while (looking) {
        const { rows } = await eye.query(sql)
        most = Math.max(most, rows[0].n)
        if (rows[0].n > budget) over++
      }
      await eye.end()
    })()
    const served = new Map<number, number>()
    const until_ = Date.now() + 4_000
    const worker = async (seed: number): Promise<void> => {
      const client = new pg.Client({ connectionString: own, connectionTimeoutMillis: 20_000 })
      client.on('error', () => {})
      await client.connect()
      const me = workerOf(client as Client)
      for (let i = 0; Date.now() < until_; i++) {
        // Every client is busy at times and idle at times, so the need moves between the workers.
        const ms = ((seed * 7 + i * 13) % 5) * 4
        await client.query(`select pg_sleep(${ms / 1_000})`)
        served.set(me, (served.get(me) ?? 0) + 1)
        if ((i + seed) % 9 === 0) await new Promise((resolve) => setTimeout(resolve, 40))
      }
      await client.end()
    }
    await Promise.all(Array.from({ length: 24 }, (_, i) => worker(i)))
    looking = false
    await watch
    expect(over).toBe(0)
    expect(most).toBeGreaterThan(1)
    expect(served.size).toBe(2)
    for (const n of served.values()) expect(n).toBeGreaterThan(10)
  })

  test('goes to a worker that has none when another holds all, in turn', async () => {
    await start({ pool: { maxConnections: undefined, maxConnectionsPercent: 2 } })
    const budget = (await status()).nodes[0]!.budget!
    expect(budget).toBeLessThan(3)
    const [here, there, again] = await three()
    // All of the budget is in transactions of one worker, if that worker got it.
    await here.query('begin')
    if (budget > 1) await again.query('begin')
    let answered = false
    const waiting = there.query('select 1').then(() => {
      answered = true
    })
    await until(async () => (await status()).clients.waiting === 1, 10_000)
    expect(answered).toBe(false)
    await here.query('commit')
    await waiting
    expect(answered).toBe(true)
    await until(async () => (await backendsOf()) <= budget, 10_000)
  })

  async function backendsOf(): Promise<number> {
    const [pool] = (await status()).pools
    return pool?.total ?? 0
  }

  test('counts what a killed worker had until the node has seen it go', async () => {
    expect(await backends()).toBe(0)
    await start({ pool: { maxConnections: undefined, maxConnectionsPercent: 2 } })
    const [here, there] = await three()
    const asleep = here.query("select pg_sleep(8), 'ghost'").catch((error: Error) => error.message)
    const ghost = async (): Promise<number> =>
      (
        await house.ask(
          "select 1 from pg_stat_activity where query like '%''ghost''%' and pid <> pg_backend_pid() and state = 'active'",
        )
      ).length
    await until(async () => (await ghost()) === 1, 10_000)
    const budget = (await status()).nodes[0]!.budget!
    const { workers } = await status()
    process.kill(workers.find((w) => w.number === workerOf(here))!.pid, 'SIGKILL')
    await asleep
    // As long as its statement runs on, the others have the rest and no more.
    await there.query('begin')
    const total = (await status()).pools.reduce((sum, p) => sum + p.total, 0)
    expect(total + (await ghost())).toBeLessThanOrEqual(budget)
    await there.query('commit')
    await until(async () => (await ghost()) === 0, 20_000)
  })
})

describe('a worker that is killed', () => {
  test('is replaced at once, only its clients notice, and it is counted', async () => {
    await start()
    const [here, there] = await three()
    await here.query('select 1')
    await there.query('begin')
    await there.query('select 1')
    const before = await metric(/^weir_query_requests_total/)
    const { workers } = await status()
    const killed = workers.find((w) => w.number === workerOf(here))!
    const gone = new Promise((resolve) => here.once('end', resolve))
    process.kill(killed.pid, 'SIGKILL')
    await gone
    expect((await there.query('select 7 as n')).rows).toEqual([{ n: 7 }])
    await there.query('commit')
    await until(async () => (await serving()).length === 2, 20_000)
    expect(await serving()).not.toContain(killed.pid)
    // The next two clients go to one each.
    const [a, b] = [await connect(), await connect()]
    expect(workerOf(a)).not.toBe(workerOf(b))
    await Promise.all([a.query('select 1'), b.query('select 1')])
    expect(await metric(/^weir_workers_died_total /)).toBe(1)
    expect(await metric(/^weir_query_requests_total/)).toBeGreaterThanOrEqual(before)
    expect((await status()).events.some((e) => e.text.includes(`${killed.pid}`))).toBe(true)
    expect(child!.output()).toContain('was ended by SIGKILL')
  })
})

describe('a reload', () => {
  test('rolls the workers one by one under load and drops nobody', async () => {
    await start()
    const idle = await Promise.all(Array.from({ length: 6 }, () => connect()))
    for (const client of idle) await client.query("set application_name = 'kept'")
    const before = await serving()
    let loading = true
    let failed: string | undefined
    let served = 0
    const load = Promise.all(
      Array.from({ length: 6 }, async (_, i) => {
        while (loading && failed === undefined) {
          try {
            const client = new pg.Client({ connectionString: url() })
            client.on('error', () => {})
            await client.connect()
            for (let n = 0; n < 5; n++) await client.query('select 1')
            await client.end()
            served++
          } catch (error) {
            failed = `client ${i}: ${(error as Error).message}`
          }
        }
      }),
    )
    const text = JSON.parse(await readFile(front.file, 'utf8'))
    text.pool.maxConnections = 6
    text.admin.enabled = false
    await writeFile(front.file, JSON.stringify(text))
    child!.process.kill('SIGHUP')
    await child!.says('every worker was replaced')
    const at = served
    await until(() => served > at + 10 || failed !== undefined, 20_000)
    loading = false
    await load
    expect(failed).toBeUndefined()
    expect(child!.output()).toContain('not changed without a restart: admin.enabled')
    const seen = await status()
    const states = Object.fromEntries(seen.workers.map((w) => [w.pid, w.state]))
    for (const pid of before) expect(states[pid]).toBe('leaving')
    expect(seen.workers.filter((w) => w.state === 'serving')).toHaveLength(2)
    // Who was there before is there, with its session.
    for (const client of idle) {
      const { rows } = await client.query('show application_name')
      expect(rows).toEqual([{ application_name: 'kept' }])
    }
    for (const client of idle) await client.end()
    await until(async () => (await status()).workers.length === 2, 20_000)
    expect((await status()).pools.every((p) => p.maximum <= 6)).toBe(true)
    for (const pid of before) expect(isAlive(pid)).toBe(false)
  })

  test('with a mistake in the file changes nothing and says so', async () => {
    await start()
    const client = await connect()
    const before = await serving()
    const text = JSON.parse(await readFile(front.file, 'utf8'))
    text.pool.maxConnections = 'many'
    await writeFile(front.file, JSON.stringify(text))
    child!.process.kill('SIGHUP')
    await child!.says('the configuration was not reloaded')
    expect(await serving()).toEqual(before)
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  })
})

describe('one process', () => {
  test('reads users and passwords anew on SIGHUP, keeps its clients and names what it cannot change', async () => {
    await house.ask("create role later login password 'later'").catch(() => {})
    await start({ config: { workers: 1 } }, 'endpoint writer')
    const client = await connect()
    await client.query("set application_name = 'kept'")
    const { database } = house.cluster.login
    const later = `postgres://later:later@127.0.0.1:${front.basePort}/${database}`
    const login = async (): Promise<string> => {
      const other = new pg.Client({ connectionString: later })
      other.on('error', () => {})
      return other.connect().then(
        () => other.end().then(() => 'in'),
        (error: { code: string }) => error.code,
      )
    }
    expect(await login()).toBe('28P01')
    const text = JSON.parse(await readFile(front.file, 'utf8'))
    text.auth.secrets.push({ username: 'later', password: 'later' })
    text.pool.maxConnections = 7
    await writeFile(front.file, JSON.stringify(text))
    child!.process.kill('SIGHUP')
    await child!.says('not changed without a restart: pool.maxConnections')
    expect(await login()).toBe('in')
    const { rows } = await client.query('show application_name')
    expect(rows).toEqual([{ application_name: 'kept' }])
    expect(await serving()).toEqual([child!.pid])
  })
})

test('a stop ends every process, whatever clients do', async () => {
  await start()
  const client = await connect()
  await client.query('begin')
  const everybody = family(child!.pid)
  expect(everybody.length).toBe(3)
  const gone = new Promise((resolve) => client.once('end', resolve))
  // As a terminal and a service manager do: to all of them.
  for (const pid of everybody) process.kill(pid, 'SIGTERM')
  await gone
  expect(await child!.ended).toBe(0)
  for (const pid of everybody) expect(isAlive(pid)).toBe(false)
})

test('when the first process is killed, its workers end too', async () => {
  await start()
  const [, ...workers] = family(child!.pid)
  expect(workers).toHaveLength(2)
  child!.process.kill('SIGKILL')
  await until(() => workers.every((pid) => !isAlive(pid)), 20_000)
})

test('a port that is taken is told as by one process, and nothing is left running', async () => {
  await start()
  const second = weir('serve', '--config', front.file, '--set', 'admin.enabled=false')
  expect(await second.ended).toBe(1)
  expect(second.output()).toContain(`127.0.0.1:${front.basePort} is taken by another program`)
  expect(second.output()).toContain('endpoint "writer"')
})

describe('another writer', () => {
  test('is found by all workers, and idle clients of none notice', async () => {
    const pair = await startHouse({ nodes: 2, pool: 3 })
    try {
      front = await writeFront(pair, {
        endpoints: [{ name: 'writer', kind: 'writer' }],
        admin: true,
        config: { workers: 2 },
      })
      child = weir('serve', '--config', front.file)
      await child.says(SEVERAL)
      await until(async () => (await status()).nodes.some((n) => n.role === 'writer'), 20_000)
      const { user, password, database } = pair.cluster.login
      const through = `postgres://${user}:${password}@127.0.0.1:${front.basePort}/${database}`
      const clients = await Promise.all(
        Array.from({ length: 6 }, async () => {
          const client = new pg.Client({ connectionString: through })
          client.on('error', () => {})
          await client.connect()
          open.push(client)
          return client as Client
        }),
      )
      expect(new Set(clients.map(workerOf)).size).toBe(2)
      const at = async (client: Client): Promise<unknown> =>
        (await client.query('select inet_server_port() as port')).rows[0].port
      const before = new Set(await Promise.all(clients.map(at)))
      await pair.cluster.promote()
      const after = new Set(await Promise.all(clients.map(at)))
      expect([before.size, after.size]).toEqual([1, 1])
      expect([...after]).not.toEqual([...before])
      await until(async () => (await status()).failovers.length === 1, 20_000)
      const steps = (await status()).failovers[0]!.timeline
      for (const step of ['observed', 'retired', 'first-borrow', 'first-reply'] as const) {
        expect(steps[step], step).toBeDefined()
      }
      expect(steps['first-borrow']!).toBeGreaterThan(steps.observed!)
      expect(steps['first-reply']!).toBeGreaterThan(steps['first-borrow']!)
    } finally {
      for (const client of open.splice(0)) await client.end().catch(() => {})
      child?.process.kill('SIGTERM')
      await child?.ended
      child = undefined
      await pair.end()
    }
  })
})
