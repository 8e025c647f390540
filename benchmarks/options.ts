/**
 * What a benchmark run is asked to do. Rule: a wrong option ends the run before anything is
 * started, with the option, what it got and what would be right.
 */
import { parseArgs } from 'node:util'
import { UsageError } from './usage-error.ts'
import { KNOWN_VARIANTS, parseVariant, type Variant } from './variants.ts'

/** Modes measured with pgbench, in transactions. */
export const MODES = ['simple', 'prepared', 'extended', 'connect', 'tpcb'] as const
export type Mode = (typeof MODES)[number]

/** Large results are measured in bytes, by a client of our own; only when asked for. */
export const LARGE = 'large'

/** In the order they run within a round; variants of Weir come last. */
export const PEERS = ['direct', 'pgbouncer', 'weir'] as const
export type PeerKind = (typeof PEERS)[number]

export interface BenchOptions {
  readonly rounds: number
  readonly seconds: number
  readonly clients: readonly number[]
  readonly modes: readonly Mode[]
  /** Whether large results are measured too. */
  readonly large: boolean
  /** Size of one large result. */
  readonly megabytes: number
  readonly peers: readonly PeerKind[]
  /** Weir once more for each, configured otherwise. */
  readonly variants: readonly Variant[]
  /** Server connections each proxy may hold. */
  readonly pool: number
  /** pgbench scale factor: 100,000 rows each. */
  readonly scale: number
  /** A port for the database and one for each proxy are used from here on, on loopback. */
  readonly basePort: number
  /** Whether system calls and instructions are counted in short runs of their own. */
  readonly calls: boolean
  /** Whether a goal that is not met makes the exit code 1. */
  readonly expectGoals: boolean
  /** The row that the goals are held against: `weir` or `weir+VARIANT`. */
  readonly judge: string
  /** File for the whole result as JSON. */
  readonly json: string | undefined
}

export const USAGE = `npm run bench -- [options]

  --rounds N       how often each measurement is repeated          (5)
  --seconds S      length of one measurement                       (5)
  --clients LIST   numbers of pgbench clients                      (1,32,128,512)
  --modes LIST     of ${MODES.join(', ')}  (these)
                   and ${LARGE}: select and COPY of --megabytes
  --megabytes N    size of one large result                        (1024)
  --peers LIST     of ${PEERS.join(', ')}                     (all)
  --variants LIST  Weir again, configured otherwise: ${Object.keys(KNOWN_VARIANTS).join(', ')}, or
                   NAME:setting=value+setting=value
  --pool N         server connections each proxy may hold          (20)
  --scale N        pgbench scale factor                            (20)
  --base-port N    first of the ports on loopback                  (15701)
  --no-calls       do not count system calls and instructions
  --expect goals   exit code 1 when a goal that was measured is not met
  --judge ROW      whose figures the goals are held against        (weir)
  --json FILE      write everything measured to FILE as JSON
  --quick          one round of 2 s at 1 and 32 clients; for a first look, not for a claim
  --help           this text
`

/** Reads the command line. Returns undefined when help was asked for. Throws UsageError. */
export function parseOptions(argv: readonly string[]): BenchOptions | undefined {
  const { values } = read(argv)
  if (values.help) return undefined
  const quick = values.quick ?? false
  const modes = choices<Mode | typeof LARGE>('--modes', [...MODES, LARGE], values.modes, MODES)
  const peers = choices('--peers', PEERS, values.peers, PEERS)
  const variants = values.variants === undefined ? [] : list(values.variants).map(parseVariant)
  if (variants.length > 0 && !peers.includes('weir')) {
    throw new UsageError('--variants are rows of Weir; --peers must have weir')
  }
  return {
    rounds: whole('--rounds', values.rounds ?? (quick ? '1' : '5')),
    seconds: whole('--seconds', values.seconds ?? (quick ? '2' : '5')),
    clients: list(values.clients ?? (quick ? '1,32' : '1,32,128,512')).map((n) =>
      whole('--clients', n),
    ),
    modes: modes.filter((mode) => mode !== LARGE),
    large: modes.includes(LARGE),
    megabytes: whole('--megabytes', values.megabytes ?? '1024'),
    peers,
    variants,
    pool: whole('--pool', values.pool ?? '20'),
    scale: whole('--scale', values.scale ?? '20'),
    basePort: whole('--base-port', values['base-port'] ?? '15701', 65_500),
    calls: !(values['no-calls'] ?? false),
    expectGoals: expectation(values.expect),
    judge: judge(values.judge ?? 'weir', variants),
    json: values.json,
  }
}

function read(argv: readonly string[]) {
  const string = { type: 'string' } as const
  const boolean = { type: 'boolean' } as const
  try {
    return parseArgs({
      args: [...argv],
      options: {
        rounds: string,
        seconds: string,
        clients: string,
        modes: string,
        megabytes: string,
        peers: string,
        variants: string,
        pool: string,
        scale: string,
        'base-port': string,
        'no-calls': boolean,
        expect: string,
        judge: string,
        json: string,
        quick: boolean,
        help: boolean,
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

const list = (text: string): string[] => text.split(',').map((part) => part.trim())

function whole(option: string, text: string, max = 100_000): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= 1 && value <= max) return value
  throw new UsageError(`${option} got '${text}'; a whole number from 1 to ${max} would be right`)
}

/** Keeps the order of `known`, whatever order was typed. */
function choices<T extends string>(
  option: string,
  known: readonly T[],
  text: string | undefined,
  unasked: readonly T[],
): readonly T[] {
  if (text === undefined) return unasked
  const asked = list(text)
  const wrong = asked.find((name) => !known.includes(name as T))
  if (wrong === undefined) return known.filter((name) => asked.includes(name))
  throw new UsageError(`${option} got '${wrong}'; known are ${known.join(', ')}`)
}

function expectation(text: string | undefined): boolean {
  if (text === undefined) return false
  if (text === 'goals') return true
  throw new UsageError(`--expect got '${text}'; goals would be right`)
}

function judge(row: string, variants: readonly Variant[]): string {
  const rows = ['weir', ...variants.map(({ name }) => `weir+${name}`)]
  if (rows.includes(row)) return row
  throw new UsageError(`--judge got '${row}'; there will be ${rows.join(', ')}`)
}
