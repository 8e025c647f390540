/**
 * Words of several threads into one result. Rule: histograms are added before any percentile is taken,
 * and a slice counts as soon as all threads have told it or the storm is over.
 */
import type { OverWord, SliceWord } from './load-words.ts'
import { SLICE_MS } from './load-words.ts'
import type { Moment, SpanName, SpanResult, TargetResult } from './result.ts'
import { SPANS } from './result.ts'
import { Spans } from './spans.ts'

type Totals = Pick<
  TargetResult,
  | 'arrived'
  | 'loggedIn'
  | 'answered'
  | 'statements'
  | 'overdue'
  | 'dropped'
  | 'errors'
  | 'texts'
  | 'spans'
>

/** The whole of what the threads counted. */
export function totalsOf(words: readonly OverWord[]): Totals {
  const sum = (value: (word: OverWord) => number): number =>
    words.reduce((total, word) => total + value(word), 0)
  return {
    arrived: sum((word) => word.arrived),
    loggedIn: sum((word) => word.loggedIn),
    answered: sum((word) => word.answered),
    statements: sum((word) => word.statements),
    overdue: sum((word) => word.overdue),
    dropped: sum((word) => word.dropped),
    errors: addedCounts(words.map((word) => word.errors)),
    texts: Object.assign({}, ...words.map((word) => word.texts)),
    spans: spansOf(words),
  }
}

function spansOf(words: readonly OverWord[]): Partial<Record<SpanName, SpanResult>> {
  const found: Partial<Record<SpanName, SpanResult>> = {}
  for (const name of SPANS) {
    const merged = mergedSpans(words.map((word) => word[name]))
    const figures = merged.percentiles()
    if (figures !== undefined) found[name] = { figures, curve: merged.curve() }
  }
  return found
}

/** @param encoded histograms; empty ones are '' */
export function mergedSpans(encoded: readonly string[]): Spans {
  const all = new Spans()
  for (const text of encoded) if (text !== '') all.add(Spans.decoded(text))
  return all
}

/** The slices of all threads, in order. */
export function momentsOf(slices: readonly SliceWord[]): Moment[] {
  const bySlice = new Map<number, SliceWord[]>()
  for (const word of slices) bySlice.set(word.slice, [...(bySlice.get(word.slice) ?? []), word])
  return [...bySlice]
    .sort(([a], [b]) => a - b)
    .map(([slice, words]) => {
      const sum = (value: (word: SliceWord) => number): number =>
        words.reduce((total, word) => total + value(word), 0)
      return {
        at: (slice + 1) * SLICE_MS,
        arrived: sum((word) => word.arrived),
        loggedIn: sum((word) => word.loggedIn),
        answered: sum((word) => word.answered),
        statements: sum((word) => word.statements),
        errors: sum((word) => Object.values(word.errors).reduce((a, b) => a + b, 0)),
        open: sum((word) => word.open),
        firstReply: mergedSpans(words.map((word) => word.firstReply)).percentiles(),
        statement: mergedSpans(words.map((word) => word.statement)).percentiles(),
      }
    })
}

function addedCounts(many: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {}
  for (const counts of many) {
    for (const [key, count] of Object.entries(counts)) total[key] = (total[key] ?? 0) + count
  }
  return total
}
