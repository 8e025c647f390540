/**
 * Where passwords come from, as the program sees it. Rule: paths are absolute and durations are
 * milliseconds; nothing is read here.
 */
import type { FileSettings } from './schema.ts'

/** Where secrets come from; `path` is absolute. */
export type SecretSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'inline'; readonly username: string; readonly password: string }
  /** One user's password, as it stands in a variable. */
  | { readonly kind: 'password'; readonly username: string; readonly variable: string }
  /** A variable that holds what a file would. */
  | { readonly kind: 'environment'; readonly variable: string }
  | {
      readonly kind: 'command'
      readonly argv: readonly string[]
      readonly timeoutMs: number
      readonly refreshMs: number
    }
  | {
      readonly kind: 'manager'
      readonly secretId: string
      readonly region: string | undefined
      readonly endpoint: string | undefined
      readonly refreshMs: number
    }

/** How users are looked up on a node. */
export interface QuerySettings {
  readonly user: string
  readonly database: string
  readonly query: string
  readonly cacheMs: number
  readonly negativeCacheMs: number
  readonly keepMs: number
  readonly timeoutMs: number
  readonly connections: number
}

type FileAuth = FileSettings['auth']

/** @param beside makes a file name absolute */
export function settleSecret(
  secret: FileAuth['secrets'][number],
  beside: (name: string) => string,
): SecretSource {
  if (typeof secret === 'string') return { kind: 'file', path: beside(secret) }
  if ('password' in secret) {
    return { kind: 'inline', username: secret.username, password: secret.password }
  }
  if ('passwordEnv' in secret) {
    return { kind: 'password', username: secret.username, variable: secret.passwordEnv }
  }
  if ('env' in secret) return { kind: 'environment', variable: secret.env }
  if ('command' in secret) {
    const { command: argv, timeout: timeoutMs, refresh: refreshMs } = secret
    return { kind: 'command', argv, timeoutMs, refreshMs }
  }
  const { secretId, region, endpoint, refresh: refreshMs } = secret.secretsManager
  return { kind: 'manager', secretId, region, endpoint, refreshMs }
}

export function settleQuery(query: FileAuth['query']): QuerySettings | undefined {
  if (query === undefined) return undefined
  const { cache, negativeCache, keep, timeout, ...rest } = query
  return {
    ...rest,
    cacheMs: cache,
    negativeCacheMs: negativeCache,
    keepMs: keep,
    timeoutMs: timeout,
  }
}
