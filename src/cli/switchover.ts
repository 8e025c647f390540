/**
 * `weir switchover`: a planned change of writer that clients see as a short wait. Rule: it only joins
 * what others do: a running Weir pauses and resumes, the lab or a command of the operator promotes.
 */
import { spawn } from 'node:child_process'
import { type Command, Option } from 'commander'
import { openCluster } from '../cluster/cluster.ts'
import { defaultDirectory } from '../cluster/place.ts'
import { WeirError } from '../core/errors.ts'
import { type AdminFlags, adminOptions, adminTarget } from './admin-target.ts'
import { sessions } from './pause.ts'
import { type SwitchOver, switchOver } from './switching.ts'
import { timeSpan } from './time-span.ts'

interface Flags extends AdminFlags {
  readonly to?: string
  readonly dir?: string
  readonly wait: number
  readonly promoteWithin: number
  readonly promoteCommand?: string
  readonly force?: boolean
  readonly json?: boolean
}

export function registerSwitchover(program: Command): void {
  adminOptions(program.command('switchover'))
    .description('make another node the writer; clients only wait a moment')
    .option('--to <node>', 'who becomes the writer (default: lowest tier, then the most advanced)')
    .option('--dir <directory>', "the lab's directory (default: .weir)")
    .option('--promote-command <command>', 'promotes instead of the lab; a shell runs it')
    .addOption(
      new Option('--wait <duration>', 'how long transactions may take to end')
        .argParser(timeSpan)
        .default(10_000, '10s'),
    )
    .addOption(
      new Option('--promote-within <duration>', 'how long promoting may take')
        .argParser(timeSpan)
        .default(60_000, '1m'),
    )
    .option('--force', 'go on although some did not end; their clients see errors')
    .option('--json', 'print the result for programs')
    .addHelpText(
      'after',
      `
Examples:
  weir switchover --to node-2
  weir switchover --promote-command 'patronictl -c /etc/patroni.yml switchover --force'

The command finds the present writer in WEIR_FROM, and what --to says in WEIR_TO. It has failed when it
ends with another code than 0; the pause is ended then and nothing else is done.`,
    )
    .action((flags: Flags) => run(flags))
}

async function run(flags: Flags): Promise<void> {
  const { to, force = false } = flags
  const admin = adminTarget(flags)
  const say = (sentence: string): boolean => process.stderr.write(`${sentence}\n`)
  const promote =
    flags.promoteCommand === undefined
      ? await labPromotion(flags.dir ?? defaultDirectory(), to, say)
      : (from: string) => commandPromotion(flags.promoteCommand!, from, to)
  const stop = new AbortController()
  const onSignal = (): void => stop.abort()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, onSignal)
  const result = await switchOver({
    admin,
    promote,
    waitMs: flags.wait,
    promoteMs: flags.promoteWithin,
    force,
    stop: stop.signal,
    say,
  })
  process.stdout.write(
    `${flags.json === true ? JSON.stringify(result, null, 2) : switchText(result)}\n`,
  )
}

/**
 * The lab's own promotion, which stops the former writer in order and makes it a reader again.
 * @throws WeirError `WEIR_CLUSTER_NONE` before anything is paused
 */
export async function labPromotion(
  directory: string,
  to: string | undefined,
  say: (sentence: string) => void,
): Promise<(from: string) => Promise<void>> {
  const lab = await openCluster(directory, { onProgress: say })
  if (to !== undefined) {
    if (!lab.node(to).running) throw cannot(`${to} does not run`)
    if (lab.writer().name === to) throw cannot(`${to} is the writer already`)
  }
  return async (from) => {
    const writer = lab.writer().name
    if (writer !== from) throw cannot(`the writer of this lab is ${writer}, and Weir's is ${from}`)
    await lab.promote(to)
  }
}

/** Runs the operator's command; what it prints goes to standard error. */
async function commandPromotion(
  command: string,
  from: string,
  to: string | undefined,
): Promise<void> {
  const env = { ...process.env, WEIR_FROM: from, WEIR_TO: to ?? '' }
  const child = spawn(command, { shell: true, env, stdio: ['ignore', 2, 2] })
  const end = await new Promise<string | undefined>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) =>
      resolve(code === 0 ? undefined : `ended with ${signal ?? `exit code ${code}`}`),
    )
  })
  if (end !== undefined) throw cannot(`the promote command ${end}`)
}

/** Lines for a person. */
export function switchText(result: SwitchOver): string {
  const { from, to, transactionsMs, heldMs, mostWaiting, stillLent } = result
  const lines = [
    `switched from ${from} to ${to}`,
    `  transactions ended within  ${transactionsMs.toFixed(1)} ms`,
    `  clients were held for      ${heldMs.toFixed(0)} ms, ${sessions(mostWaiting)} at the most`,
  ]
  if (stillLent > 0) lines.push(`  cut in the middle          ${sessions(stillLent)}`)
  return lines.join('\n')
}

function cannot(why: string): WeirError {
  return new WeirError('WEIR_SWITCHOVER_FAILED', `cannot switch over: ${why}`, {
    hint: 'See: weir status, weir cluster status',
  })
}
