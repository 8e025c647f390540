/** Streams far larger than memory may be: the proxy's own process, watched from outside. */
import type { Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { copyData, copyDone, query } from '../../src/wire/postgres/frontend.ts'
import { type Client, connect, endClients, later, one } from '../support/clients.ts'
import { type FrontFile, writeFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'
import { type RawSession, rawSession } from '../support/raw-session.ts'
import { peakMemory, type WeirChild, weir } from '../support/weir-child.ts'

const PORTS = [15_901, 15_949] as const
/** `WEIR_COPY_MB=1024` streams the gigabyte of the promise; the default keeps a CI run short. */
const MEGABYTES = Number(process.env.WEIR_COPY_MB ?? 300)
const MOST_MEMORY = 250
const LINE = 8_191

let house: House
let front: FrontFile
let proxy: WeirChild
let direct: Client
let url: string

beforeAll(async () => {
  house = await startHouse({ ports: PORTS })
  front = await writeFront(house, {
    pool: { maxConnections: 5 },
    config: { auth: { trust: true }, admin: { enabled: true, port: 15_950 } },
  })
  proxy = weir('serve', '--config', front.file)
  url = `postgres://weir:weir@127.0.0.1:${front.basePort}/app`
  await until(
    async () => (await fetch('http://127.0.0.1:15950/readyz').catch(() => undefined))?.ok,
    20_000,
    { what: `weir serve to be ready: ${proxy.output()}` },
  )
  direct = await connect(house.direct)
  await direct.query('create table sink (line text)')
})

const raws: RawSession[] = []

async function rawClient(): Promise<RawSession> {
  const raw = await rawSession(front.basePort)
  raws.push(raw)
  return raw
}

afterEach(() => {
  endClients(direct)
  for (const raw of raws.splice(0)) raw.vanish()
})

afterAll(async () => {
  proxy?.process.kill('SIGTERM')
  const code = await proxy?.ended
  endClients()
  await house?.end()
  expect(code).toBe(0)
})

/** A session whose replies are counted and thrown away from here on. */
async function stream(): Promise<{ socket: Socket; received: () => number }> {
  const raw = await rawClient()
  raw.socket.removeAllListeners('data')
  let bytes = 0
  raw.socket.on('data', (chunk) => {
    bytes += chunk.length
  })
  return { socket: raw.socket, received: () => bytes }
}

const copyOut = (megabytes: number) => {
  const lines = Math.ceil((megabytes * 1_048_576) / (LINE + 1))
  return query(`copy (select repeat('x', ${LINE}) from generate_series(1, ${lines})) to stdout`)
}

/**
 * Another client asks while `busy` goes on; counts the answers that came before it was over. A machine
 * that is busy slows both: if the other had to wait for the stream, there would be one at most.
 */
async function othersGoOn(busy: () => boolean): Promise<number> {
  const client = await connect(url)
  let answered = 0
  while (busy()) {
    expect(await one(client, `select ${answered}`)).toBe(answered)
    if (busy()) answered++
  }
  await client.end()
  return answered
}

/** Another client asks again and again while nothing of the stream moves. */
async function othersAreServed(): Promise<void> {
  const client = await connect(url)
  for (let i = 0; i < 200; i++) expect(await one(client, `select ${i}`)).toBe(i)
  await client.end()
}

/** Answers that somebody else had before the stream was over: far fewer than there always are. */
const SOME = 5

describe.skipIf(process.platform !== 'linux')('Through a Weir of bounded memory', () => {
  it(`COPY of ${MEGABYTES} MB comes out whole`, { timeout: 300_000 }, async () => {
    const { socket, received } = await stream()
    const goal = MEGABYTES * 1_048_576
    const began = performance.now()
    socket.write(copyOut(MEGABYTES))
    const others = later(othersGoOn(() => received() < goal))
    await until(() => received() >= goal, 280_000, { what: 'the copy' })
    const seconds = (performance.now() - began) / 1_000
    expect(await others).toBeGreaterThanOrEqual(SOME)
    console.log(
      `copy out: ${MEGABYTES} MB in ${seconds.toFixed(1)} s, peak ${peakMemory(proxy.pid).toFixed(0)} MiB`,
    )
    expect(peakMemory(proxy.pid)).toBeLessThan(MOST_MEMORY)
  })

  it(`COPY of ${MEGABYTES} MB goes in whole`, { timeout: 300_000 }, async () => {
    const raw = await rawClient()
    raw.messages.length = 0
    // Every line is read and parsed by the server and then left out.
    raw.send(query('copy sink from stdin where line is null'))
    await raw.take('G')
    const batch = Buffer.concat(
      Array.from({ length: 16 }, () => copyData(Buffer.from(`${'x'.repeat(LINE)}\n`))),
    )
    const batches = Math.ceil((MEGABYTES * 1_048_576) / (16 * (LINE + 1)))
    const began = performance.now()
    let sending = true
    const others = later(othersGoOn(() => sending))
    for (let i = 0; i < batches; i++) {
      if (raw.socket.write(batch)) continue
      await new Promise((resolve) => raw.socket.once('drain', resolve))
    }
    raw.send(copyDone())
    const { body } = await raw.take('C', 120_000)
    sending = false
    expect(body.toString('latin1')).toBe('COPY 0\0')
    await raw.take('Z')
    const seconds = (performance.now() - began) / 1_000
    expect(await others).toBeGreaterThanOrEqual(SOME)
    console.log(
      `copy in: ${MEGABYTES} MB in ${seconds.toFixed(1)} s, peak ${peakMemory(proxy.pid).toFixed(0)} MiB`,
    )
    expect(peakMemory(proxy.pid)).toBeLessThan(MOST_MEMORY)
  })

  it('clients that stop reading hold up nobody but themselves and grow no memory', async () => {
    const stuck = await Promise.all(Array.from({ length: 4 }, () => stream()))
    for (const { socket } of stuck) {
      socket.write(copyOut(200))
      socket.pause()
    }
    const waiting = async () => {
      const { rows } = await direct.query(
        `select count(*)::int as n from pg_stat_activity where wait_event = 'ClientWrite'`,
      )
      return rows[0].n
    }
    await until(async () => (await waiting()) === 4, 20_000, { what: '4 servers that wait' })
    await othersAreServed()
    // A server in the middle of filling a buffer is not waiting at that moment.
    await until(async () => (await waiting()) === 4, 10_000, { what: 'all 4 to wait still' })
    expect(peakMemory(proxy.pid)).toBeLessThan(MOST_MEMORY)
    // They wake up and get the rest.
    const { socket, received } = stuck[0]!
    socket.resume()
    await until(() => received() >= 200 * 1_048_576, 60_000, { what: 'the rest of the copy' })
    for (const each of stuck) each.socket.destroy()
    await until(async () => (await waiting()) === 0, 20_000, { what: 'the servers to be free' })
  })

  it('a server that stops reading holds up its client and grows no memory', async () => {
    await direct.query(`
      create table slow (line text);
      create function hold_up() returns trigger language plpgsql as
        $$ begin perform pg_advisory_xact_lock_shared(99); return null; end $$;
      create trigger hold_up before insert on slow for each row execute function hold_up()`)
    await direct.query('select pg_advisory_lock(99)')
    const raw = await rawClient()
    raw.messages.length = 0
    raw.send(query('copy slow from stdin'))
    await raw.take('G')
    const batch = copyData(Buffer.from(`${'x'.repeat(LINE)}\n`.repeat(16)))
    const goal = Math.ceil((100 * 1_048_576) / batch.length)
    let sent = 0
    const sending = (async () => {
      for (; sent < goal; sent++) {
        if (raw.socket.write(batch)) continue
        await new Promise((resolve) => raw.socket.once('drain', resolve))
      }
    })()
    let seen = -1
    let same = 0
    const still = () => {
      same = sent === seen ? same + 1 : 0
      seen = sent
      return same >= 10
    }
    await until(still, 20_000, { what: 'the client to be held up' })
    expect(sent * batch.length).toBeLessThan(40 * 1_048_576)
    await othersAreServed()
    expect(peakMemory(proxy.pid)).toBeLessThan(MOST_MEMORY)
    await direct.query('select pg_advisory_unlock(99)')
    await sending
    raw.send(copyDone())
    const { body } = await raw.take('C', 30_000)
    expect(body.toString('latin1')).toBe('COPY 0\0')
  })
})
