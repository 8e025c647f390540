/**
 * From values to percentiles and from rounds to one summary a subject. Pure. Rule: nearest rank, no
 * interpolation, so every figure is one that was measured; rounds in which the instrument failed
 * are counted and left out.
 */
import {
  CLIENT_KINDS,
  type ClientKind,
  type ClientRecord,
  type Fault,
  MILESTONES,
  type Percentiles,
  type Round,
  type SubjectSummary,
  type Verdict,
} from './result.ts'

/** Undefined for no values. */
export function percentiles(values: readonly number[]): Percentiles | undefined {
  if (values.length === 0) return undefined
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number): number => {
    const rank = Math.max(1, Math.ceil(share * sorted.length))
    return rounded(sorted[rank - 1] as number)
  }
  return { n: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) }
}

/** To a microsecond; more digits were not measured. */
export const rounded = (ms: number): number => Math.round(ms * 1000) / 1000

/** All rounds of one subject with one fault. */
export function summarise(
  subject: string,
  fault: Fault,
  description: string,
  all: readonly Round[],
): SubjectSummary {
  const mine = all.filter((round) => round.subject === subject && round.fault === fault)
  const rounds = mine.filter((round) => round.invalid === undefined)
  const clients = rounds.flatMap((round) => round.clients)
  const gapsOf = (...kinds: ClientKind[]) =>
    percentiles(clients.filter(({ kind }) => kinds.includes(kind)).map((c) => c.longestGapMs))
  return {
    subject,
    fault,
    description,
    rounds: rounds.length,
    invalid: mine.length - rounds.length,
    writeGap: gapsOf('writer'),
    readGap: percentiles(readGapsOf(rounds)),
    transactionGap: gapsOf('transaction'),
    firstWrite: percentiles(rounds.flatMap((round) => defined(firstWriteOf(round.clients)))),
    everyWrite: percentiles(
      clients.flatMap((c) => (c.kind === 'writer' ? defined(c.afterPromotionMs) : [])),
    ),
    outage: percentiles(rounds.flatMap((round) => defined(outageOf(round)))),
    arrows: arrowsOf(rounds),
    errors: countsOf(clients.map((client) => client.errors)),
    droppedByKind: Object.fromEntries(
      CLIENT_KINDS.map((kind) => [kind, sum(clients, (c) => (c.kind === kind ? c.dropped : 0))]),
    ) as Record<ClientKind, number>,
    verdict: addedVerdicts(rounds.map((round) => round.verdict)),
    ownWrite: percentiles(rounds.flatMap((round) => defined(round.instrument.ownWriteMs))),
    stall: percentiles(mine.flatMap((round) => defined(round.instrument.longestStallMs))),
  }
}

/** From the promotion to the first good write of any writing client. */
export function firstWriteOf(clients: readonly ClientRecord[]): number | undefined {
  const values = clients.flatMap((c) => (c.kind === 'writer' ? defined(c.afterPromotionMs) : []))
  return values.length === 0 ? undefined : Math.min(...values)
}

/** Of the rounds in which the instrument did not stand in the readers' way. */
function readGapsOf(rounds: readonly Round[]): number[] {
  return rounds
    .filter(({ instrument }) => !instrument.readsBlurred)
    .flatMap(({ clients }) => clients.filter(({ kind }) => kind === 'reader'))
    .map(({ longestGapMs }) => longestGapMs)
}

function outageOf(round: Round): number | undefined {
  const { fault, 'first-reply': reply } = round.timeline
  return fault === undefined || reply === undefined ? undefined : reply - fault
}

/** Spans between milestones that follow each other among those a round knows. */
function arrowsOf(rounds: readonly Round[]): Record<string, Percentiles> {
  const spans = new Map<string, number[]>()
  for (const { timeline } of rounds) {
    const known = MILESTONES.filter((name) => timeline[name] !== undefined)
    for (const [i, name] of known.entries()) {
      const next = known[i + 1]
      if (next === undefined) break
      const arrow = `${name}→${next}`
      const span = (timeline[next] as number) - (timeline[name] as number)
      spans.set(arrow, [...(spans.get(arrow) ?? []), span])
    }
  }
  const entries = [...spans].map(([arrow, values]) => [arrow, percentiles(values)])
  return Object.fromEntries(entries)
}

export function countsOf(
  many: readonly Readonly<Record<string, number>>[],
): Record<string, number> {
  const total: Record<string, number> = {}
  for (const counts of many) {
    for (const [key, count] of Object.entries(counts)) total[key] = (total[key] ?? 0) + count
  }
  return total
}

export const NOTHING_JUDGED: Verdict = {
  acknowledged: 0,
  lost: 0,
  duplicates: 0,
  unknown: 0,
  unknownThere: 0,
  contradicted: 0,
  notificationsLost: 0,
  notificationsTwice: 0,
}

function addedVerdicts(verdicts: readonly Verdict[]): Verdict {
  const keys = Object.keys(NOTHING_JUDGED) as (keyof Verdict)[]
  return Object.fromEntries(keys.map((key) => [key, sum(verdicts, (v) => v[key])])) as never
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0)
}

const defined = <T>(value: T | undefined): T[] => (value === undefined ? [] : [value])
