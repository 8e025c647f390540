/**
 * Many failovers in a row: nothing leaks, nobody is stuck, nothing acknowledged is lost. Two by
 * default; `WEIR_FAILOVERS=50 npx vitest run tests/failover/many.test.ts` for the long run, and
 * `WEIR_FAILOVERS_LOG=1` for a line a round.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ownDescriptors } from '../soak/failover-checks.ts'
import { FailoverLoad, type FailoverLoad as Load } from '../soak/failover-load.ts'
import { type RoundReport, soakFailovers } from '../soak/failovers.ts'
import { endClients } from '../support/clients.ts'
import { writeFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'
import { type WeirChild, weir } from '../support/weir-child.ts'

const FAILOVERS = Number(process.env.WEIR_FAILOVERS ?? 2)
const PLAN = { writers: 8, transactions: 4, readers: 4, listeners: 3, idle: 30 }

let house: House
let child: WeirChild
let load: Load
let admin: string

beforeAll(async () => {
  house = await startHouse({ nodes: 3, ports: [15_960, 15_999], cluster: { synchronous: true } })
  // Counted from outside, Weir is a process of its own.
  await house.app.stop()
  const { file, basePort, adminPort } = await writeFront(house, {
    admin: true,
    pool: { maxConnections: 8, borrowTimeout: '30s' },
  })
  child = weir('serve', '--config', file)
  admin = `http://127.0.0.1:${adminPort}`
  await child.says(/endpoint writer: /, 20_000)
  const { user, password, database } = house.cluster.login
  const url = (at: number) =>
    `postgres://${user}:${password}@127.0.0.1:${basePort + at}/${database}`
  load = new FailoverLoad(PLAN, { writer: url(0), reader: url(1) })
  await load.start()
})

afterAll(async () => {
  endClients()
  child?.process.kill('SIGTERM')
  await child?.ended
  await house?.end()
})

const line = (report: RoundReport): string => {
  const { number, fault, from, to, seconds, labSeconds, failover, still } = report
  const { timeline: t, waitingPeak, outcomes } = failover
  const whole = Math.round(t['first-reply']! - (t.fault ?? t.promoted!))
  return [
    `${number} ${fault} ${from}>${to} ${seconds.toFixed(1)} s (lab ${labSeconds.toFixed(1)})`,
    `gap ${whole} ms, waiting ${waitingPeak}, ${JSON.stringify(outcomes)}`,
    `fds ${still.fileDescriptors} (own ${ownDescriptors(still)})`,
    `servers ${still.serverConnections}`,
    `heap ${still.heap.toFixed(1)} rss ${still.residentMemory.toFixed(0)} MiB`,
  ].join(' | ')
}

it(
  `${FAILOVERS} failovers leave nothing behind`,
  async () => {
    const reports = await soakFailovers({
      cluster: house.cluster,
      load,
      failovers: FAILOVERS,
      watched: {
        pid: child.pid,
        admin,
        clients: load.size,
        nodes: () => new Map(house.cluster.nodes().map((n) => [n.name, house.cluster.url(n.name)])),
      },
      ...(process.env.WEIR_FAILOVERS_LOG === undefined
        ? {}
        : { onRound: (report: RoundReport) => console.log(line(report)) }),
    })
    await load.stop()

    expect(load.unexpected).toEqual([])
    expect(load.dropped).toEqual([])
    const rows = await house.ask('select id, batch from soak')
    const there = new Set(rows.map((row) => row.id))
    expect(load.acknowledged.filter((id) => !there.has(id))).toEqual([])
    // What a client was told of as undone is not there.
    expect(load.refused.filter((id) => there.has(id))).toEqual([])

    const first = reports[0]!.still
    const last = reports.at(-1)!.still
    expect(Math.abs(ownDescriptors(last) - ownDescriptors(first))).toBeLessThanOrEqual(3)
    expect(last.heap - first.heap).toBeLessThan(30)
    expect(last.residentMemory - first.residentMemory).toBeLessThan(120)
  },
  60_000 + FAILOVERS * 60_000,
)
