/**
 * Clients that do everything at once on a pool of two, against a model: no reply is lost, swapped or given
 * twice, nobody is cancelled but who asked for it, and what was acknowledged is there.
 *
 * `WEIR_TORTURE_SECONDS=600` for the long run, `WEIR_TORTURE_SEED` for the programs of another one,
 * `WEIR_TORTURE_CLIENTS` and `WEIR_TORTURE_UNITS` for more of them; `WEIR_TORTURE_DIRECT=1` tortures the
 * server instead, `WEIR_TORTURE_ROLES=reads,plain` says which kinds of clients there are, in turn.
 * `WEIR_TEST_SET='pool.maxConnections=3 ...'` changes the configuration.
 */
import { afterEach, expect, it } from 'vitest'
import { freePorts, type House, startHouse } from '../../support/house.ts'
import { Relay } from './relay.ts'
import { type Report, type TortureOptions, torture } from './torture.ts'

const SECONDS = Number(process.env.WEIR_TORTURE_SECONDS ?? 0)
const SEED = Number(process.env.WEIR_TORTURE_SEED ?? Math.floor(Math.random() * 1e6))
const CLIENTS = Number(process.env.WEIR_TORTURE_CLIENTS ?? 24)
const UNITS = Number(process.env.WEIR_TORTURE_UNITS ?? 60)
const DIRECT = process.env.WEIR_TORTURE_DIRECT === '1'
const PORTS = [23_500, 23_549] as const
const NODE_PORTS = [23_550, 23_599] as const
const TIMEOUT_MS = 240_000 + SECONDS * 2_000

let house: House | undefined
let relay: Relay | undefined

afterEach(async () => {
  await house?.end()
  await relay?.end()
  house = undefined
  relay = undefined
})

async function play({ port, nodePort, direct, cluster }: House, kill?: Kill): Promise<Report> {
  const { user, password, database } = cluster.login
  const report = await torture({
    login: { port: DIRECT ? nodePort : port, user, password, database },
    direct,
    seed: SEED,
    clients: CLIENTS,
    units: UNITS,
    seconds: SECONDS,
    ...(kill === undefined ? {} : { kill }),
  })
  const { answers, seconds, counts, verdict, wrong, silence } = report
  const { strays, ...cancels } = verdict
  console.log(
    `torture: seed ${SEED}, ${answers} answers in ${seconds.toFixed(1)} s, ${JSON.stringify(counts)}, cancels ${JSON.stringify(cancels)}, longest silence ${JSON.stringify(silence)}`,
  )
  expect(wrong.slice(0, 3).join('\n\n'), `seed ${SEED}`).toBe('')
  expect(strays).toEqual([])
  return report
}

type Kill = NonNullable<TortureOptions['kill']>

/** One after the other: the node ends a session of Weir's, or the wire to it breaks. */
function killing({ ask }: House, wire: Relay): Kill {
  const terminate = `select pg_terminate_backend(pid) as done from pg_stat_activity
    where client_port = any($1) order by random() limit 1`
  let turn = 0
  return async (random) => {
    if (turn++ % 2 === 0) return wire.cut(random) ? 'cut' : 'nothing to cut'
    const [ended] = await ask(terminate, [wire.ports])
    return ended?.done === true ? 'killed' : 'nothing to kill'
  }
}

it(
  'answers everybody with what is theirs, in order and once, whatever the others do',
  async () => {
    house = await startHouse({ pool: 2, ports: PORTS })
    const { counts, verdict } = await play(house)
    if (process.env.WEIR_TORTURE_ROLES !== undefined) return
    for (const what of ['stalled', 'left', 'cancelled', 'there', 'not there', 'heard on torture']) {
      expect(counts[what] ?? 0, what).toBeGreaterThan(0)
    }
    expect(verdict.hit).toBeGreaterThan(0)
  },
  TIMEOUT_MS,
)

it.skipIf(DIRECT)(
  'tells everybody the truth about what was lost while servers are killed and wires break',
  async () => {
    const basePort = await freePorts(1, NODE_PORTS)
    relay = await Relay.start(basePort)
    const nodes = [{ name: 'node-1', host: '127.0.0.1', port: relay.port }]
    house = await startHouse({ pool: 2, ports: PORTS, cluster: { basePort }, config: { nodes } })
    const { counts } = await play(house, killing(house, relay))
    expect(counts.killed ?? 0).toBeGreaterThan(0)
    expect(counts.cut ?? 0).toBeGreaterThan(0)
    expect((counts['told 40001'] ?? 0) + (counts['told 08007'] ?? 0)).toBeGreaterThan(0)
  },
  TIMEOUT_MS,
)
