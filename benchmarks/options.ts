/**
 * What a benchmark run is asked to do. Rule: a wrong option ends the run before anything is
 * started, with the option, what it got and what would be right.
 */
import { parseArgs } from 'node:util'

export const MODES = ['simple', 'extended', 'prepared', 'connect'] as const
export type Mode = (typeof MODES)[number]

/** In the order they run within a round. */
export const PEERS = ['direct', 'pgbouncer', 'weir'] as const
export type Peer = (typeof PEERS)[number]

export interface BenchOptions {
  readonly rounds: number
  readonly seconds: number
  readonly clients: readonly number[]
  readonly modes: readonly Mode[]
  readonly peers: readonly Peer[]
  /** Server connections each proxy may hold. */
  readonly pool: number
  /** pgbench scale factor: 100,000 rows each. */
  readonly scale: number
  /** Three ports from here on are used, on loopback. */
  readonly basePort: number
  /** File for the whole result as JSON. */
  readonly json: string | undefined
}

export const USAGE = `npm run bench -- [options]

  --rounds N       how often each measurement is repeated          (3)
  --seconds S      length of one measurement                       (5)
  --clients LIST   numbers of pgbench clients                      (1,32,128)
  --modes LIST     of ${MODES.join(', ')}           (all)
  --peers LIST     of ${PEERS.join(', ')}                     (all)
  --pool N         server connections each proxy may hold          (20)
  --scale N        pgbench scale factor                            (10)
  --base-port N    first of three ports on loopback                (15701)
  --json FILE      write everything measured to FILE as JSON
  --quick          one round of 2 s at 1 and 32 clients; for a first look, not for a claim
  --help           this text
`

/** A wrong option; its message is for the person who typed it. */
export class UsageError extends Error {}

/** Reads the command line. Returns undefined when help was asked for. Throws UsageError. */
export function parseOptions(argv: readonly string[]): BenchOptions | undefined {
  const { values } = read(argv)
  if (values.help) return undefined
  const quick = values.quick ?? false
  return {
    rounds: whole('--rounds', values.rounds ?? (quick ? '1' : '3')),
    seconds: whole('--seconds', values.seconds ?? (quick ? '2' : '5')),
    clients: list(values.clients ?? (quick ? '1,32' : '1,32,128')).map((n) =>
      whole('--clients', n),
    ),
    modes: choices('--modes', MODES, values.modes),
    peers: choices('--peers', PEERS, values.peers),
    pool: whole('--pool', values.pool ?? '20'),
    scale: whole('--scale', values.scale ?? '10'),
    basePort: whole('--base-port', values['base-port'] ?? '15701', 65_533),
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
        peers: string,
        pool: string,
        scale: string,
        'base-port': string,
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
): readonly T[] {
  if (text === undefined) return known
  const asked = list(text)
  const wrong = asked.find((name) => !known.includes(name as T))
  if (wrong === undefined) return known.filter((name) => asked.includes(name))
  throw new UsageError(`${option} got '${wrong}'; known are ${known.join(', ')}`)
}
