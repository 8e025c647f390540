/**
 * Clients that do everything at once on a pool of two, against a model: no reply is lost, swapped or given
 * twice, nobody is cancelled but who asked for it, and what was acknowledged is there.
 *
 * `WEIR_TORTURE_SECONDS=600` for the long run, `WEIR_TORTURE_SEED` for the programs of another one,
 * `WEIR_TORTURE_CLIENTS` and `WEIR_TORTURE_UNITS` for more of them; `WEIR_TORTURE_DIRECT=1` tortures the
 * server instead. `WEIR_TEST_SET='pool.maxConnections=3 ...'` changes the configuration.
 */
import { afterEach, expect, it } from 'vitest'
import { type House, startHouse } from '../../support/house.ts'
import { torture } from './torture.ts'

const SECONDS = Number(process.env.WEIR_TORTURE_SECONDS ?? 0)
const SEED = Number(process.env.WEIR_TORTURE_SEED ?? Math.floor(Math.random() * 1e6))
const CLIENTS = Number(process.env.WEIR_TORTURE_CLIENTS ?? 24)
const UNITS = Number(process.env.WEIR_TORTURE_UNITS ?? 60)
const DIRECT = process.env.WEIR_TORTURE_DIRECT === '1'
const PORTS = [23_500, 23_549] as const
const TIMEOUT_MS = 240_000 + SECONDS * 2_000

let house: House | undefined

afterEach(async () => {
  await house?.end()
  house = undefined
})

async function play(deaths: boolean): ReturnType<typeof torture> {
  house = await startHouse({ pool: 2, ports: PORTS })
  const { port, nodePort, direct, cluster } = house
  const { user, password, database } = cluster.login
  const report = await torture({
    login: { port: DIRECT ? nodePort : port, user, password, database },
    direct,
    seed: SEED,
    clients: CLIENTS,
    units: UNITS,
    seconds: SECONDS,
    deaths,
  })
  const { answers, seconds, counts, verdict, wrong } = report
  const { strays, ...cancels } = verdict
  console.log(
    `torture: seed ${SEED}, ${answers} answers in ${seconds.toFixed(1)} s, ${JSON.stringify(counts)}, cancels ${JSON.stringify(cancels)}`,
  )
  expect(wrong.slice(0, 3).join('\n\n'), `seed ${SEED}`).toBe('')
  expect(strays).toEqual([])
  return report
}

it(
  'answers everybody with what is theirs, in order and once, whatever the others do',
  async () => {
    const { counts, verdict } = await play(false)
    for (const what of ['stalled', 'left', 'cancelled', 'there', 'not there', 'heard on torture']) {
      expect(counts[what] ?? 0, what).toBeGreaterThan(0)
    }
    expect(verdict.hit).toBeGreaterThan(0)
  },
  TIMEOUT_MS,
)

it.skipIf(DIRECT)(
  'tells everybody the truth about what was lost while servers are killed',
  async () => {
    const { counts } = await play(true)
    expect(counts.killed ?? 0).toBeGreaterThan(0)
    expect((counts['told 40001'] ?? 0) + (counts['told 08007'] ?? 0)).toBeGreaterThan(0)
  },
  TIMEOUT_MS,
)
