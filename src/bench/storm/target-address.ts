/**
 * Where a storm goes: a Postgres URL taken apart. Rule: what a client of libpq would do with the URL
 * is done here too, as far as a storm needs it; a word it does not know is refused, not ignored.
 */
import { TLS_MODES, type TlsMode } from './plan.ts'

export interface TargetAddress {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  readonly tls: TlsMode
}

/** Throws an Error in plain words. @param tls stands above what the URL says */
export function addressOf(url: string, tls?: TlsMode): TargetAddress {
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    throw new Error('write it as postgres://user:password@host:port/database')
  }
  const parsed = new URL(url)
  const user = decodeURIComponent(parsed.username)
  if (user === '' || parsed.hostname === '') throw new Error('the URL names no user or no host')
  const mode = tls ?? parsed.searchParams.get('sslmode') ?? 'prefer'
  const known = TLS_MODES.find((one) => one === mode)
  if (known === undefined) {
    throw new Error(`sslmode ${mode} is none of ${TLS_MODES.join(', ')}; nobody's name is checked`)
  }
  return {
    host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: parsed.port === '' ? 5432 : Number(parsed.port),
    user,
    password: decodeURIComponent(parsed.password),
    database: decodeURIComponent(parsed.pathname.slice(1)) || user,
    tls: known,
  }
}
