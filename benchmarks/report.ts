/**
 * From samples to what people read: a line for each mode, number of clients and peer. Rule: a
 * figure is the median of its rounds, stands beside its spread, and a cell without a measurement
 * says so; nothing is averaged over modes.
 */
import type { Verdict } from './goals.ts'
import type { LargeSample, LargeSeries } from './large.ts'
import type { Sample, Series } from './measure.ts'
import { median, spread } from './statistics.ts'

/** Medians over the rounds. */
export interface Summary {
  readonly tps: number
  readonly latencyMs: number
  readonly p50Ms: number | undefined
  readonly p99Ms: number | undefined
  readonly cpuUs: number | undefined
  readonly spread: number | undefined
}

/** Medians over the rounds; undefined when no round gave a sample. */
export function summarise(samples: readonly Sample[]): Summary | undefined {
  const of = (figure: (sample: Sample) => number | undefined): number | undefined =>
    median(samples.map(figure).filter((value) => value !== undefined))
  const tps = of((sample) => sample.tps)
  const latencyMs = of((sample) => sample.latencyMs)
  if (tps === undefined || latencyMs === undefined) return undefined
  return {
    tps,
    latencyMs,
    p50Ms: of((sample) => sample.latency?.p50Ms),
    p99Ms: of((sample) => sample.latency?.p99Ms),
    cpuUs: of((sample) => sample.cpuUs),
    spread: spread(samples.map((sample) => sample.tps)),
  }
}

const HEADINGS = [
  ...['mode', 'clients', 'through', 'tps', 'spread', '/direct', '/pgbouncer'],
  ...['cpu µs', '/pgbouncer', 'p50 ms', 'p99 ms', 'p99/p50'],
  ...['reads', 'writes', 'waits', 'k instr'],
]

/** The table; its columns are explained in benchmarks/README.md. */
export function renderTable(series: readonly Series[]): string {
  const rows: string[][] = []
  let group = ''
  for (const { mode, clients, peer, samples, calls } of series) {
    const beside = (name: string): Summary | undefined =>
      peer === name
        ? undefined
        : summarise(
            series.find((s) => s.mode === mode && s.clients === clients && s.peer === name)
              ?.samples ?? [],
          )
    const own = summarise(samples)
    const head = `${mode} ${clients}`
    // A line of air between groups, and their name only once.
    if (group !== '' && group !== head) rows.push([''])
    const named = group === head ? ['', ''] : [mode, String(clients)]
    group = head
    const { p50Ms, p99Ms } = own ?? {}
    const instructions =
      calls?.userInstructions === undefined ? undefined : calls.userInstructions / 1_000
    rows.push([
      ...named,
      peer,
      own === undefined ? 'failed' : String(Math.round(own.tps)),
      percent(own?.spread),
      ratio(own?.tps, beside('direct')?.tps),
      ratio(own?.tps, beside('pgbouncer')?.tps),
      fixed(own?.cpuUs, 1),
      ratio(own?.cpuUs, beside('pgbouncer')?.cpuUs),
      fixed(p50Ms, 2),
      fixed(p99Ms, 2),
      ratio(p99Ms, p50Ms),
      fixed(calls?.reads, 2),
      fixed(calls?.writes, 2),
      fixed(calls?.waits, 2),
      fixed(instructions, 1),
    ])
  }
  return align([HEADINGS, ...rows], 3)
}

/** The table of large results; empty when none was asked for. */
export function renderLarge(series: readonly LargeSeries[]): string {
  if (series.length === 0) return ''
  const rate = (samples: readonly LargeSample[] | undefined) =>
    median((samples ?? []).map((sample) => sample.rate))
  const rows = series.map(({ kind, peer, samples }, index) => {
    const own = rate(samples)
    const beside = (name: string) =>
      peer === name
        ? undefined
        : rate(series.find((one) => one.kind === kind && one.peer === name)?.samples)
    const cpu = samples.map((sample) => sample.cpuUs).filter((value) => value !== undefined)
    return [
      series[index - 1]?.kind === kind ? '' : kind,
      peer,
      own === undefined ? 'failed' : own.toFixed(0),
      percent(spread(samples.map((sample) => sample.rate))),
      ratio(own, beside('direct')),
      ratio(own, beside('pgbouncer')),
      fixed(median(cpu), 0),
    ]
  })
  const headings = ['large', 'through', 'MB/s', 'spread', '/direct', '/pgbouncer', 'cpu µs/MB']
  return align([headings, ...rows], 2)
}

/** The table of goals, and how many are met. */
export function renderGoals(judged: string, verdicts: readonly Verdict[]): string {
  if (verdicts.length === 0) return ''
  const rows = verdicts.map(({ what, ratio: value, range, goal, met, aim }) => [
    what,
    value === undefined ? '-' : value.toFixed(2),
    range === undefined ? '-' : `${range[0].toFixed(2)} to ${range[1].toFixed(2)}`,
    goal,
    aim ?? '',
    value === undefined ? 'not measured' : met ? 'met' : 'NOT MET',
  ])
  const met = verdicts.filter((verdict) => verdict.met).length
  const table = align([['goal', 'ratio', 'single rounds', 'bound', 'aim', ''], ...rows], 1)
  return `${table}\n\n${met} of ${verdicts.length} goals met by ${judged}`
}

/** One sentence for each kind of failure. */
export function renderErrors(
  series: readonly Series[],
  large: readonly LargeSeries[] = [],
): string[] {
  const all = [
    ...series.map((one) => ({ ...one, where: `${one.mode}, ${one.clients} clients` })),
    ...large.map((one) => ({ ...one, where: `large ${one.kind}` })),
  ]
  return all.flatMap(({ peer, where, errors }) =>
    errors.length === 0 ? [] : [`${peer}, ${where}: ${errors.length} failed runs: ${errors[0]}`],
  )
}

const fixed = (value: number | undefined, digits: number): string =>
  value === undefined ? '-' : value.toFixed(digits)
const ratio = (own: number | undefined, other: number | undefined): string =>
  own === undefined || other === undefined || other === 0 ? '-' : (own / other).toFixed(2)
const percent = (share: number | undefined): string =>
  share === undefined ? '-' : `${Math.round(share * 100)}%`

/** Pads columns: the first `names` to the right, figures to the left. */
function align(rows: readonly string[][], names: number): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i < names ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
