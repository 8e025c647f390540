/**
 * What pgbench measures at each mode and number of clients. Rule: logins count neither in a rate,
 * nor in CPU time, nor in calls, unless they are what is measured (`connect`): a run is longer by
 * what connecting took in the warm-up, and CPU time is read while statements run.
 */
import { join } from 'node:path'
import { type Calls, type CallTool, countCalls } from './calls.ts'
import { type Latency, takeLatency } from './latency-log.ts'
import type { BenchOptions, Mode } from './options.ts'
import { type Load, runPgbench } from './pgbench.ts'
import type { Progress } from './pgbench-report.ts'
import { usageOf } from './process-usage.ts'
import type { RunningPeer } from './proxies.ts'
import { inRounds, type Rounds } from './rounds.ts'

/** One measurement. `cpuUs` is the proxy's own, user and system, per transaction. */
export interface Sample {
  readonly tps: number
  readonly latencyMs: number
  readonly latency: Latency | undefined
  readonly cpuUs: number | undefined
}

/** All rounds of one peer at one mode and number of clients. */
export interface Series extends Rounds<Sample> {
  readonly mode: Mode
  readonly clients: number
  readonly peer: string
  /** In the order of rounds, with a hole where one failed: what was measured side by side. */
  readonly byRound: readonly (Sample | undefined)[]
  /** Counted in a run of its own; undefined for `direct` or where nothing counts. */
  readonly calls: Calls | undefined
}

/** What all measurements of a run have in common. */
export interface Bench {
  readonly peers: readonly RunningPeer[]
  readonly pgbench: string
  readonly directory: string
  readonly options: BenchOptions
  readonly callTool: CallTool | undefined
  readonly progress: (sentence: string) => void
  readonly stop: AbortSignal
}

/** Of the modes that only read, one transaction in ten is logged: enough, and little work. */
const LOGGED_SHARE: Readonly<Record<Mode, number>> = {
  simple: 0.1,
  prepared: 0.1,
  extended: 0.1,
  connect: 1,
  tpcb: 1,
}

/** Measures everything asked for, saying what it does. Rejects only when `stop` aborts. */
export async function measureAll(bench: Bench): Promise<Series[]> {
  const { options, peers, progress } = bench
  const all: Series[] = []
  const runs = options.modes.length * options.clients.length * options.rounds * peers.length
  let done = 0
  for (const mode of options.modes) {
    for (const clients of options.clients) {
      const connectMs = new Map<RunningPeer, number>()
      for (const peer of peers) {
        progress(`warm-up: ${mode}, ${clients} clients, ${peer.name}`)
        connectMs.set(peer, await warmUp(bench, peer, mode, clients))
      }
      const measured = await inRounds(
        peers,
        options.rounds,
        async (peer, round) => {
          const where = `${++done}/${runs} ${mode}, ${clients} clients, round ${round + 1}, ${peer.name}`
          progress(where)
          try {
            const sample = await measure(bench, peer, mode, clients, connectMs.get(peer) ?? 0)
            progress(`${where}: ${Math.round(sample.tps)} tps`)
            return sample
          } catch (error) {
            progress(`${where}: ${(error as Error).message}`)
            throw error
          }
        },
        bench.stop,
      )
      for (const [index, peer] of peers.entries()) {
        const calls = await callsOf(bench, peer, mode, clients)
        all.push({ mode, clients, peer: peer.name, ...measured[index]!, calls })
      }
    }
  }
  return all
}

/** A second of the same load that is not counted. Returns how long its clients took to connect. */
async function warmUp(
  bench: Bench,
  peer: RunningPeer,
  mode: Mode,
  clients: number,
): Promise<number> {
  const target = peer.targetFor(mode)
  const { pgbench, stop } = bench
  try {
    const first: Load = { target, mode, clients, length: { transactions: 2 } }
    const { connectMs } = await runPgbench(pgbench, first, { stop })
    const seconds = 1 + Math.ceil(connectMs / 1_000)
    await runPgbench(pgbench, { ...first, length: { seconds } }, { stop })
    return connectMs
  } catch {
    // A failure shows in the measurement that follows.
    stop.throwIfAborted()
    return 0
  }
}

async function measure(
  bench: Bench,
  peer: RunningPeer,
  mode: Mode,
  clients: number,
  connectMs: number,
): Promise<Sample> {
  const { options, pgbench, stop } = bench
  const prefix = join(bench.directory, 'latency')
  const length = { seconds: options.seconds + Math.ceil(connectMs / 1_000) }
  const log = { prefix, share: LOGGED_SHARE[mode] }
  const cpu = cpuMeter(peer.pid)
  try {
    const report = await runPgbench(
      pgbench,
      { target: peer.targetFor(mode), mode, clients, length, log },
      { stop, onProgress: cpu.tick },
    )
    return {
      tps: report.tps,
      latencyMs: report.latencyMs,
      latency: takeLatency(prefix),
      cpuUs: cpu.perTransaction(),
    }
  } finally {
    // A run that failed leaves its log to nobody.
    takeLatency(prefix)
  }
}

/**
 * CPU time of a process between the first and the last sign of progress, for each transaction of
 * that time. Undefined without a process, or with fewer than two signs.
 */
export function cpuMeter(
  pid: number | undefined,
  cpuUsOf: (pid: number) => number | undefined = (id) => usageOf(id)?.cpuUs,
): { tick(progress: Progress): void; perTransaction(): number | undefined } {
  let since: { readonly at: number; readonly cpuUs: number } | undefined
  let cpuUs = 0
  let last = 0
  let transactions = 0
  return {
    tick({ atSeconds, tps }) {
      const now = pid === undefined ? undefined : cpuUsOf(pid)
      if (now === undefined) return
      if (since === undefined) since = { at: atSeconds, cpuUs: now }
      else transactions += tps * (atSeconds - last)
      last = atSeconds
      cpuUs = now - since.cpuUs
    },
    perTransaction: () => (transactions > 0 ? cpuUs / transactions : undefined),
  }
}

async function callsOf(
  bench: Bench,
  peer: RunningPeer,
  mode: Mode,
  clients: number,
): Promise<Calls | undefined> {
  if (peer.pid === undefined || bench.callTool === undefined) return undefined
  bench.progress(`counting calls: ${mode}, ${clients} clients, ${peer.name}`)
  try {
    const { directory, pgbench, stop } = bench
    const load = { target: peer.targetFor(mode), mode, clients }
    return await countCalls(bench.callTool, peer.pid, load, { directory, pgbench, stop })
  } catch {
    // Counting is beside the measurement; without it the columns are empty.
    bench.stop.throwIfAborted()
    return undefined
  }
}
