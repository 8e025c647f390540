/**
 * The tables of the report: subjects side by side, the judgement of the sequence table, what was
 * expected, and the facts of the run. Rule: every figure of the summary stands in one of them, so
 * that nothing can only be read off a picture.
 */
import {
  CLIENT_KINDS,
  type Expectation,
  type FailoverResult,
  MILESTONES,
  type Percentiles,
  type SubjectSummary,
} from '../result.ts'
import { actualText, countText, lastedText, momentText, spanText, UNKNOWN } from './figures.ts'
import { html, type Markup, type Piece } from './markup.ts'
import { errorCount, type FaultView, type SubjectView } from './view.ts'
import { FAULT_WORDS, KIND_WORDS, MEANINGS, MILESTONE_WORDS } from './words.ts'

/**
 * Headings and rows; all columns but the first `words` are numbers.
 * @param lead the first row is of the subject that the run is about
 */
function table(
  headings: readonly Piece[],
  rows: readonly (readonly Piece[])[],
  lead = rows.length > 1,
  words = 1,
): Markup {
  const head = headings.map((text, i) => html`<th${i >= words && html` class="n"`}>${text}</th>`)
  const body = rows.map(
    (cells, row) =>
      html`<tr${row === 0 && lead && html` class="first"`}>${cells.map((cell, i) => html`<td${i >= words && html` class="n"`}>${cell}</td>`)}</tr>`,
  )
  return html`<div class="wide"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`
}

const pair = (values: Percentiles | undefined): string =>
  values === undefined ? UNKNOWN : `${spanText(values.p50)} / ${spanText(values.p99)}`

const columnOf = (name: string): Markup => html`${name}<br>p50 / p99`

/** The figures of each subject, one a row. */
export function comparisonTable({ subjects }: FaultView): Markup {
  return table(
    [
      '',
      'rounds',
      columnOf('write gap'),
      columnOf('read gap'),
      columnOf('promotion to first write'),
      columnOf('outage'),
      'idle dropped',
      'errors',
      'lost',
      'twice',
    ],
    subjects.map(({ summary: s, rounds }) => [
      s.subject,
      s.invalid > 0 ? `${rounds.length} (+${s.invalid} void)` : countText(rounds.length),
      pair(s.writeGap),
      pair(s.readGap),
      pair(s.firstWrite),
      pair(s.outage),
      ...counts(s, rounds.length),
    ]),
  )
}

/** What was counted in so many rounds: idle dropped, errors, lost, twice. Nothing is known of none. */
function counts(s: SubjectSummary, rounds: number): (Markup | string)[] {
  if (rounds === 0) return [UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN]
  const { lost, duplicates } = s.verdict
  const errors = countText(errorCount(s))
  return [counted(s.droppedByKind.idle), errors, counted(lost), counted(duplicates)]
}

/** A count that should be zero. */
function counted(n: number): Markup {
  return n === 0
    ? html`<span class="good">0</span>`
    : html`<span class="bad">${countText(n)}</span>`
}

export function verdictTable({ subjects }: FaultView): Markup {
  return table(
    [
      '',
      'acknowledged',
      'lost',
      'duplicates',
      'unknown',
      'of these there',
      'contradicted',
      'notifications lost',
      'notifications twice',
    ],
    subjects.map(({ summary: { subject, verdict: v } }) => [
      subject,
      countText(v.acknowledged),
      counted(v.lost),
      counted(v.duplicates),
      countText(v.unknown),
      countText(v.unknownThere),
      counted(v.contradicted),
      countText(v.notificationsLost),
      countText(v.notificationsTwice),
    ]),
  )
}

export function droppedTable({ subjects }: FaultView): Markup {
  return table(
    ['connections that broke', ...CLIENT_KINDS.map((kind) => KIND_WORDS[kind].many)],
    subjects.map(({ summary }) => [
      summary.subject,
      ...CLIENT_KINDS.map((kind) => countText(summary.droppedByKind[kind])),
    ]),
  )
}

/** Each span between neighbouring milestones; undefined for a subject that knows none. */
export function arrowsTable({ summary }: SubjectView): Markup | undefined {
  const arrows = Object.entries(summary.arrows).sort(([a], [b]) => placeOf(a) - placeOf(b))
  if (arrows.length === 0) return undefined
  const backwards = arrows.some(([, values]) => values.p50 < 0)
  const drawn = table(
    ['stretch', 'rounds', 'p50', 'p90', 'p99', 'worst'],
    arrows.map(([arrow, v]) => [
      arrow.split('→').map(labelOf).join(' → '),
      countText(v.n),
      ...[v.p50, v.p90, v.p99, v.max].map(spanText),
    ]),
    false,
  )
  return html`${drawn}${backwards && html`<p class="soft">A negative time: these two happened the other way round.</p>`}`
}

const wordOf = (arrow: string) => MILESTONES.find((name) => arrow.split('→')[0] === name)

function placeOf(arrow: string): number {
  const word = wordOf(arrow)
  return word === undefined ? MILESTONES.length : MILESTONES.indexOf(word)
}

function labelOf(name: string): string {
  const word = wordOf(name)
  return word === undefined ? name : MILESTONE_WORDS[word].label
}

/** What was expected of the run, each with what came of it. */
export function expectations(list: readonly Expectation[], faults: number): Markup {
  if (list.length === 0) return html``
  return html`<ul class="verdicts">${list.map(({ text, subject, fault, actual, met }) => {
    const where = faults > 1 ? `, ${FAULT_WORDS[fault].title.toLowerCase()}` : ''
    const came = actualText(text, actual)
    return html`<li class="${met ? 'met' : 'missed'}">${met ? '✓' : '✗'} ${text} <span>(${subject}${where}: ${came})</span></li>`
  })}</ul>`
}

/** All faults and subjects at a glance, for a run with several faults. */
export function overviewTable(views: readonly FaultView[]): Markup {
  return table(
    [
      '',
      '',
      columnOf('write gap'),
      columnOf('read gap'),
      columnOf('promotion to first write'),
      'idle dropped',
      'errors',
      'lost',
      'twice',
    ],
    views.flatMap(({ fault, subjects }) =>
      subjects.map(({ summary: s, rounds }, i) => [
        i === 0 ? FAULT_WORDS[fault].title : '',
        s.subject,
        pair(s.writeGap),
        pair(s.readGap),
        pair(s.firstWrite),
        ...counts(s, rounds.length),
      ]),
    ),
    false,
    2,
  )
}

/** Settings, machine and the command, so that somebody else can run it again. */
export function facts(result: FailoverResult): Markup {
  const pairs = (entries: Readonly<Record<string, string | number | boolean>>): Piece =>
    Object.entries(entries).map(([name, value]) => html`<dt>${name}</dt><dd>${said(value)}</dd>`)
  return html`<pre><code>${result.command}</code></pre><h3>Settings</h3><dl class="pairs">${pairs(result.settings)}</dl><h3>Machine</h3><dl class="pairs">${pairs(result.machine)}<dt>began</dt><dd>${momentText(result.began)}</dd><dt>lasted</dt><dd>${lastedText(result.ended - result.began)}</dd></dl>`
}

function said(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return String(value)
}

export function meanings(): Markup {
  const words = MILESTONES.map(
    (name) => html`<dt>${MILESTONE_WORDS[name].label}</dt><dd>${MILESTONE_WORDS[name].what}</dd>`,
  )
  return html`<dl class="pairs">${MEANINGS.map(([name, text]) => html`<dt>${name}</dt><dd>${text}</dd>`)}</dl><h3>The eight words of a failover</h3><dl class="pairs">${words}</dl>`
}
