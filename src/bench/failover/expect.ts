/**
 * `--expect 'gap_p99<1s'`: a figure, a comparison, a bound; judged for the exit code. Pure. Rule: a
 * figure that was not measured does not meet any expectation, and every name is listed when an
 * unknown one is given.
 */
import type { Expectation, Percentiles, SubjectSummary } from './result.ts'

type Comparison = '<' | '<=' | '=' | '>=' | '>'

export interface Expected {
  readonly text: string
  /** Of which subject; the first of the run when none is named. */
  readonly subject: string | undefined
  readonly figure: string
  readonly comparison: Comparison
  readonly bound: number
}

const SPANS: Readonly<Record<string, (of: SubjectSummary) => Percentiles | undefined>> = {
  gap: (of) => of.writeGap,
  read_gap: (of) => of.readGap,
  transaction_gap: (of) => of.transactionGap,
  first_write: (of) => of.firstWrite,
  every_write: (of) => of.everyWrite,
  outage: (of) => of.outage,
  own_write: (of) => of.ownWrite,
  stall: (of) => of.stall,
}
const RANKS = ['p50', 'p90', 'p99', 'max'] as const

const COUNTS: Readonly<Record<string, (of: SubjectSummary) => number>> = {
  lost: (of) => of.verdict.lost,
  duplicates: (of) => of.verdict.duplicates,
  contradicted: (of) => of.verdict.contradicted,
  unknown: (of) => of.verdict.unknown,
  acknowledged: (of) => of.verdict.acknowledged,
  notifications_lost: (of) => of.verdict.notificationsLost,
  notifications_twice: (of) => of.verdict.notificationsTwice,
  idle_dropped: (of) => of.droppedByKind.idle,
  dropped: (of) => Object.values(of.droppedByKind).reduce((sum, count) => sum + count, 0),
  errors: (of) => Object.values(of.errors).reduce((sum, count) => sum + count, 0),
  invalid: (of) => of.invalid,
  rounds: (of) => of.rounds,
}

/** Every name that may stand before the comparison. */
export const FIGURES: readonly string[] = [
  ...Object.keys(SPANS).flatMap((name) => RANKS.map((rank) => `${name}_${rank}`)),
  ...Object.keys(COUNTS),
]

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, '': 1 }

/** `[subject:]figure<bound`; throws an Error that says what would be right. */
export function parseExpectation(text: string): Expected {
  const [, subject, figure, comparison, value, unit] =
    /^\s*(?:([\w-]+):)?\s*(\w+)\s*(<=|>=|<|>|=)\s*(\d+(?:\.\d+)?)\s*(ms|s|m|)\s*$/.exec(text) ?? []
  if (figure === undefined || value === undefined || unit === undefined) {
    throw new Error(
      `"${text}" is no expectation; write e.g. gap_p99<1s, lost=0, weir:outage_p50<500ms`,
    )
  }
  if (!FIGURES.includes(figure)) {
    throw new Error(`there is no figure "${figure}"; there are ${FIGURES.join(', ')}`)
  }
  const bound = Number(value) * (UNITS[unit] as number)
  return { text: text.trim(), subject, figure, comparison: comparison as Comparison, bound }
}

/** One verdict for each fault of the subject meant. */
export function judgeExpectations(
  expected: readonly Expected[],
  summaries: readonly SubjectSummary[],
): Expectation[] {
  return expected.flatMap((one) => {
    const subject = one.subject ?? summaries[0]?.subject ?? ''
    const mine = summaries.filter((summary) => summary.subject === subject)
    return mine.map((summary) => {
      const actual = figureOf(one.figure, summary)
      const met = actual !== undefined && compare(actual, one.comparison, one.bound)
      return { text: one.text, subject, fault: summary.fault, actual, met }
    })
  })
}

/** Undefined when it was not measured; counts of a subject without a valid round are not. */
export function figureOf(figure: string, summary: SubjectSummary): number | undefined {
  const count = COUNTS[figure]
  if (count !== undefined) {
    const always = figure === 'invalid' || figure === 'rounds'
    return always || summary.rounds > 0 ? count(summary) : undefined
  }
  const cut = figure.lastIndexOf('_')
  const rank = figure.slice(cut + 1) as (typeof RANKS)[number]
  return SPANS[figure.slice(0, cut)]?.(summary)?.[rank]
}

function compare(actual: number, comparison: Comparison, bound: number): boolean {
  switch (comparison) {
    case '<':
      return actual < bound
    case '<=':
      return actual <= bound
    case '=':
      return actual === bound
    case '>=':
      return actual >= bound
    case '>':
      return actual > bound
  }
}
