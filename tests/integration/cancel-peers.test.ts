/** Cancel requests among instances that stand behind one address. */
import { createServer, type Server, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Log } from '../../src/core/log.ts'
import { until } from '../../src/core/until.ts'
import { cancelRequest } from '../../src/wire/postgres/frontend.ts'
import { cancelKeyOf, connect, endClients, failure, one } from '../support/clients.ts'
import { FRONT_PORTS, type Front, type FrontOptions, startFront } from '../support/front.ts'
import { heldStatement } from '../support/held-statement.ts'
import { type House, startHouse } from '../support/house.ts'
import { exchange } from '../support/raw-session.ts'
import { scrape, sumOf } from '../support/scrape.ts'

/** An instance that is not there, one that answers nonsense, one that takes everything and is silent. */
const AWAY = 9
const ODD = 10
const SILENT = 11

let house: House
let first: Front
let second: Front
let odd: Server
let silent: Server
const held = new Set<Socket>()
const warnings: string[] = []
const log: Log = {
  trace: () => {},
  debug: () => {},
  info: () => {},
  warn: (_about: unknown, text?: string) => warnings.push(String(text)),
  error: () => {},
} as unknown as Log

async function listening(
  serve: (socket: Socket) => void,
): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => {
    held.add(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 }
}

/** One instance whose peers are found by number at these ports. */
function start(id: number, peers: Record<number, number>, more: FrontOptions = {}): Promise<Front> {
  const addresses = Object.entries(peers).map(([peer, port]) => [peer, `127.0.0.1:${port}`])
  const instance = { id, peers: Object.fromEntries(addresses) }
  return startFront(house, {
    admin: true,
    log,
    ...more,
    config: { instance, ...more.config },
    pool: { openTimeout: '2s', ...more.pool },
  })
}

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  const nonsense = await listening((socket) => socket.write('SSH-2.0-door\r\n'))
  const hole = await listening((socket) => socket.resume())
  odd = nonsense.server
  silent = hole.server
  second = await start(2, {})
  first = await start(1, {
    2: second.port('reader'),
    // No program of ours may listen there.
    [AWAY]: 1,
    [ODD]: nonsense.port,
    [SILENT]: hole.port,
  })
})

afterEach(() => {
  endClients()
  warnings.length = 0
})

afterAll(async () => {
  endClients()
  for (const socket of held) socket.destroy()
  odd?.close()
  silent?.close()
  await first?.end()
  await second?.end()
  await house?.end()
})

/** Sends a cancel request; resolves when the instance has closed the connection without a word. */
async function cancel(front: Front, { pid, secret }: { pid: number; secret: number }) {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(secret)
  expect(await exchange(front.port('writer'), cancelRequest(pid, bytes))).toHaveLength(0)
}

/** The number a client of instance `id` would have, and any secret. */
const strangerOf = (id: number) => ({ pid: id * 2 ** 23 + 2 ** 22 + 1, secret: 7 })

const sleeping = () =>
  until(
    async () => {
      const rows = await house.ask(`select 1 from pg_stat_activity where wait_event = 'PgSleep'`)
      return rows.length === 1
    },
    10_000,
    { everyMs: 20 },
  )

describe('A cancel request', () => {
  it('for a client of another instance is sent on to it', async () => {
    const client = await connect(second.url())
    const asleep = failure(client.query('select pg_sleep(600)'))
    await sleeping()
    const before = await scrape(first.adminPort)
    await cancel(first, cancelKeyOf(client))
    expect(await asleep).toMatchObject({ code: '57014' })
    const after = await scrape(first.adminPort)
    const sent = (series: typeof after) => sumOf(series, 'weir_peer_cancels_total', { peer: '2' })
    expect(sent(after) - sent(before)).toBe(1)
    expect(sumOf(after, 'weir_peer_cancels_failed_total', { peer: '2' })).toBe(0)
    expect(await one(client, 'select 5')).toBe(5)
  })

  it('has done its work there when its connection is closed here', async () => {
    const client = await connect(second.url())
    for (let round = 0; round < 30; round++) {
      const outcome = client.query('select pg_sleep(0.003)').catch(() => {})
      await cancel(first, cancelKeyOf(client))
      await outcome
      // Whatever it hit, it is over: this one is safe.
      expect(await one(client, 'select 5')).toBe(5)
    }
  })

  it('with a wrong secret does nothing, wherever it arrives', async () => {
    const client = await connect(second.url())
    const key = cancelKeyOf(client)
    const { running, release } = await heldStatement(house, client)
    for (const front of [first, second]) await cancel(front, { ...key, secret: key.secret ^ 1 })
    await release()
    expect((await running).rows[0]!.n).toBe(3)
  })

  it('has numbers unlike the process ids of a node, and unlike those of other instances', async () => {
    const [a, b] = await Promise.all([connect(first.url()), connect(second.url())])
    const numbers = [a, b].map((client) => cancelKeyOf(client).pid)
    expect(numbers.map((n) => n >> 23)).toEqual([1, 2])
    for (const n of numbers) expect(n).toBeGreaterThan(4_194_304)
  })

  it('for an instance nobody knows is ignored and counted', async () => {
    const ignored = async () => sumOf(await scrape(first.adminPort), 'weir_cancels_ignored_total')
    const before = await ignored()
    await cancel(first, strangerOf(77))
    await cancel(first, { pid: 4711, secret: 7 })
    expect((await ignored()) - before).toBe(2)
    expect(warnings).toEqual([])
  })
})

describe('A peer in trouble', () => {
  const failed = async (peer: number) =>
    sumOf(await scrape(first.adminPort), 'weir_peer_cancels_failed_total', { peer: `${peer}` })

  it('that is away is told once in the log and counted each time', async () => {
    const before = await failed(AWAY)
    for (let i = 0; i < 3; i++) await cancel(first, strangerOf(AWAY))
    expect((await failed(AWAY)) - before).toBe(3)
    expect(warnings).toEqual([
      expect.stringMatching(/did not get through to peer 9: connect ECONNREFUSED 127\.0\.0\.1:/),
    ])
  })

  it('that answers is no Weir', async () => {
    await cancel(first, strangerOf(ODD))
    expect(warnings).toEqual([expect.stringMatching(/peer 10: it answered a cancel request/)])
    expect(await failed(ODD)).toBe(1)
  })

  it('that is silent is given up in time, and holds few requests at once', async () => {
    const before = held.size
    await Promise.all(Array.from({ length: 80 }, () => cancel(first, strangerOf(SILENT))))
    expect(held.size - before).toBe(64)
    expect(await failed(SILENT)).toBe(80)
    expect(warnings).toEqual([
      'a cancel request did not get through to peer 11: it did not close the connection within 2000 ms',
    ])
  })
})

it('a request that was sent on already goes no further, so a circle of peers ends', async () => {
  const client = await connect(second.url())
  const { running, release } = await heldStatement(house, client)
  const { pid, secret } = cancelKeyOf(client)
  const sent = async () => sumOf(await scrape(first.adminPort), 'weir_peer_cancels_total')
  const before = await sent()
  const forwarded = { pid: pid - 2 ** 22, secret }
  await cancel(first, forwarded)
  await cancel(first, forwarded)
  expect(await sent()).toBe(before)
  expect(warnings).toEqual([expect.stringContaining('cancel requests for instance 2 here')])
  await release()
  expect((await running).rows[0]!.n).toBe(3)
})

it('without an instance nothing is different', async () => {
  const alone = await startFront(house)
  const client = await connect(alone.url())
  const asleep = failure(client.query('select pg_sleep(600)'))
  await sleeping()
  const key = cancelKeyOf(client)
  expect(key.pid).toBeGreaterThan(4_194_304)
  await cancel(alone, key)
  expect((await asleep).code).toBe('57014')
  await alone.end()
})
