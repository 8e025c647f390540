/**
 * The end of a run as a table for the terminal: a block for each fault, a line for each subject, what
 * was expected beneath. Rule: the same figures as in the report, under the same words.
 */
import type { FailoverResult, Percentiles, SubjectSummary } from '../result.ts'
import { actualText, countText, plural, spanText, UNKNOWN } from './figures.ts'
import { crowdText } from './headline.ts'
import { COLOURS, NO_COLOURS, type Paints, printable } from './terminal.ts'
import { errorCount, type FaultView, faultViews, subjectNames } from './view.ts'
import { codeWords, FAULT_WORDS } from './words.ts'

const MOST_CODES = 4

/** @returns lines with a newline behind each */
export function summaryText(result: FailoverResult, options: { colour?: boolean } = {}): string {
  const paint = options.colour === true ? COLOURS : NO_COLOURS
  const views = faultViews(result)
  const lines = views.flatMap((view) => block(view, paint))
  lines.push(...who(result), ...expected(result, paint))
  return `${lines.join('\n')}\n`
}

function block(view: FaultView, paint: Paints): string[] {
  const { fault, subjects } = view
  const title = `${FAULT_WORDS[fault].title} (${crowdText(view)})`
  const headings = ['', 'rounds', 'write gap p50/p99', 'read p99', 'promoted→write p50/p99']
  headings.push('idle dropped', 'errors', 'lost', 'twice')
  const rows = subjects.map(({ summary: s, rounds }) => [
    s.subject,
    s.invalid > 0 ? `${rounds.length} (${s.invalid} void)` : String(rounds.length),
    pair(s.writeGap),
    spanText(s.readGap?.p99),
    pair(s.firstWrite),
    ...[s.droppedByKind.idle, errorCount(s), s.verdict.lost, s.verdict.duplicates].map((n) =>
      rounds.length === 0 ? UNKNOWN : countText(n),
    ),
  ])
  const [head = '', ...body] = aligned([headings, ...rows])
  const coloured = body.map((line, i) => {
    const summary = subjects[i]?.summary
    return summary !== undefined && isBad(summary) ? paint.bad(line) : line
  })
  return ['', paint.strong(title), paint.soft(head), ...coloured, ...codes(view), '']
}

/** The commonest errors of each subject, in words. */
function codes({ subjects }: FaultView): string[] {
  return subjects.flatMap(({ summary: { subject, errors } }) => {
    const sorted = Object.entries(errors).sort((a, b) => b[1] - a[1])
    if (sorted.length === 0) return []
    const told = sorted.slice(0, MOST_CODES).map(([code, n]) => {
      const words = codeWords(code)
      return `${countText(n)} × ${code}${words === '' ? '' : ` (${words})`}`
    })
    const more =
      sorted.length > MOST_CODES ? `, ${plural(sorted.length - MOST_CODES, 'other code')}` : ''
    return [printable(`  ${subject}: ${told.join(', ')}${more}`)]
  })
}

const isBad = ({ verdict }: SubjectSummary): boolean =>
  verdict.lost + verdict.duplicates + verdict.contradicted > 0

function who(result: FailoverResult): string[] {
  return subjectNames(result).map((name) => {
    const found = result.subjects.find(({ subject }) => subject === name)
    return printable(`${name}: ${found?.description ?? ''}`)
  })
}

function expected(result: FailoverResult, paint: Paints): string[] {
  if (result.expectations.length === 0) return []
  const lines = result.expectations.map(({ text, subject, fault, actual, met }) => {
    const came = actualText(text, actual)
    const line = printable(`${met ? 'met' : 'MISSED'}  ${text}  ${subject}, ${fault}: ${came}`)
    return met ? paint.good(line) : paint.bad(line)
  })
  return ['', ...lines]
}

function pair(values: Percentiles | undefined): string {
  return values === undefined ? UNKNOWN : `${spanText(values.p50)} / ${spanText(values.p99)}`
}

/** Columns as wide as their widest cell; the first to the left, figures to the right. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const wide = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)))
  return rows.map((row) =>
    row
      .map((cell, i) => {
        const text = printable(cell)
        return i === 0 ? text.padEnd(wide[i] ?? 0) : text.padStart(wide[i] ?? 0)
      })
      .join('  ')
      .trimEnd(),
  )
}
