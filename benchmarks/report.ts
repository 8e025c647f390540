/**
 * From samples to what people read. Rule: a figure is the median of its rounds, stands beside its
 * spread, and a cell without a measurement says so; nothing is averaged over modes.
 */

import type { Sample, Series } from './measure.ts'
import type { Peer } from './options.ts'

export interface Summary {
  readonly tps: number
  readonly latencyMs: number
  readonly cpuUs: number | undefined
  readonly reads: number | undefined
  readonly writes: number | undefined
  /** Fastest minus slowest round as a share of the median, 0.1 is ten percent; needs two rounds. */
  readonly spread: number | undefined
}

/** The middle value, or the mean of the two in the middle; undefined of nothing. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  if (sorted.length === 0) return undefined
  if (!Number.isInteger(middle)) return sorted[Math.floor(middle)]
  return (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Medians over the rounds; undefined when no round gave a sample. */
export function summarise(samples: readonly Sample[]): Summary | undefined {
  const of = (key: keyof Sample): number | undefined =>
    median(samples.map((sample) => sample[key]).filter((value) => value !== undefined))
  const tps = of('tps')
  const latencyMs = of('latencyMs')
  if (tps === undefined || latencyMs === undefined) return undefined
  const all = samples.map((sample) => sample.tps)
  return {
    tps,
    latencyMs,
    cpuUs: of('cpuUs'),
    reads: of('reads'),
    writes: of('writes'),
    spread: all.length < 2 ? undefined : (Math.max(...all) - Math.min(...all)) / tps,
  }
}

/** The table: one line for each mode and number of clients, the peers side by side. */
export function renderTable(series: readonly Series[], peers: readonly Peer[]): string {
  const rows = [headings(peers), units(peers)]
  for (const { mode, clients } of series.filter((one) => one.peer === peers[0])) {
    const find = (peer: Peer): Summary | undefined =>
      summarise(
        series.find((s) => s.mode === mode && s.clients === clients && s.peer === peer)?.samples ??
          [],
      )
    const row = [mode, String(clients)]
    for (const peer of peers) row.push(...cells(peer, peers, find))
    rows.push(row)
  }
  return align(rows)
}

/** The peers that `peer` is divided by, of those that take part. */
const bases = (peer: Peer, peers: readonly Peer[]): Peer[] =>
  peers.slice(0, peers.indexOf(peer)).filter((base) => base === 'direct' || peer === 'weir')

function headings(peers: readonly Peer[]): string[] {
  return [
    '',
    '',
    ...peers.flatMap((peer) => [
      peer,
      '',
      ...bases(peer, peers).map(() => ''),
      ...proxyOnly(peer, ''),
    ]),
  ]
}

function units(peers: readonly Peer[]): string[] {
  return [
    'mode',
    'clients',
    ...peers.flatMap((peer) => [
      'tps',
      'spread',
      ...bases(peer, peers).map((base) => `/${base}`),
      ...proxyOnly(peer, 'cpu µs'),
    ]),
  ]
}

const proxyOnly = (peer: Peer, text: string): string[] => (peer === 'direct' ? [] : [text])

function cells(
  peer: Peer,
  peers: readonly Peer[],
  find: (peer: Peer) => Summary | undefined,
): string[] {
  const own = find(peer)
  if (own === undefined) {
    return ['failed', '-', ...bases(peer, peers).map(() => '-'), ...proxyOnly(peer, '-')]
  }
  return [
    String(Math.round(own.tps)),
    own.spread === undefined ? '-' : `${Math.round(own.spread * 100)}%`,
    ...bases(peer, peers).map((base) => {
      const other = find(base)
      return other === undefined ? '-' : (own.tps / other.tps).toFixed(2)
    }),
    ...proxyOnly(peer, own.cpuUs === undefined ? '-' : own.cpuUs.toFixed(1)),
  ]
}

/** Pads columns: the first to the right, figures to the left. */
function align(rows: readonly string[][]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Read and write calls for each query, where a proxy makes calls that the kernel counts so. */
export function renderCalls(series: readonly Series[]): string[] {
  return series.flatMap(({ mode, clients, peer, samples }) => {
    const summary = summarise(samples)
    if (peer !== 'weir' || summary?.reads === undefined || summary.writes === undefined) return []
    const figures = `${summary.reads.toFixed(2)} reads, ${summary.writes.toFixed(2)} writes`
    return [`${mode.padEnd(8)} ${String(clients).padStart(4)} clients: ${figures} a query`]
  })
}

/** One sentence for each kind of failure. */
export function renderErrors(series: readonly Series[]): string[] {
  return series.flatMap(({ mode, clients, peer, errors }) =>
    errors.length === 0
      ? []
      : [`${peer}, ${mode}, ${clients} clients: ${errors.length} failed runs: ${errors[0]}`],
  )
}
