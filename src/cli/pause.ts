/**
 * `weir pause` and `weir resume`: hold back new transactions of a running Weir while something is done
 * behind it. Rule: a pause always has an end of its own, and says who still stands in its way.
 */
import { type Command, Option } from 'commander'
import type { InTheWay, PauseAnswer, PauseTarget } from '../admin/orders.ts'
import { span } from '../admin/words.ts'
import { WeirError } from '../core/errors.ts'
import { printable } from '../core/printable.ts'
import { AdminClient } from './admin-client.ts'
import { type AdminFlags, adminOptions, adminTarget } from './admin-target.ts'
import { timeSpan } from './time-span.ts'

interface Flags extends PauseTarget, AdminFlags {
  readonly json?: boolean
}

interface PauseFlags extends Flags {
  readonly for: number
  readonly wait?: true | number
}

/** How long `--wait` waits when it does not say. */
const WAIT_MS = 10_000

export function registerPause(program: Command): void {
  adminOptions(program.command('pause'))
    .description('hold new transactions back: clients wait, what runs goes on')
    .option('--node <name>', 'only what goes to that node')
    .option('--endpoint <name>', 'only clients of that endpoint (default: everything)')
    .addOption(
      new Option('--for <duration>', 'the pause ends by itself after so long')
        .argParser(timeSpan)
        .default(30_000, '30s'),
    )
    .option(
      '--wait [duration]',
      'until all that is lent has come back (default: 10s); exit code 1 when it has not',
      timeSpan,
    )
    .option('--json', 'print what Weir answers, for programs')
    .addHelpText(
      'after',
      `
Examples:
  weir pause --node node-1 --wait     then promote another node, then: weir resume
  weir pause --endpoint writer --for 1m`,
    )
    .action((flags: PauseFlags) => pause(flags))
  adminOptions(program.command('resume'))
    .description('end a pause: whoever waits goes on, in the order of arrival')
    .option('--node <name>', 'the pause of that node')
    .option('--endpoint <name>', 'the pause of that endpoint (default: every pause)')
    .option('--json', 'print what Weir answers, for programs')
    .addHelpText('after', '\nExample:\n  weir resume')
    .action((flags: Flags) => resume(flags))
}

async function pause(flags: PauseFlags): Promise<void> {
  const waitMs = flags.wait === true ? WAIT_MS : (flags.wait ?? 0)
  if (waitMs >= flags.for) {
    throw new WeirError('WEIR_BAD_ORDER', 'the pause would end before the waiting does', {
      hint: 'Give --for more time than --wait.',
    })
  }
  const { node, endpoint } = flags
  const order = { node, endpoint, forMs: flags.for, waitMs }
  const answer = await new AdminClient(adminTarget(flags)).pause(order)
  if (flags.json === true) print(JSON.stringify(answer, null, 2))
  else print(pauseText(answer))
  if (flags.wait !== undefined && answer.lent > 0) process.exitCode = 1
}

async function resume(flags: Flags): Promise<void> {
  const { node, endpoint } = flags
  const answer = await new AdminClient(adminTarget(flags)).resume({ node, endpoint })
  if (flags.json === true) {
    print(JSON.stringify(answer, null, 2))
    return
  }
  if (answer.ended.length === 0) print('nothing was paused')
  for (const { what, mostWaiting } of answer.ended) {
    print(`${what} goes on; ${sessions(mostWaiting)} waited at the most`)
  }
}

/** Lines for a person. */
export function pauseText(answer: PauseAnswer): string {
  const left = span(Math.max(0, answer.until - Date.now()))
  const lines = [`${answer.what} is paused; the pause ends by itself in ${left} (or: weir resume)`]
  if (answer.lent === 0) lines.push('nothing is lent any more')
  else lines.push(...inTheWayText(answer))
  return lines.join('\n')
}

/** Who still has a server connection, and why. */
export function inTheWayText({ lent, inTheWay }: PauseAnswer): string[] {
  const lines = [`still lent: ${lent === 1 ? '1 server connection' : `${lent} server connections`}`]
  lines.push(...inTheWay.map((one) => `  ${why(one)}`))
  const more = lent - inTheWay.length
  if (more > 0) lines.push(`  ... and ${more} more`)
  return lines
}

function why({ id, endpoint, user, database, node, pins }: InTheWay): string {
  const doing = pins.length === 0 ? 'in a transaction or a request' : `pinned: ${pins.join(', ')}`
  return `client ${id} (${printable(user)} on ${printable(database)}, endpoint ${endpoint}, ${node}): ${doing}`
}

export const sessions = (n: number): string => (n === 1 ? '1 session' : `${n} sessions`)

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
