/**
 * What Weir has set itself, held against what was measured. Pure. Rule: a goal is met by medians of
 * one run; beside it stand the lowest and highest ratio of single rounds, so that luck can be seen.
 * A goal whose modes were not asked for is not listed, one without a figure is not met.
 */
import type { LargeKind, LargeSeries } from './large.ts'
import type { Series } from './measure.ts'
import type { Mode } from './options.ts'
import { median } from './statistics.ts'

export interface Verdict {
  /** `simple, 128 clients: throughput of PgBouncer's`. */
  readonly what: string
  /** The ratio of the medians; undefined when one of them was not measured. */
  readonly ratio: number | undefined
  /** The same of the rounds that both have, lowest and highest; undefined without any. */
  readonly range: readonly [number, number] | undefined
  /** `>= 1.20`. */
  readonly goal: string
  readonly met: boolean
  /** `1.50` where there is more to be had than the goal. */
  readonly aim: string | undefined
}

interface Goal {
  readonly modes: readonly Mode[]
  readonly clients: (clients: number) => boolean
  readonly figure: 'tps' | 'cpuUs'
  readonly beside: 'pgbouncer' | 'direct'
  readonly bound: Bound
}

interface Bound {
  readonly comparison: '>=' | '>' | '<='
  readonly value: number
  readonly aim?: number
}

const any = (): boolean => true
const READS: readonly Mode[] = ['simple', 'prepared']

const GOALS: readonly Goal[] = [
  {
    modes: READS,
    clients: (clients) => clients >= 32,
    figure: 'tps',
    beside: 'pgbouncer',
    bound: { comparison: '>=', value: 1.2, aim: 1.5 },
  },
  {
    modes: READS,
    clients: (clients) => clients >= 128,
    figure: 'tps',
    beside: 'direct',
    bound: { comparison: '>', value: 1 },
  },
  {
    modes: READS,
    clients: (clients) => clients === 1,
    figure: 'tps',
    beside: 'pgbouncer',
    bound: { comparison: '>=', value: 0.9 },
  },
  {
    modes: READS,
    clients: any,
    figure: 'cpuUs',
    beside: 'pgbouncer',
    bound: { comparison: '<=', value: 1.3, aim: 1 },
  },
  {
    modes: ['connect'],
    clients: any,
    figure: 'tps',
    beside: 'pgbouncer',
    bound: { comparison: '>=', value: 1.1 },
  },
  {
    modes: ['tpcb'],
    clients: any,
    figure: 'tps',
    beside: 'pgbouncer',
    bound: { comparison: '>=', value: 0.95 },
  },
]

const LARGE_BOUND: Bound = { comparison: '>=', value: 0.9 }
/** Rows into the database are no goal; they are measured for the other way. */
const LARGE_GOALS: readonly LargeKind[] = ['select', 'copy out']

const FIGURES = { tps: 'throughput', cpuUs: 'CPU time' } as const
const PEERS = { pgbouncer: 'PgBouncer', direct: 'direct' } as const

/** Every goal that the run asked about, for the row called `judged`. */
export function judgeGoals(
  judged: string,
  series: readonly Series[],
  large: readonly LargeSeries[],
): Verdict[] {
  const ours = series.filter((one) => one.peer === judged)
  const verdicts = ours.flatMap((own) =>
    GOALS.filter((goal) => goal.modes.includes(own.mode) && goal.clients(own.clients)).map(
      (goal) => {
        const other = series.find(
          (one) => one.peer === goal.beside && one.mode === own.mode && one.clients === own.clients,
        )
        const what =
          `${own.mode}, ${own.clients} ${own.clients === 1 ? 'client' : 'clients'}: ` +
          `${FIGURES[goal.figure]} beside ${PEERS[goal.beside]}`
        const pick = (one: Series | undefined) =>
          one?.byRound.map((sample) => sample?.[goal.figure])
        return verdict(what, pick(own) ?? [], pick(other) ?? [], goal.bound)
      },
    ),
  )
  const larges = large
    .filter((one) => one.peer === judged && LARGE_GOALS.includes(one.kind))
    .map((own) => {
      const other = large.find((one) => one.peer === 'pgbouncer' && one.kind === own.kind)
      const pick = (one: LargeSeries | undefined) => one?.byRound.map((sample) => sample?.rate)
      const what = `large ${own.kind}: rate beside PgBouncer`
      return verdict(what, pick(own) ?? [], pick(other) ?? [], LARGE_BOUND)
    })
  return [...verdicts, ...larges]
}

type Figures = readonly (number | undefined)[]

function verdict(what: string, own: Figures, other: Figures, bound: Bound): Verdict {
  const middle = (figures: Figures) => median(figures.filter((one) => one !== undefined))
  const [mine, theirs] = [middle(own), middle(other)]
  const ratio = mine === undefined || theirs === undefined ? undefined : mine / theirs
  const pairs = own.flatMap((one, round) => {
    const beside = other[round]
    return one === undefined || beside === undefined ? [] : [one / beside]
  })
  return {
    what,
    ratio,
    range: pairs.length === 0 ? undefined : [Math.min(...pairs), Math.max(...pairs)],
    goal: `${bound.comparison} ${bound.value.toFixed(2)}`,
    met: ratio !== undefined && holds(ratio, bound),
    aim: bound.aim?.toFixed(2),
  }
}

function holds(ratio: number, { comparison, value }: Bound): boolean {
  switch (comparison) {
    case '>=':
      return ratio >= value
    case '>':
      return ratio > value
    case '<=':
      return ratio <= value
  }
}
