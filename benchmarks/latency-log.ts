/**
 * The log pgbench writes with --log: a line for each transaction (or a sample of them). Rule:
 * percentiles come from single transactions of a whole run, never from averages or other
 * percentiles.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

export interface Latency {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly maxMs: number
  /** Transactions the percentiles are taken from. */
  readonly transactions: number
}

/** Reads and removes the logs that begin with `prefix`; undefined when they hold nothing. */
export function takeLatency(prefix: string): Latency | undefined {
  const folder = dirname(prefix)
  const files = readdirSync(folder).filter((name) => name.startsWith(`${basename(prefix)}.`))
  const texts = files.map((name) => {
    const file = join(folder, name)
    const text = readFileSync(file, 'utf8')
    rmSync(file)
    return text
  })
  return latencyOf(texts.flatMap(parseLog))
}

/** Microseconds of each transaction: the third word of a line; failed ones have no number there. */
export function parseLog(text: string): number[] {
  const times: number[] = []
  for (const line of text.split('\n')) {
    const word = line.split(' ', 3)[2]
    const time = word === undefined ? Number.NaN : Number(word)
    if (Number.isFinite(time)) times.push(time)
  }
  return times
}

/** Percentiles by nearest rank, in milliseconds; undefined of nothing. */
export function latencyOf(micros: readonly number[]): Latency | undefined {
  if (micros.length === 0) return undefined
  const sorted = Float64Array.from(micros).sort()
  const rank = (share: number): number =>
    sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]! / 1_000
  return {
    p50Ms: rank(0.5),
    p99Ms: rank(0.99),
    p999Ms: rank(0.999),
    maxMs: rank(1),
    transactions: sorted.length,
  }
}
