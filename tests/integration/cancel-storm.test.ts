/**
 * Cancel requests at random moments for busy clients that share few server connections: each may end
 * a statement of its own client and of nobody else. `WEIR_CANCELS=10000` sends so many.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { judge } from '../support/cancel-judge.ts'
import { storm } from '../support/cancel-storm.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'
import { scrape, sumOf } from '../support/scrape.ts'

const CANCELS = Number(process.env.WEIR_CANCELS ?? 1_500)
const CLIENTS = 50
const POOL = 5

let house: House
let front: Front

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  front = await startFront(house, { pool: { maxConnections: POOL }, admin: true })
})

afterAll(async () => {
  await front?.end()
  await house?.end()
})

it(
  `${CANCELS} cancel requests for ${CLIENTS} clients on ${POOL} server connections hit nobody else`,
  async () => {
    const { tried, requested, wrong } = await storm({
      ports: [front.port('writer'), front.port('reader')],
      clients: CLIENTS,
      cancels: CANCELS,
      random: Math.random,
    })
    const { strays, ...counts } = judge(tried, requested)
    console.log(`cancel storm: ${tried.length} statements, ${JSON.stringify(counts)}`)
    const amiss = { wrong: wrong.length, strays: strays.length }
    expect({ ...amiss, first: [...wrong.slice(0, 5), ...strays.slice(0, 5)] }).toEqual({
      wrong: 0,
      strays: 0,
      first: [],
    })
    expect(requested.length).toBeGreaterThanOrEqual(CANCELS)
    // All three fates must be common, or it was no test.
    expect(counts.hit - counts.queued).toBeGreaterThan(CANCELS / 50)
    expect(counts.queued).toBeGreaterThan(CANCELS / 50)
    expect(counts.late).toBeGreaterThan(CANCELS / 50)
    await until(() => front.app.snapshot().clients.total === 0, 10_000)
    const series = await scrape(front.adminPort)
    // No request has cost a server connection either.
    expect(sumOf(series, 'weir_database_connections_evicted_total')).toBe(0)
    expect(sumOf(series, 'weir_database_connection_requests_total')).toBeLessThanOrEqual(POOL)
    expect(sumOf(series, 'weir_cancels_ignored_total')).toBe(counts.wrong)
  },
  20_000 + CANCELS * 50,
)
