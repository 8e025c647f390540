/**
 * A run as it goes on, in a terminal: one line that is rewritten, and one that stays for each round.
 * Where nobody watches (a file, a build machine) only the lines that stay. Rule: it is called ten
 * times a second under load, so it writes only when what is seen has changed.
 */
import type { Progress, Standing } from '../progress.ts'
import type { Round } from '../result.ts'
import { plural, spanText } from './figures.ts'
import { worstGap } from './view.ts'

export interface Terminal {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

export interface TerminalOptions {
  /** Default: what the terminal says of itself. */
  readonly live?: boolean
  readonly colour?: boolean
}

const BAR = 20
/** To the first column, and clear to the end. */
const HOME = '\r\x1b[K'

/** @param out standard error, so that standard output stays for what programs read */
export function terminalProgress(out: Terminal, options: TerminalOptions = {}): Progress {
  const live = options.live ?? out.isTTY === true
  const paint = options.colour === true ? COLOURS : NO_COLOURS
  let shown = ''
  /** A line that stays; the live one is drawn again beneath it. */
  const stay = (line: string): void => {
    out.write(live && shown !== '' ? `${HOME}${line}\n${shown}` : `${line}\n`)
  }
  return {
    at: (standing) => {
      if (!live) return
      const line = standingLine(standing, (out.columns ?? 80) - 1)
      if (line === shown) return
      shown = line
      out.write(`${HOME}${line}`)
    },
    ended: (round) => {
      const line = roundLine(round)
      const bad = round.invalid !== undefined || round.verdict.lost + round.verdict.duplicates > 0
      if (live && shown !== '') out.write(HOME)
      shown = ''
      out.write(`${bad ? paint.bad(line) : line}\n`)
    },
    say: (sentence) => stay(paint.soft(printable(sentence))),
  }
}

/** `kill 3/10 weir     after     [==========..........] 40 of 80 answering`, cut to the width. */
export function standingLine(standing: Standing, width: number): string {
  const { subject, fault, round, rounds, phase, answering, clients } = standing
  const filled = clients === 0 ? 0 : Math.round((BAR * answering) / clients)
  const bar = `[${'='.repeat(filled)}${'.'.repeat(BAR - filled)}]`
  const crowd = clients === 0 ? '' : ` ${bar} ${answering} of ${clients} answering`
  const line = `${fault} ${round}/${rounds} ${subject.padEnd(10)} ${phase.padEnd(12)}${crowd}`
  return printable(line).trimEnd().slice(0, Math.max(10, width))
}

/** What came of a round, in one line. */
export function roundLine(round: Round): string {
  const head = `${round.fault} ${String(round.number).padStart(2)} ${round.subject.padEnd(10)}`
  if (round.invalid !== undefined) return printable(`${head} void: ${round.invalid}`)
  const { clients, verdict, timeline } = round
  const errors = clients.reduce((sum, c) => sum + total(c.errors), 0)
  const dropped = clients.filter((client) => client.dropped > 0).length
  const { fault, 'first-reply': reply } = timeline
  const outage = fault === undefined || reply === undefined ? undefined : reply - fault
  const parts = [
    `gap ${spanText(worstGap(round)).padStart(7)}`,
    `outage ${spanText(outage).padStart(7)}`,
    `errors ${String(errors).padStart(4)}`,
    `dropped ${String(dropped).padStart(4)}`,
  ]
  if (verdict.lost > 0) parts.push(`${plural(verdict.lost, 'write')} LOST`)
  if (verdict.duplicates > 0) parts.push(`${plural(verdict.duplicates, 'duplicate')}`)
  return printable(`${head} ${parts.join('  ')}`)
}

const total = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, n) => sum + n, 0)

export interface Paints {
  readonly good: (text: string) => string
  readonly bad: (text: string) => string
  readonly soft: (text: string) => string
  readonly strong: (text: string) => string
}

const code = (on: number, off: number) => (text: string) => `\x1b[${on}m${text}\x1b[${off}m`

export const COLOURS: Paints = {
  good: code(32, 39),
  bad: code(31, 39),
  soft: code(2, 22),
  strong: code(1, 22),
}

const same = (text: string): string => text
export const NO_COLOURS: Paints = { good: same, bad: same, soft: same, strong: same }

/** Names and messages come from anywhere; escape sequences begin with a control character. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '?')
}
