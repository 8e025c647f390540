/**
 * How wrong is the instrument: the very load and journals of a run against a server whose outages
 * have a known length, because we make them ourselves with a cuttable link. Rule: what is stated is
 * measured, never assumed; the error holds the instrument's stalls, its schedule and its clocks.
 */
import { CuttableLink } from './cuttable-link.ts'
import { Load } from './load.ts'
import { percentiles, rounded } from './measure.ts'
import { DEFAULT_PLAN, splitClients } from './plan.ts'
import type { Percentiles } from './result.ts'
import { StallWatch } from './stall-watch.ts'
import type { Login, NodeAddress } from './subject.ts'
import { WallClock } from './wall-clock.ts'

export interface OutageError {
  /** As it was made (ms), cut to restored. */
  readonly injectedMs: number
  /** Until the first client noticed: its request fell due and was not answered (ms). */
  readonly noticedMs: number
  /** How much later than its end each client's gap ended (ms); what is left is the answer's way. */
  readonly errorMs: Percentiles
  /** Longest stall of the instrument's event loop meanwhile. */
  readonly stallMs: number
}

export interface SelfTest {
  readonly node: NodeAddress
  readonly login: Login
  readonly outages: readonly number[]
  readonly clients: number
  /** Requests of each client a second. */
  readonly rate: number
}

/** The tables must be there. Each outage is measured by writers of its own. */
export async function selfTest(test: SelfTest): Promise<OutageError[]> {
  const errors: OutageError[] = []
  const link = new CuttableLink(test.node)
  await link.open()
  try {
    for (const ms of test.outages) errors.push(await oneOutage(test, link, ms))
  } finally {
    await link.close()
  }
  return errors
}

async function oneOutage(test: SelfTest, link: CuttableLink, ms: number): Promise<OutageError> {
  const { login, clients, rate } = test
  const clock = new WallClock()
  const now = () => clock.now()
  const { host, port } = link.address
  const who = `${encodeURIComponent(login.user)}:${encodeURIComponent(login.password)}`
  const url = `postgres://${who}@${host}:${port}/${encodeURIComponent(login.database)}`
  const none = { reader: 0, transaction: 0, listener: 0 }
  const plan = {
    ...DEFAULT_PLAN,
    rate,
    clients: splitClients(0, 0, { ...none, writer: clients }),
    clientTimeoutMs: ms + 30_000,
  }
  const load = new Load(plan, { writerUrl: url, readerUrl: url }, now)
  const stalls = new StallWatch(now)
  try {
    await load.connect()
    stalls.start()
    load.start()
    await sleep(2_000 / rate)
    load.clear()
    const from = now()
    link.cut()
    await sleep(ms)
    link.restore()
    const to = now()
    await sleep(3_000 / rate)
    await load.stop()
    const marks = { fault: from, promoted: undefined, ended: now() }
    const gaps = load.records(marks).map((record) => record.gaps.find((gap) => gap.to >= from))
    return {
      injectedMs: rounded(to - from),
      noticedMs: rounded(Math.min(...gaps.map((gap) => gap?.from ?? to)) - from),
      // A client that saw nothing is wrong by the whole outage.
      errorMs: percentiles(gaps.map((gap) => (gap?.to ?? from) - to)) as Percentiles,
      stallMs: rounded(stalls.longest(from, now())),
    }
  } finally {
    stalls.stop()
    await load.end()
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
