/**
 * The end of a storm as tables for the terminal. Rule: the same figures as in the report, under the
 * same words; what the instrument says against itself stands here too.
 */
import { countText, plural, spanText, UNKNOWN } from '../../failover/report/figures.ts'
import { COLOURS, NO_COLOURS, type Paints, printable } from '../../failover/report/terminal.ts'
import { codeWords } from '../../failover/report/words.ts'
import { errorsOf, type SpanName, type StormResult, type TargetResult } from '../result.ts'
import { cameText, cpuText, memoryText } from './figures.ts'

const MOST_CODES = 5
/** As much of a server's own words as a line bears. */
const MOST_TEXT = 90

/** @returns lines with a newline behind each */
export function summaryText(result: StormResult, options: { colour?: boolean } = {}): string {
  const paint = options.colour === true ? COLOURS : NO_COLOURS
  const { targets } = result
  const lines = ['', paint.strong(result.storm), '']
  lines.push(...table(targets.map(clientsRow), CLIENTS_HEAD, paint), '')
  lines.push(...table(targets.map(serversRow), SERVERS_HEAD, paint), '')
  lines.push(...targets.flatMap((target) => errorLines(target, paint)))
  lines.push(...targets.map(({ target, description }) => printable(`${target}: ${description}`)))
  for (const { target, instrument } of targets) {
    for (const { text } of instrument.warnings) lines.push(printable(`mind, ${target}: ${text}`))
  }
  if (result.limits.length > 0) lines.push('')
  for (const { verdict } of result.limits) lines.push(paint.strong(printable(verdict)))
  if (result.expectations.length > 0) lines.push('')
  for (const { text, target, actual, met } of result.expectations) {
    const line = printable(
      `${met ? 'met' : 'MISSED'}  ${text}  ${target}: ${cameText(text, actual)}`,
    )
    lines.push(met ? paint.good(line) : paint.bad(line))
  }
  return `${lines.join('\n')}\n`
}

const CLIENTS_HEAD = [
  '',
  'answered',
  'errors',
  'connect p50/p99',
  'login p50/p99',
  'first reply p50/p99',
  'worst',
  'amid p50/p99',
  'statement p50/p99',
  'worst',
]

function clientsRow(of: TargetResult): string[] {
  const pair = (name: SpanName): string => {
    const figures = of.spans[name]?.figures
    return figures === undefined ? UNKNOWN : `${spanText(figures.p50)} / ${spanText(figures.p99)}`
  }
  return [
    of.target,
    of.failure === undefined
      ? `${countText(of.answered)} of ${countText(of.arrived)}`
      : 'not measured',
    of.failure === undefined ? countText(errorsOf(of)) : UNKNOWN,
    pair('connect'),
    pair('authentication'),
    pair('firstReply'),
    spanText(of.spans.firstReply?.figures.max),
    pair('amid'),
    pair('statement'),
    spanText(of.spans.statement?.figures.max),
  ]
}

const SERVERS_HEAD = [
  '',
  'server connections',
  'opened',
  'others',
  'node CPU',
  'node memory',
  'proxy CPU',
  'proxy memory',
  'before',
]

function serversRow({ target, server, node, proxy }: TargetResult): string[] {
  const count = (n: number | undefined): string => (n === undefined ? UNKNOWN : countText(n))
  return [
    target,
    count(server?.peak),
    count(server?.opened),
    count(server?.otherPeak),
    cpuText(node?.cpuSeconds),
    memoryText(node?.memoryPeak),
    cpuText(proxy?.cpuSeconds),
    memoryText(proxy?.memoryPeak),
    memoryText(proxy?.memoryBefore),
  ]
}

function errorLines({ target, errors, texts, failure }: TargetResult, paint: Paints): string[] {
  if (failure !== undefined) return [paint.bad(printable(`${target}: ${failure}`)), '']
  const sorted = Object.entries(errors).sort((a, b) => b[1] - a[1])
  if (sorted.length === 0) return []
  const told = sorted.slice(0, MOST_CODES).map(([code, n]) => {
    const words = codeWords(code)
    const text = (texts[code] ?? '').slice(0, MOST_TEXT)
    const meaning = [words === '' ? '' : ` ${words}`, text === '' ? '' : `: ${text}`].join('')
    return paint.bad(printable(`  ${target}: ${countText(n)} × ${code}${meaning}`))
  })
  if (sorted.length > MOST_CODES) told.push(`  ${plural(sorted.length - MOST_CODES, 'other code')}`)
  return [...told, '']
}

/** Columns as wide as their widest cell; the first to the left, figures to the right. */
function table(
  rows: readonly (readonly string[])[],
  head: readonly string[],
  paint: Paints,
): string[] {
  const all = [head, ...rows].map((row) => row.map(printable))
  const wide = head.map((_, i) => Math.max(...all.map((row) => (row[i] ?? '').length)))
  const lines = all.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(wide[i] ?? 0) : cell.padStart(wide[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
  return [paint.soft(lines[0] ?? ''), ...lines.slice(1)]
}
