/**
 * What `weir failover` says on a terminal: a line a phase, and a table at the end. Rule: progress
 * goes to standard error, the result to standard output, so that `--json` can be piped.
 */
import { percentiles } from '../bench/failover/measure.ts'
import type { Progress, Standing } from '../bench/failover/progress.ts'
import type { FailoverResult, Percentiles, SubjectSummary } from '../bench/failover/result.ts'
import { alignedTable } from './table.ts'

export function lineProgress(write = (text: string) => process.stderr.write(text)): Progress {
  let last = ''
  return {
    say: (sentence) => void write(`${sentence}\n`),
    at: ({ subject, fault, round, rounds, phase }: Standing) => {
      const line = `${fault} ${round}/${rounds} ${subject}: ${phase}`
      if (line === last) return
      last = line
      write(`${line}\n`)
    },
    ended: (round) => {
      const gap = percentiles(
        round.clients.flatMap((c) => (c.kind === 'writer' ? [c.longestGapMs] : [])),
      )
      const what =
        round.invalid ?? `write gap p99 ${spanText(gap?.p99)}, lost ${round.verdict.lost}`
      write(`${round.fault} ${round.number} ${round.subject}: ${what}\n`)
    },
  }
}

/** One row a subject and fault, and the expectations. */
export function resultTable(result: FailoverResult): string {
  const headings = [
    'fault',
    'subject',
    'rounds',
    'write gap p50',
    'p99',
    'first write p50',
    'p99',
    'read gap p99',
    'idle dropped',
    'dropped',
    'lost',
    'twice',
    'unknown',
  ]
  const rows = result.subjects.map((subject) => rowOf(subject))
  const lines = alignedTable(headings, rows)
  for (const { text, subject, fault, actual, met } of result.expectations) {
    lines.push(`${met ? 'met' : 'NOT MET'}: ${text} (${subject}, ${fault}: ${actual ?? 'unknown'})`)
  }
  return `${lines.join('\n')}\n`
}

function rowOf(of: SubjectSummary): { text: string; right?: boolean }[] {
  const { droppedByKind: dropped, verdict } = of
  const total = Object.values(dropped).reduce((sum, count) => sum + count, 0)
  const span = (all: Percentiles | undefined, rank: 'p50' | 'p99') => spanText(all?.[rank])
  const figures = [
    of.invalid === 0 ? `${of.rounds}` : `${of.rounds} (+${of.invalid} not counted)`,
    span(of.writeGap, 'p50'),
    span(of.writeGap, 'p99'),
    span(of.firstWrite, 'p50'),
    span(of.firstWrite, 'p99'),
    span(of.readGap, 'p99'),
    String(dropped.idle),
    String(total - dropped.idle),
    String(verdict.lost),
    String(verdict.duplicates),
    String(verdict.unknown),
  ]
  return [
    { text: of.fault },
    { text: of.subject },
    ...figures.map((text) => ({ text, right: true })),
  ]
}

function spanText(ms: number | undefined): string {
  if (ms === undefined) return '-'
  return ms < 100 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`
}
