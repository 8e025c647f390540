/**
 * A hundred hostile clients of every kind beside a few normal ones, for twenty seconds; the long form
 * is `node tests/soak/hostile.js`. Rule: the verdict is what the normal ones were answered and what is
 * left behind, never how fast anything was.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../../../src/core/until.ts'
import { Crowd } from '../../soak/hostile/crowd.ts'
import { Guests } from '../../soak/hostile/guests.ts'
import { KINDS, RUDE } from '../../soak/hostile/kinds.ts'
import { HOSTILE_LIMITS } from '../../soak/hostile/limits.ts'
import { randomOf } from '../../support/client-scripts.ts'
import { connect, endClients, one } from '../../support/clients.ts'
import { freePorts, type House, startHouse } from '../../support/house.ts'
import { scrape, sumOf } from '../../support/scrape.ts'
import { ATTACK_PORTS } from './weir-before.ts'

const SECONDS = Number(process.env.WEIR_HOSTILE_SECONDS ?? 20)

let house: House
let adminPort = 0
/** What the crowd is there to bring about. */
const ENDS = ['idle-in-transaction', 'message-timeout', 'protocol-error', 'send-timeout']

beforeAll(async () => {
  adminPort = await freePorts(1, ATTACK_PORTS)
  house = await startHouse({
    ports: ATTACK_PORTS,
    pool: 10,
    users: [{ username: RUDE, password: RUDE }],
    config: {
      auth: {
        trust: true,
        secrets: [
          { username: 'weir', password: 'weir' },
          { username: RUDE, password: RUDE },
        ],
      },
      limits: HOSTILE_LIMITS,
      admin: { port: adminPort },
    },
  })
  await house.ask(`create role ${RUDE} login password '${RUDE}'`)
  await house.ask('create table dump (line text)')
  await house.ask(`grant all on dump to ${RUDE}`)
})

afterAll(async () => {
  endClients()
  await house?.end()
})

it('does not reach those who behave, and leaves nothing behind', async () => {
  const oops: unknown[] = []
  const note = (error: unknown): void => void oops.push(error)
  process.on('uncaughtException', note)
  process.on('unhandledRejection', note)
  const guests = new Guests({ url: house.writer, clients: 8, thinkMs: 20, statements: 40 })
  const crowd = new Crowd({ port: house.port, clients: 100, random: randomOf(7), lifeMs: 8_000 })
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1_000))
  const everybody = () => [...crowd.tally.values()].every(({ begun }) => begun > 0)
  await until(everybody, 60_000, { what: 'one of each kind' })
  const missing = async (): Promise<string[]> => {
    const series = await scrape(adminPort)
    const times = (reason: string): number =>
      sumOf(series, 'weir_client_connections_closed_total', { reason })
    return ENDS.filter((reason) => times(reason) === 0)
  }
  let left: string[] = []
  await until(async () => {
    left = await missing()
    return left.length === 0
  }, 90_000).catch(() => {})
  expect(left, 'ends that nobody met').toEqual([])
  await crowd.end()
  await guests.end()
  const { statements, errors } = guests.look()
  expect(errors).toEqual([])
  expect(statements).toBeGreaterThan(0)
  expect(Object.keys(KINDS).length).toBeGreaterThan(20)
  const quiet = (): boolean => {
    const { pools, clients } = house.app.snapshot()
    return clients.total === 0 && pools.every((pool) => pool.active === 0 && pool.waiting === 0)
  }
  await until(quiet, 60_000, { what: 'nobody to hold anything' })
  expect(await one(await connect(house.writer), 'select 42')).toBe(42)
  process.off('uncaughtException', note)
  process.off('unhandledRejection', note)
  expect(oops).toEqual([])
}, 240_000)
