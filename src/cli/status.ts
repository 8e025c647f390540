/**
 * `weir status`: what a running Weir says of itself. Rule: it knows nothing but the admin port; so
 * it works on any Weir it can reach, and says what to type when it reaches none.
 */
import type { Command } from 'commander'
import type { StatusSnapshot } from '../admin/snapshot.ts'
import { messageOf, WeirError } from '../core/errors.ts'
import {
  type AdminAnswer,
  type AdminFlags,
  type AdminTarget,
  adminOptions,
  adminTarget,
  askAdmin,
  baseOf,
  notLetIn,
  reasonOf,
} from './admin-target.ts'
import { COLOURS, NO_COLOURS, statusText } from './status-view.ts'

const PATIENCE_MS = 5_000
const WATCH_MS = 2_000

interface StatusOptions extends AdminFlags {
  readonly json?: boolean
  readonly watch?: boolean
}

export function registerStatus(program: Command): void {
  const status = adminOptions(
    program
      .command('status')
      .description('show nodes, endpoints, pools and clients of a running Weir'),
  )
    .option('--json', 'print what /status says, for programs')
    .option('--watch', 'show it again every two seconds until Ctrl-C')
    .addHelpText('after', '\nExample:\n  weir status --watch')
  status.action(async (options: StatusOptions) => {
    try {
      await show(options)
    } catch (error) {
      const hint = error instanceof WeirError && error.hint !== undefined ? `\n  ${error.hint}` : ''
      status.error(`weir status: ${messageOf(error)}${hint}`, { exitCode: 1 })
    }
  })
}

async function show(options: StatusOptions): Promise<void> {
  const terminal = process.stdout.isTTY === true
  const colours = terminal && !process.env.NO_COLOR ? COLOURS : NO_COLOURS
  const target = adminTarget(options)
  for (;;) {
    const status = await fetchStatus(target)
    const text =
      options.json === true ? `${JSON.stringify(status, null, 2)}\n` : statusText(status, colours)
    // Home, then clear: watching redraws in place.
    const before =
      options.watch === true && terminal && options.json !== true ? '\x1b[H\x1b[2J' : ''
    process.stdout.write(before + text)
    if (options.watch !== true) return
    await new Promise((resolve) => setTimeout(resolve, WATCH_MS))
  }
}

/**
 * @param target or just a base address, `http://127.0.0.1:6480`
 * @throws WeirError `WEIR_NO_ADMIN` when nothing, or something else, answers there, `WEIR_NOT_ALLOWED`
 */
export async function fetchStatus(target: AdminTarget | string): Promise<StatusSnapshot> {
  const to = typeof target === 'string' ? { base: baseOf(target) } : target
  const at = to.base.origin
  let answer: AdminAnswer
  try {
    answer = await askAdmin(to, '/status', undefined, PATIENCE_MS)
  } catch (error) {
    throw noAdmin(`nothing answers at ${at}: ${reasonOf(error)}`, error)
  }
  const refused = notLetIn(answer)
  if (refused !== undefined) throw refused
  const status = parsed(answer.text)
  if (answer.status === 200 && status !== undefined) return status
  const said = answer.text.split('\n')[0]?.slice(0, 200)
  throw noAdmin(`what answers at ${at} is not the admin port of Weir: ${answer.status} ${said}`)
}

function parsed(body: string): StatusSnapshot | undefined {
  try {
    const value: unknown = JSON.parse(body)
    const whole = typeof value === 'object' && value !== null && 'nodes' in value
    return whole && 'endpoints' in value && 'pools' in value ? (value as StatusSnapshot) : undefined
  } catch {
    return undefined
  }
}

function noAdmin(message: string, cause?: unknown): WeirError {
  return new WeirError('WEIR_NO_ADMIN', message, {
    hint: 'Start one with: npm start. Or say where it is: weir status --admin http://HOST:PORT (setting admin.port)',
    ...(cause === undefined ? {} : { cause }),
  })
}
