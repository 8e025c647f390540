/**
 * Where secrets come from, seen alike: a name for messages and a way to read them all. Rule: reading
 * gives every secret of the source or fails with words that quote nothing of what it holds.
 */
import { WeirError } from '../core/errors.ts'
import { parseSecrets, readSecretFile, type SecretEntry } from './secret-file.ts'

export interface SecretSource {
  /** For log and messages: `file secrets.json`. */
  readonly name: string
  /** @throws WeirError WEIR_SECRETS */
  read(): Promise<readonly SecretEntry[]>
  /** The file that is to be watched; undefined when there is none. */
  readonly file?: string
  /** How often it is asked anew (ms); undefined: only when it is told, or never. */
  readonly refreshMs?: number
}

export type Environment = Readonly<Record<string, string | undefined>>

export function fileSource(path: string): SecretSource {
  return { name: `file ${path}`, file: path, read: () => readSecretFile(path) }
}

/** A secret that stands in the configuration. */
export function inlineSource(username: string, password: string): SecretSource {
  const entry = { username, password, source: 'auth.secrets' }
  return { name: `auth.secrets (user ${username})`, read: async () => [entry] }
}

/** A variable that holds JSON as a secrets file does. */
export function environmentSource(variable: string, env: Environment): SecretSource {
  const name = `environment variable ${variable}`
  return { name, read: async () => parseSecrets(readVariable(variable, env), name, '') }
}

/** A variable that holds one user's password as it is. */
export function passwordSource(username: string, variable: string, env: Environment): SecretSource {
  const name = `environment variable ${variable}`
  return {
    name,
    read: async () => [{ username, password: readVariable(variable, env), source: name }],
  }
}

function readVariable(variable: string, env: Environment): string {
  const value = env[variable]
  if (value !== undefined && value !== '') return value
  const problem = value === undefined ? 'is not set' : 'is empty'
  throw new WeirError('WEIR_SECRETS', `environment variable ${variable} ${problem}`, {
    sqlstate: 'F0000',
    hint: 'auth.secrets names it; set it where Weir is started.',
  })
}
