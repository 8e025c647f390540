/**
 * The soak: many random clients over one port, each against its own model, until so many statements
 * have run. Rule: it knows nothing of what listens on the port, so the same crowd may be sent straight
 * to a server to find out whether the models are right.
 */
import { type Difference, Guest } from './guest.ts'
import { LOGIN } from './settings-table.ts'
import { defaultsOf } from './stage.ts'

export interface SoakOptions {
  readonly port: number
  /** Of a direct connection, for the defaults. */
  readonly direct: string
  readonly clients: number
  readonly statements: number
  readonly seed: number
  readonly prepareSql: boolean
  readonly sequences: boolean
  /** Told now and then. */
  readonly onProgress?: (statements: number) => void
}

export interface SoakReport {
  readonly statements: number
  readonly seconds: number
  readonly sessions: number
  readonly differences: readonly Difference[]
  /** Reports of a setting that the client knew already. */
  readonly repeated: number
}

export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { port, direct, clients, seed, prepareSql, sequences } = options
  const defaults = await defaultsOf(direct)
  let statements = 0
  let told = 0
  const differences: Difference[] = []
  const goOn = (more: number): boolean => {
    statements += more
    if (statements - told >= 10_000) {
      told = statements
      options.onProgress?.(statements)
    }
    return statements < options.statements && differences.length < 4
  }
  const line = { port, user: LOGIN, password: 'weir', database: 'app' }
  const guests = Array.from(
    { length: clients },
    (_, client) =>
      new Guest({
        line,
        seed: seed * 1_000 + client,
        client,
        defaults,
        prepareSql,
        sequences,
        goOn,
      }),
  )
  const start = performance.now()
  await Promise.all(
    guests.map(async (guest) => {
      const difference = await guest.live()
      if (difference !== undefined) differences.push(difference)
    }),
  )
  return {
    statements,
    seconds: (performance.now() - start) / 1_000,
    sessions: guests.reduce((n, { sessions }) => n + sessions, 0),
    repeated: guests.reduce((n, { repeated }) => n + repeated, 0),
    differences,
  }
}
