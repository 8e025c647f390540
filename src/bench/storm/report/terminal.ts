/**
 * A storm as it goes on, in a terminal: one line that is rewritten, and one that stays for each target.
 * Where nobody watches only the lines that stay. Rule: what comes from anywhere is printable first.
 */
import { countText, plural, spanText } from '../../failover/report/figures.ts'
import { COLOURS, NO_COLOURS, printable, type Terminal } from '../../failover/report/terminal.ts'
import type { StormProgress, StormStanding } from '../progress.ts'
import { errorsOf, type TargetResult } from '../result.ts'

const BAR = 20
/** To the first column, and clear to the end. */
const HOME = '\r\x1b[K'

/** @param out standard error, so that standard output stays for what programs read */
export function terminalStorm(
  out: Terminal,
  options: { live?: boolean; colour?: boolean } = {},
): StormProgress {
  const live = options.live ?? out.isTTY === true
  const paint = options.colour === true ? COLOURS : NO_COLOURS
  let shown = ''
  const stay = (line: string): void => {
    out.write(`${live && shown !== '' ? HOME : ''}${line}\n`)
    shown = ''
  }
  return {
    at: (standing) => {
      if (!live) return
      // Some terminals do not know how wide they are and say 0.
      const line = standingLine(standing, (out.columns || 80) - 1)
      if (line === shown) return
      shown = line
      out.write(`${HOME}${line}`)
    },
    ended: (result) => {
      const line = targetLine(result)
      const bad = result.failure !== undefined || errorsOf(result) > 0
      stay(bad ? paint.bad(line) : line)
      for (const { text } of result.instrument.warnings) stay(printable(`  ${text}`))
    },
    say: (sentence) => stay(paint.soft(printable(sentence))),
  }
}

/** `weir arriving 3 s [====....] 2 000 there, 1 998 answered, 0 errors, 20 on the node`, cut. */
export function standingLine(standing: StormStanding, width: number): string {
  const { target, phase, at, clients, open, answered, errors, perSecond, server } = standing
  const filled = clients === 0 ? 0 : Math.min(BAR, Math.round((BAR * open) / clients))
  const bar = `[${'='.repeat(filled)}${'.'.repeat(BAR - filled)}]`
  const node = server === undefined ? '' : `, ${server} on the node`
  const asks = perSecond === 0 ? '' : `, ${countText(perSecond)}/s`
  const line = `${target.padEnd(9)} ${phase.padEnd(8)} ${(at / 1000).toFixed(1).padStart(4)} s ${bar} ${countText(open)} there, ${countText(answered)} answered, ${plural(errors, 'error')}${node}${asks}`
  return printable(line).slice(0, Math.max(10, width))
}

/** What came of a target, in one line. */
export function targetLine(result: TargetResult): string {
  const head = result.target.padEnd(9)
  if (result.failure !== undefined) return printable(`${head} not measured: ${result.failure}`)
  const { spans, server } = result
  const parts = [
    `${countText(result.answered)} of ${countText(result.arrived)} answered`,
    plural(errorsOf(result), 'error'),
    `first reply p99 ${spanText(spans.firstReply?.figures.p99)}`,
    `statement p99 ${spanText(spans.statement?.figures.p99)}`,
  ]
  if (server !== undefined) parts.push(`at most ${server.peak} on the node`)
  return printable(`${head} ${parts.join(', ')}`)
}
