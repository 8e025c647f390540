/**
 * `--expect 'errors=0 first_reply_p99<2s'`: figures, comparisons, bounds; judged for the exit code.
 * Pure. Rule: a figure that was not measured meets no expectation, and every name is listed when an
 * unknown one is given.
 */
import type { Percentiles } from '../failover/result.ts'
import { type Expectation, errorsOf, type TargetResult } from './result.ts'

type Comparison = '<' | '<=' | '=' | '>=' | '>'

export interface Expected {
  readonly text: string
  /** Of which target; see `judge` for when none is named. */
  readonly target: string | undefined
  readonly figure: string
  readonly comparison: Comparison
  readonly bound: number
}

const SPANS: Readonly<Record<string, (of: TargetResult) => Percentiles | undefined>> = {
  connect: (of) => of.spans.connect?.figures,
  authentication: (of) => of.spans.authentication?.figures,
  first_reply: (of) => of.spans.firstReply?.figures,
  amid: (of) => of.spans.amid?.figures,
  statement: (of) => of.spans.statement?.figures,
  late: (of) => of.instrument.late,
}
const RANKS = ['p50', 'p90', 'p99', 'max'] as const

const OTHERS: Readonly<Record<string, (of: TargetResult) => number | undefined>> = {
  errors: errorsOf,
  arrived: (of) => of.arrived,
  logged_in: (of) => of.loggedIn,
  answered: (of) => of.answered,
  statements: (of) => of.statements,
  overdue: (of) => of.overdue,
  dropped: (of) => of.dropped,
  server_connections: (of) => of.server?.peak,
  server_opened: (of) => of.server?.opened,
  proxy_cpu: (of) => of.proxy && of.proxy.cpuSeconds * 1000,
  proxy_memory: (of) => of.proxy?.memoryPeak,
  node_cpu: (of) => of.node && of.node.cpuSeconds * 1000,
  node_memory: (of) => of.node?.memoryPeak,
  stall: (of) => of.instrument.longestStallMs,
}

/** Every name that may stand before the comparison. */
export const FIGURES: readonly string[] = [
  ...Object.keys(SPANS).flatMap((name) => RANKS.map((rank) => `${name}_${rank}`)),
  ...Object.keys(OTHERS),
]

const KIB = 1024
const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  ms: 1,
  s: 1000,
  m: 60_000,
  KiB: KIB,
  MiB: KIB ** 2,
  GiB: KIB ** 3,
}

/** One or several, with spaces between. Throws an Error that says what would be right. */
export function parseExpectations(text: string): Expected[] {
  return text.trim().split(/\s+/).map(parseExpectation)
}

function parseExpectation(text: string): Expected {
  const [, target, figure, comparison, value, unit = ''] =
    /^(?:([\w-]+):)?(\w+?)(<=|>=|<|>|=)(\d+(?:\.\d+)?)(\w*)$/.exec(text) ?? []
  const factor = UNITS[unit]
  if (figure === undefined || factor === undefined) {
    throw new Error(
      `"${text}" is no expectation; write e.g. errors=0, first_reply_p99<2s, weir:proxy_memory<200MiB`,
    )
  }
  if (!FIGURES.includes(figure)) {
    throw new Error(`there is no figure "${figure}"; there are ${FIGURES.join(', ')}`)
  }
  const bound = Number(value) * factor
  return { text, target, figure, comparison: comparison as Comparison, bound }
}

/**
 * Where no target is named, the one called `weir` is meant, or the first when there is none. A target
 * that is not in the run misses.
 */
export function judge(
  expected: readonly Expected[],
  targets: readonly TargetResult[],
): Expectation[] {
  const usual = targets.find(({ target }) => target === 'weir') ?? targets[0]
  return expected.map((one) => {
    const name = one.target ?? usual?.target ?? ''
    const meant = targets.find(({ target }) => target === name)
    const actual = meant === undefined ? undefined : figureOf(one.figure, meant)
    const met = actual !== undefined && compare(actual, one.comparison, one.bound)
    return { text: one.text, target: name, actual, met }
  })
}

/** Undefined when it was not measured; spans in ms, memory in bytes. */
export function figureOf(figure: string, of: TargetResult): number | undefined {
  if (of.failure !== undefined) return undefined
  const other = OTHERS[figure]
  if (other !== undefined) return other(of)
  const cut = figure.lastIndexOf('_')
  const rank = figure.slice(cut + 1) as (typeof RANKS)[number]
  return SPANS[figure.slice(0, cut)]?.(of)?.[rank]
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
