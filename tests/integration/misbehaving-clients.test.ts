/**
 * Clients that do everything wrong at once, before real nodes. Rule: whatever they do, when they are
 * gone nobody holds anything: no session, no lease, no waiter, no descriptor.
 */
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import {
  cancelRequest,
  execute,
  parse,
  query,
  startupMessage,
  sync,
} from '../../src/wire/postgres/frontend.ts'
import { type House, startHouse } from '../support/house.ts'
import { dial, keyOf, PROTOCOL_3, RawSession, rawSession } from '../support/raw-session.ts'

let house: House
const MOMENTS = Number(process.env.WEIR_CHAOS_MS ?? 2_000)

beforeAll(async () => {
  house = await startHouse({
    pool: 4,
    ports: [16_001, 16_050],
    config: {
      auth: { trust: true, secrets: [{ username: 'weir', password: 'weir' }] },
      pool: { borrowTimeout: '2s' },
    },
  })
})

afterAll(async () => {
  await house?.end()
})

const pause = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms))
const some = (most: number): number => Math.floor(Math.random() * most)

type Key = ReturnType<typeof keyOf>

const MISCHIEF: ((raw: RawSession, key: Key) => Promise<void> | void)[] = [
  async (raw) => {
    raw.send(query('select 1'))
    await raw.take('Z')
  },
  (raw) => raw.send(query('begin'), query('select pg_sleep(0.01)')),
  async (raw, key) => {
    raw.send(query('select pg_sleep(5)'))
    await pause(some(20))
    const socket = connect(house.port, '127.0.0.1', () =>
      socket.end(cancelRequest(key.pid, key.secret)),
    )
    socket.on('error', () => {}).resume()
  },
  (raw) => raw.send(query('select 12345678').subarray(0, 5 + some(10))),
  (raw) => raw.send(parse('x', 'select 1', []), execute('', 0)),
  (raw) => raw.send(parse('', 'select nonsense', []), sync(), query('select 1'), sync()),
  (raw) => {
    raw.send(query('select repeat(chr(65), 1000) from generate_series(1, 20000)'))
    raw.socket.pause()
  },
  (raw) => raw.send(query('create temp table t(a int)'), query('copy t from stdin')),
  (raw) => raw.send(query('listen x'), query('select pg_terminate_backend(pg_backend_pid())')),
  (raw) =>
    raw.send(query('set work_mem = 100000'), query('select pg_sleep(0.02)'), query('select 1')),
  (raw) => raw.send(Buffer.from('GET / HTTP/1.0\r\n\r\n')),
  (raw) => raw.send(...Array.from({ length: 300 }, () => sync())),
]

it('leaves nothing behind', async () => {
  const oops: unknown[] = []
  const note = (error: unknown): void => void oops.push(error)
  process.on('uncaughtException', note)
  process.on('unhandledRejection', note)
  await rawSession(house.port).then((raw) => raw.vanish())
  const descriptors = (): number => readdirSync('/proc/self/fd').length
  const before = descriptors()
  const end = performance.now() + MOMENTS
  let done = 0
  async function client(): Promise<void> {
    while (performance.now() < end || done === 0) {
      let raw: RawSession | undefined
      try {
        raw = new RawSession(await dial(house.port))
        const parameters = { user: 'weir', database: 'app', application_name: `app ${some(5)}` }
        raw.send(startupMessage(PROTOCOL_3, Object.entries(parameters)))
        if (some(10) > 0) {
          await until(() => raw?.closed || raw?.messages.some((m) => m.type === 'Z'), 10_000)
          const key = keyOf(raw)
          await raw.take('Z')
          for (let i = some(4); i >= 0; i--) {
            await MISCHIEF[some(MISCHIEF.length)]!(raw, key)
            if (some(2)) await pause(some(10))
          }
        }
        done++
      } catch {
        // Refused or cut: fine.
      }
      if (some(2)) await pause(some(30))
      if (some(2)) raw?.socket.resetAndDestroy()
      else raw?.vanish()
    }
  }
  await Promise.all(Array.from({ length: 24 }, () => client()))
  expect(done).toBeGreaterThan(0)
  const quiet = () => {
    const { pools } = house.app.snapshot()
    return pools.every((p) => p.active === 0 && p.waiting === 0)
  }
  await until(quiet, 12_000, { what: 'quiet' })
  await until(() => descriptors() <= before + 6, 15_000, {
    what: `descriptors to fall from ${descriptors()} to ${before}`,
  })
  const raw = await rawSession(house.port)
  raw.messages.length = 0
  raw.send(query('select 42'))
  expect(await raw.values()).toEqual(['42'])
  raw.vanish()
  process.off('uncaughtException', note)
  process.off('unhandledRejection', note)
  expect(oops).toEqual([])
}, 120_000)
