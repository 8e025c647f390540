/**
 * `weir status`: what a running Weir says of itself. Rule: it knows nothing but the admin port; so
 * it works on any Weir it can reach, and says what to type when it reaches none.
 */
import type { Command } from 'commander'
import type { StatusSnapshot } from '../admin/snapshot.ts'
import { messageOf, WeirError } from '../core/errors.ts'
import { COLOURS, NO_COLOURS, statusText } from './status-view.ts'

/** Where admin listens when the configuration does not say otherwise. */
export const DEFAULT_ADMIN = 'http://127.0.0.1:6480'
const PATIENCE_MS = 5_000
const WATCH_MS = 2_000

interface StatusOptions {
  readonly admin: string
  readonly json?: boolean
  readonly watch?: boolean
}

export function registerStatus(program: Command): void {
  const status = program
    .command('status')
    .description('show nodes, endpoints, pools and clients of a running Weir')
    .option('--admin <url>', 'its admin address', DEFAULT_ADMIN)
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
  for (;;) {
    const status = await fetchStatus(options.admin)
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
 * @param admin base address, `http://127.0.0.1:6480`
 * @throws WeirError `WEIR_NO_ADMIN` when nothing, or something else, answers there
 */
export async function fetchStatus(admin: string): Promise<StatusSnapshot> {
  let body: string
  let answer: Response
  try {
    answer = await fetch(statusUrl(admin), { signal: AbortSignal.timeout(PATIENCE_MS) })
    body = await answer.text()
  } catch (error) {
    if (error instanceof WeirError) throw error
    throw noAdmin(`nothing answers at ${admin}: ${reason(error)}`, error)
  }
  const status = parsed(body)
  if (answer.ok && status !== undefined) return status
  const said = body.split('\n')[0]?.slice(0, 200)
  throw noAdmin(`what answers at ${admin} is not the admin port of Weir: ${answer.status} ${said}`)
}

function statusUrl(admin: string): URL {
  const full = /^[a-z]+:\/\//i.test(admin) ? admin : `http://${admin}`
  if (!URL.canParse('/status', full)) {
    throw new WeirError('WEIR_NO_ADMIN', `--admin ${admin} is not an address`, {
      hint: `Example: weir status --admin ${DEFAULT_ADMIN}`,
    })
  }
  return new URL('/status', full)
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

/** `fetch failed` says nothing; its cause does. */
function reason(error: unknown): string {
  if (error instanceof Error && error.cause !== undefined) return messageOf(error.cause)
  return messageOf(error)
}

function noAdmin(message: string, cause?: unknown): WeirError {
  return new WeirError('WEIR_NO_ADMIN', message, {
    hint: 'Start one with: npm start. Or say where it is: weir status --admin http://HOST:PORT (setting admin.port)',
    ...(cause === undefined ? {} : { cause }),
  })
}
