/**
 * The flags of `weir storm` and what they come to. Rule: a flag's text is checked when it is read and
 * every wrong one says what would be right; nothing is started before all of them are right.
 */
import { availableParallelism } from 'node:os'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Expected, FIGURES, parseExpectations } from '../bench/storm/expect.ts'
import {
  DEFAULT_STORM,
  KEY_MODES,
  type KeyMode,
  SHAPES,
  type Shape,
  type StormPlan,
  TLS_MODES,
  type TlsMode,
} from '../bench/storm/plan.ts'
import { addressOf } from '../bench/storm/target-address.ts'
import { timeSpan } from './time-span.ts'

/** `direct`, `weir`, `pgbouncer`: started by the run; else a name with a URL. */
export const LAB_TARGETS = ['direct', 'weir', 'pgbouncer'] as const
export type LabTarget = (typeof LAB_TARGETS)[number]
export type Wanted = LabTarget | { readonly name: string; readonly url: string }

export interface StormFlags {
  readonly target: Wanted[]
  readonly shape: Shape
  readonly clients: number
  readonly rate: number
  readonly hold?: number
  readonly query: string
  readonly every: number
  readonly waves: number
  readonly pause: number
  readonly timeout: number
  readonly retry?: number
  readonly tls?: TlsMode
  readonly keys: KeyMode
  readonly warmUp: number
  readonly threads: number
  readonly pool: number
  readonly maxConnections: number
  readonly set: string[]
  readonly observe?: string
  readonly pid: (readonly [string, number])[]
  readonly untilFail?: boolean
  readonly postgres?: string
  readonly dir?: string
  readonly port: number
  readonly json?: boolean | string
  readonly html?: string
  readonly expect: Expected[]
}

/** A storm that is raised again and again holds shorter (ms). */
const HOLD_WHEN_RAISED = 5_000

export function declareStorm(command: Command): Command {
  const span = (flags: string, what: string, text?: string, ms?: number): Option => {
    const option = new Option(flags, what).argParser(timeSpan)
    return ms === undefined ? option : option.default(ms, text)
  }
  return command
    .addOption(
      new Option(
        '--target <target>',
        'direct, weir or pgbouncer (each started by the run), or name=postgres://...; repeatable',
      )
        .argParser(wanted)
        .default([], 'direct, weir, and pgbouncer where it is installed'),
    )
    .addOption(
      new Option('--shape <shape>', 'how they arrive').choices(SHAPES).default(DEFAULT_STORM.shape),
    )
    .option('--clients <n>', 'in all; of waves: in each', count, DEFAULT_STORM.clients)
    .addOption(
      new Option('--rate <n/s>', 'arrivals a second; of a ramp: at its end')
        .argParser(rate)
        .default(DEFAULT_STORM.rate, '1000/s'),
    )
    .addOption(
      span('--hold <time>', 'everybody stays so long (default: 20s; 5s with --until-fail)'),
    )
    .option('--query <statement>', 'what each client asks', DEFAULT_STORM.query)
    .addOption(
      span(
        '--every <time>',
        "between a client's statements; 0s: only one",
        '1s',
        DEFAULT_STORM.everyMs,
      ),
    )
    .option('--waves <n>', 'of --shape waves', count, DEFAULT_STORM.waves)
    .addOption(span('--pause <time>', 'between two waves', '2s', DEFAULT_STORM.pauseMs))
    .addOption(
      span(
        '--timeout <time>',
        "a client's patience with login and answer",
        '10s',
        DEFAULT_STORM.timeoutMs,
      ),
    )
    .addOption(
      span('--retry <time>', 'a client that failed tries again after (default: it does not)'),
    )
    .addOption(
      new Option(
        '--tls <mode>',
        'above what a URL says in sslmode (default: prefer, in the lab disable)',
      ).choices(TLS_MODES),
    )
    .addOption(
      new Option('--keys <mode>', 'SCRAM keys: derived once for all clients, or at each login')
        .choices(KEY_MODES)
        .default(DEFAULT_STORM.keys),
    )
    .option(
      '--warm-up <n>',
      'functions that come before, unmeasured; 0: a cold start',
      whole,
      DEFAULT_STORM.warmUp,
    )
    .option('--threads <n>', 'that make the load', count, defaultThreads())
    .option('--pool <n>', 'server connections of a pooler that is started', count, 20)
    .option('--max-connections <n>', 'of the node that is started', count, 100)
    .addOption(
      new Option('--set <setting=value>', 'setting of the Weir that is started; repeatable')
        .argParser(collected)
        .default([], 'its defaults'),
    )
    .option('--observe <url>', 'where sessions of the node are counted, for targets with a URL')
    .addOption(
      new Option('--pid <target=pid>', 'process whose CPU and memory is watched; repeatable')
        .argParser(pid)
        .default([], 'that of a started target'),
    )
    .option('--until-fail', 'raise the storm until an expectation breaks')
    .option('--postgres <dir>', 'programs of an installed server, for the node')
    .option('--dir <directory>', 'for node and logs (default: a temporary one, removed)')
    .option('--port <port>', 'first of the ports to use', count, 18_400)
    .option('--json [file]', 'the result for programs, into a file or on standard output')
    .option('--html <file>', 'the report, one self-contained file')
    .addOption(
      new Option('--expect <figures>', "e.g. 'errors=0 first_reply_p99<2s'; not met: exit code 1")
        .argParser(expectations)
        .default([], 'nothing'),
    )
    .addHelpText(
      'after',
      `
Shapes: burst (so many a second, then they stay), ramp (more and more a second), waves (functions:
connect, one transaction, disconnect), reconnect (all cut off at once, all back at once).

Figures for --expect: ${FIGURES.filter((name) => !/_(p50|p90|max)$/.test(name)).join(', ')};
those that end in _p99 exist as _p50, _p90 and _max too. Of one target: pgbouncer:errors=0.

Examples:
  weir storm
  weir storm --clients 5000 --rate 1000/s --hold 20s --html storm.html \\
    --expect 'errors=0 first_reply_p99<2s server_connections<=20'
  weir storm --shape waves --clients 500 --target weir --target pgbouncer
  weir storm --target direct=postgres://app:secret@db:5432/app \\
    --target weir=postgres://app:secret@weir:6432/app --observe postgres://admin:secret@db:5432/app
  weir storm --target weir --clients 2000 --until-fail --expect 'errors=0 first_reply_p99<1s'`,
    )
}

export function stormPlanOf(flags: StormFlags): StormPlan {
  const hold = flags.untilFail === true ? HOLD_WHEN_RAISED : DEFAULT_STORM.holdMs
  return {
    shape: flags.shape,
    clients: flags.clients,
    rate: flags.rate,
    holdMs: flags.hold ?? hold,
    query: flags.query,
    everyMs: Math.round(flags.every),
    waves: flags.waves,
    pauseMs: flags.pause,
    timeoutMs: flags.timeout,
    retryMs: flags.retry,
    keys: flags.keys,
    warmUp: flags.warmUp,
  }
}

/** The load leaves room for what it is aimed at. */
function defaultThreads(): number {
  return Math.max(1, Math.min(8, Math.floor(availableParallelism() / 2)))
}

function wanted(text: string, before: Wanted[]): Wanted[] {
  const more = text.split(',').map((word): Wanted => {
    const lab = LAB_TARGETS.find((name) => name === word.trim())
    if (lab !== undefined) return lab
    const [, name, url] = /^([\w-]+)=(.+)$/s.exec(word.trim()) ?? []
    if (name === undefined || url === undefined) {
      throw new InvalidArgumentError(
        `"${word}" is none of ${LAB_TARGETS.join(', ')} and no name=postgres://...`,
      )
    }
    try {
      addressOf(url)
    } catch (error) {
      throw new InvalidArgumentError(`${name}: ${(error as Error).message}`)
    }
    return { name, url }
  })
  const all = [...before, ...more]
  const names = all.map((one) => (typeof one === 'string' ? one : one.name))
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice === undefined) return all
  throw new InvalidArgumentError(`There are two targets called ${twice}.`)
}

function rate(text: string): number {
  const [, value] = /^(\d+(?:\.\d+)?)(?:\/s)?$/.exec(text) ?? []
  if (value !== undefined && Number(value) > 0) return Number(value)
  throw new InvalidArgumentError('Write it as 1000/s.')
}

function pid(text: string, before: (readonly [string, number])[]): (readonly [string, number])[] {
  const [, name, value] = /^([\w-]+)=(\d+)$/.exec(text) ?? []
  if (name === undefined) throw new InvalidArgumentError('Write it as weir=12345.')
  return [...before, [name, Number(value)]]
}

function expectations(text: string, before: Expected[]): Expected[] {
  try {
    return [...before, ...parseExpectations(text)]
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}

const collected = (text: string, before: string[]): string[] => [...before, text]

function whole(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}

function count(text: string): number {
  const n = whole(text)
  if (n === 0) throw new InvalidArgumentError('It must be above 0.')
  return n
}
