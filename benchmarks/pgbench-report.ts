/**
 * What pgbench prints, read. Rule: a run that failed a transaction or printed no figure is an
 * error, never a slow result.
 */

export interface PgbenchReport {
  readonly transactions: number
  /** Transactions per second: without the first connections, but with every one of `-C`. */
  readonly tps: number
  readonly latencyMs: number
  /** How long all clients took to connect before the clock of tps ran; 0 where it is not told. */
  readonly connectMs: number
}

/** A line of `--progress`: the second it was printed at, and the rate since the one before. */
export interface Progress {
  readonly atSeconds: number
  readonly tps: number
}

/** Reads the report pgbench 11 to 18 prints. Throws when it is not a whole and clean one. */
export function parsePgbench(output: string): PgbenchReport {
  const figure = (pattern: RegExp, what: string): number => {
    const value = Number(pattern.exec(output)?.[1])
    if (Number.isFinite(value)) return value
    throw new Error(`pgbench printed no ${what}: ${lastLine(output)}`)
  }
  const failed = Number(/^number of failed transactions: (\d+)/m.exec(output)?.[1] ?? 0)
  if (failed > 0) throw new Error(`pgbench counted ${failed} failed transactions`)
  const transactions = figure(/^number of transactions actually processed: (\d+)/m, 'transactions')
  if (transactions === 0) {
    // Its clock runs while its clients connect, one login after the other in each thread.
    throw new Error('pgbench completed no transaction while it connected; try more --seconds')
  }
  return {
    transactions,
    // Before version 14 two lines say tps; the last leaves out what connecting took. With -C that
    // is what is being measured, so there the line that includes it counts, as it does since.
    tps: figure(
      /^is -C$/m.test(output) || /including reconnection/.test(output)
        ? /^tps = ([\d.]+) \(including/m
        : /^tps = ([\d.]+) \((?:without initial connection time|excluding)/m,
      'tps',
    ),
    latencyMs: figure(/^latency average = ([\d.]+) ms/m, 'latency'),
    connectMs: Number(/^initial connection time = ([\d.]+) ms/m.exec(output)?.[1] ?? 0),
  }
}

/** Reads one line of the error stream; undefined when it tells no progress. */
export function parseProgress(line: string): Progress | undefined {
  const [, at, tps] = /^progress: ([\d.]+) s, ([\d.]+) tps/.exec(line) ?? []
  if (at === undefined || tps === undefined) return undefined
  return { atSeconds: Number(at), tps: Number(tps) }
}

/** The line that says what went wrong, out of all that was printed on the error stream. */
export function complaint(text: string): string {
  const said = lines(text).filter((line) => parseProgress(line) === undefined)
  return said.find((line) => /error|fatal/i.test(line)) ?? said[0] ?? ''
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line.trim() !== '')
const lastLine = (text: string): string => lines(text).at(-1) ?? 'nothing at all'
