/**
 * The flags of `weir failover` and what they come to. Rule: a flag's text is checked when it is read
 * and every wrong one says what would be right; nothing is started before all of them are right.
 */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Expected, FIGURES, parseExpectation } from '../bench/failover/expect.ts'
import { DEFAULT_PLAN, type Plan, splitClients } from '../bench/failover/plan.ts'
import { FAULTS, type Fault } from '../bench/failover/result.ts'
import { timeSpan } from './time-span.ts'

export interface FailoverFlags {
  readonly fault: Fault[]
  readonly rounds: number
  readonly clients: number
  readonly idle: number
  readonly writers?: number
  readonly readers?: number
  readonly transactions?: number
  readonly listeners?: number
  readonly compare: string[]
  readonly weir: boolean
  readonly rate: number
  readonly before: number
  readonly after: number
  readonly promoteAfter: number
  readonly clientTimeout: number
  readonly retry: number
  readonly giveUp: number
  readonly maxStall: number
  readonly set: string[]
  readonly synchronous: boolean
  readonly fsync: boolean
  readonly dir?: string
  readonly postgres?: string
  readonly port: number
  readonly node: string[]
  readonly login?: string
  readonly faultCommand?: string
  readonly promoteCommand?: string
  readonly healCommand?: string
  readonly json?: boolean | string
  readonly html?: string
  readonly expect: Expected[]
  readonly selfTest?: boolean
}

export function declareFlags(command: Command): Command {
  const span = (flags: string, what: string, ms: number, text: string): Option =>
    new Option(flags, what).argParser(timeSpan).default(ms, text)
  return command
    .addOption(
      new Option('--fault <list>', `one or several of ${FAULTS.join(', ')}; stop is both of them`)
        .argParser(faults)
        .default(['kill'], 'kill'),
    )
    .option('--rounds <n>', 'of each fault and subject', count, 5)
    .option('--clients <n>', 'half write, 30 % read, 15 % in transactions, 5 % listen', count, 200)
    .option('--idle <n>', 'clients that are only connected', count, 800)
    .option('--writers <n>', 'instead of their share of --clients', count)
    .option('--readers <n>', 'likewise', count)
    .option('--transactions <n>', 'likewise', count)
    .option('--listeners <n>', 'likewise', count)
    .addOption(
      new Option('--compare <list>', 'side by side: direct, pgbouncer, or name=postgres://...')
        .argParser(listed)
        .default([], 'none'),
    )
    .option('--no-weir', 'measure only what --compare names')
    .option('--rate <n>', 'requests of each client a second', count, DEFAULT_PLAN.rate)
    .addOption(span('--before <time>', 'load before the fault', DEFAULT_PLAN.beforeMs, '1.5s'))
    .addOption(span('--after <time>', 'load after the recovery', DEFAULT_PLAN.afterMs, '1s'))
    .addOption(span('--promote-after <time>', 'from the fault to the promotion', 0, '0ms'))
    .addOption(
      span(
        '--client-timeout <time>',
        "a client's patience with an answer",
        DEFAULT_PLAN.clientTimeoutMs,
        '10s',
      ),
    )
    .addOption(
      span('--retry <time>', "a client's pause after an error", DEFAULT_PLAN.retryMs, '50ms'),
    )
    .addOption(
      span('--give-up <time>', 'no recovery until then ends a round', DEFAULT_PLAN.giveUpMs, '30s'),
    )
    .addOption(
      span(
        '--max-stall <time>',
        'a round with a longer stall of the instrument, and of a fifth of the outage, does not count',
        DEFAULT_PLAN.maxStallMs,
        '150ms',
      ),
    )
    .addOption(
      new Option('--set <setting=value>', 'setting of the Weir that is measured; repeatable')
        .argParser(collected)
        .default([], 'its defaults'),
    )
    .option('--no-synchronous', 'the lab acknowledges a commit before a reader has it')
    .option('--no-fsync', 'the lab trusts the operating system with its disk')
    .option('--dir <directory>', 'for the lab and all logs (default: a temporary one, removed)')
    .option('--postgres <dir>', 'programs of an installed server, for the lab')
    .option('--port <port>', 'first of the ports to use', count, 17_400)
    .addOption(
      new Option('--node <name=host:port>', 'a node of your own cluster instead of the lab; repeat')
        .argParser(collected)
        .default([], 'the lab'),
    )
    .option('--login <user:password@database>', 'for your own nodes; the user may create tables')
    .option('--fault-command <command>', 'hurts the node in WEIR_NODE')
    .option('--promote-command <command>', 'makes another node writer (default: awaited only)')
    .option('--heal-command <command>', 'brings the node in WEIR_NODE back as a reader')
    .option('--json [file]', 'the result for programs, into a file or on standard output')
    .option('--html <file>', 'the report, one self-contained file')
    .addOption(
      new Option('--expect <figure>', 'e.g. gap_p99<1s, lost=0; not met: exit code 1; repeatable')
        .argParser(expectation)
        .default([], 'nothing'),
    )
    .option('--self-test', 'state the error of the instrument against outages of known length')
    .addHelpText(
      'after',
      `
Figures for --expect: ${FIGURES.filter((name) => !/_(p50|p90|max)$/.test(name)).join(', ')};
those that end in _p99 exist as _p50, _p90 and _max too. Of another subject: direct:gap_p99<5s.

Examples:
  weir failover --rounds 20 --fault kill --compare direct,pgbouncer --html report.html
  weir failover --fault freeze,partition --rounds 3 --expect 'gap_p99<4s' --expect lost=0
  weir failover --node a=10.0.0.1:5432 --node b=10.0.0.2:5432 --login 'app:secret@app' \\
    --fault-command 'ssh $WEIR_HOST systemctl kill -s KILL postgresql' \\
    --heal-command 'patronictl reinit --force main $WEIR_NODE'`,
    )
}

/** Throws WEIR_FAILOVER_FLAGS for what only shows when all flags are known. */
export function planOf(flags: FailoverFlags): Plan {
  const wanted = {
    ...(flags.writers === undefined ? {} : { writer: flags.writers }),
    ...(flags.readers === undefined ? {} : { reader: flags.readers }),
    ...(flags.transactions === undefined ? {} : { transaction: flags.transactions }),
    ...(flags.listeners === undefined ? {} : { listener: flags.listeners }),
  }
  return {
    ...DEFAULT_PLAN,
    clients: splitClients(flags.clients, flags.idle, wanted),
    rate: Math.max(1, flags.rate),
    beforeMs: flags.before,
    afterMs: flags.after,
    promoteAfterMs: flags.promoteAfter,
    clientTimeoutMs: flags.clientTimeout,
    retryMs: flags.retry,
    giveUpMs: flags.giveUp,
    maxStallMs: flags.maxStall,
  }
}

function faults(text: string): Fault[] {
  return text.split(',').flatMap((word) => {
    if (word.trim() === 'stop') return ['stop-fast', 'stop-immediate'] as const
    const fault = FAULTS.find((name) => name === word.trim())
    if (fault !== undefined) return [fault]
    throw new InvalidArgumentError(`There is no fault "${word}".`)
  })
}

const listed = (text: string, before: string[]): string[] => [
  ...before,
  ...text.split(',').map((word) => word.trim()),
]

const collected = (text: string, before: string[]): string[] => [...before, text]

function expectation(text: string, before: Expected[]): Expected[] {
  try {
    return [...before, parseExpectation(text)]
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}

function count(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}
