/**
 * The runs themselves, interleaved. Rule: within a round every peer is measured once, and each
 * round begins with another peer, so that a machine that grows warm or busy favours nobody.
 */
import type { BenchOptions, Mode, Peer } from './options.ts'
import { runPgbench } from './pgbench.ts'
import { usageOf } from './process-usage.ts'
import type { RunningPeer } from './proxies.ts'

/** One measurement. Everything but tps and latency is the proxy's own, per transaction. */
export interface Sample {
  readonly tps: number
  readonly latencyMs: number
  readonly cpuUs: number | undefined
  readonly reads: number | undefined
  readonly writes: number | undefined
}

/** All rounds of one peer at one mode and number of clients. */
export interface Series {
  readonly mode: Mode
  readonly clients: number
  readonly peer: Peer
  readonly samples: Sample[]
  /** What went wrong in rounds that have no sample. */
  readonly errors: string[]
}

/**
 * Measures everything asked for, saying what it does. Rejects only when `stop` aborts; a failed
 * run is noted in its series.
 */
export async function measureAll(
  peers: readonly RunningPeer[],
  pgbench: string,
  options: BenchOptions,
  progress: (sentence: string) => void,
  stop: AbortSignal,
): Promise<Series[]> {
  const all: Series[] = []
  const runs = options.modes.length * options.clients.length * options.rounds * peers.length
  let done = 0
  for (const mode of options.modes) {
    for (const clients of options.clients) {
      const series = peers.map(
        ({ name }): Series => ({ mode, clients, peer: name, samples: [], errors: [] }),
      )
      all.push(...series)
      for (const peer of peers) {
        progress(`warm-up: ${mode}, ${clients} clients, ${peer.name}`)
        // A failure shows in the measurement that follows.
        await runPgbench(pgbench, peer.targetFor(mode), mode, clients, 1, stop).catch(() => {})
        stop.throwIfAborted()
      }
      for (let round = 0; round < options.rounds; round++) {
        for (let turn = 0; turn < peers.length; turn++) {
          const index = (round + turn) % peers.length
          const peer = peers[index]!
          const { samples, errors } = series[index]!
          const where = `${mode}, ${clients} clients, round ${round + 1}, ${peer.name}`
          progress(`${++done}/${runs} ${where}`)
          try {
            const sample = await measure(peer, pgbench, mode, clients, options.seconds, stop)
            samples.push(sample)
            progress(`${done}/${runs} ${where}: ${Math.round(sample.tps)} tps`)
          } catch (error) {
            stop.throwIfAborted()
            errors.push((error as Error).message)
            progress(`${done}/${runs} ${where}: ${(error as Error).message}`)
          }
        }
      }
    }
  }
  return all
}

async function measure(
  peer: RunningPeer,
  pgbench: string,
  mode: Mode,
  clients: number,
  seconds: number,
  stop: AbortSignal,
): Promise<Sample> {
  const before = peer.pid === undefined ? undefined : usageOf(peer.pid)
  const report = await runPgbench(pgbench, peer.targetFor(mode), mode, clients, seconds, stop)
  const after = peer.pid === undefined ? undefined : usageOf(peer.pid)
  const each = (key: 'cpuUs' | 'reads' | 'writes'): number | undefined =>
    before === undefined || after === undefined
      ? undefined
      : (after[key] - before[key]) / report.transactions
  return {
    tps: report.tps,
    latencyMs: report.latencyMs,
    cpuUs: each('cpuUs'),
    reads: each('reads'),
    writes: each('writes'),
  }
}
