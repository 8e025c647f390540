/**
 * Judges tokens: whether one was signed with an access key we know, for this proxy, this region and
 * this user, and is in its 15 minutes. Rules: a client is never told which of it was wrong; an unknown
 * key costs as much time as a known one with a wrong signature; no way of printing this object shows a
 * secret.
 */
import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { sameBytes } from './equal.ts'
import { type AccessKey, signatureOf } from './token-signing.ts'
import { readToken, type TokenText, type UnreadableToken } from './token-text.ts'

/** One who may sign tokens, and for whom. */
export interface TokenKey extends AccessKey {
  /** Names of users it may log in; `*` in one stands for any characters. */
  readonly users: readonly string[]
  /** Temporary credentials end then (wall clock, ms). */
  readonly until?: number | undefined
}

/** What tokens must say to be for us. */
export interface TokenAudience {
  readonly region: string
  /** `name`, with any of `ports`, or `name:port`; lower case. */
  readonly hosts: readonly string[]
  readonly ports: readonly number[]
  /** How far the clocks of whoever signs may be ahead (ms); behind, it only shortens their tokens. */
  readonly clockSkewMs: number
}

/** Why a token was refused; log, metric and audit print these behind `token-`. */
export type TokenFault =
  | UnreadableToken['fault']
  | 'user'
  | 'host'
  | 'port'
  | 'region'
  | 'not-yet-valid'
  | 'expired'
  | 'unknown-key'
  | 'session-token'
  | 'signature'
  | 'key-expired'
  | 'key-not-for-user'

export type TokenVerdict =
  | { readonly kind: 'good'; readonly accessKeyId: string }
  | {
      readonly kind: 'refused'
      readonly fault: TokenFault
      /** For the log; holds nothing secret and quotes nothing that was sent. */
      readonly detail: string
      /** The key it says it was signed with; undefined where none could be read. */
      readonly accessKeyId: string | undefined
    }

/** What a login needs of this room. */
export interface TokenJudge {
  /** @param user the one who logs in; a token of another is refused */
  judge(text: string, user: string): Promise<TokenVerdict>
}

export class Tokens implements TokenJudge {
  #keys = new Map<string, TokenKey>()
  #audience: TokenAudience
  #now: () => number
  /** Stands in for the secret of keys that nobody knows. */
  #noSecret = randomBytes(30).toString('base64')

  /** @param now wall clock, ms */
  constructor(keys: readonly TokenKey[], audience: TokenAudience, now: () => number) {
    this.#audience = audience
    this.#now = now
    this.replace(keys, audience)
  }

  /** Takes these in place of all before. */
  replace(keys: readonly TokenKey[], audience: TokenAudience): void {
    this.#keys = new Map(keys.map((key) => [key.accessKeyId, key]))
    this.#audience = audience
  }

  get size(): number {
    return this.#keys.size
  }

  async judge(text: string, user: string): Promise<TokenVerdict> {
    const token = readToken(text)
    if ('fault' in token) return { kind: 'refused', ...token, accessKeyId: undefined }
    const { accessKeyId } = token
    const refuse = (fault: TokenFault, detail: string): TokenVerdict => ({
      kind: 'refused',
      ...{ fault, detail, accessKeyId },
    })
    const elsewhere = this.#misdirected(token, user)
    if (elsewhere !== undefined) return refuse(...elsewhere)
    const { signedAt, lifetimeS } = token
    const { clockSkewMs } = this.#audience
    const now = this.#now()
    if (signedAt > now + clockSkewMs) {
      return refuse('not-yet-valid', `signed ${seconds(signedAt - now)} ahead of this clock`)
    }
    const lateMs = now - (signedAt + lifetimeS * 1_000)
    if (lateMs >= 0) return refuse('expired', `expired ${seconds(lateMs)} ago`)

    const key = this.#keys.get(accessKeyId)
    // What is compared is always a signature, and one is always made.
    const expected = await signatureOf(token, {
      accessKeyId,
      secretAccessKey: key?.secretAccessKey ?? this.#noSecret,
      sessionToken: token.sessionToken,
    })
    const fits = sameBytes(Buffer.from(expected), Buffer.from(token.signature))
    if (key === undefined) return refuse('unknown-key', 'no key of auth.iam.accessKeys')
    if (!fits) return refuse('signature', 'not signed with the secret of its key')
    if (!sameSession(key.sessionToken, token.sessionToken)) {
      return refuse('session-token', 'not of the session that its key belongs to')
    }
    if (key.until !== undefined && now > key.until) {
      return refuse('key-expired', `its key expired ${seconds(now - key.until)} ago`)
    }
    if (!key.users.some((pattern) => fitsName(pattern, user))) {
      return refuse('key-not-for-user', 'its key may not log in this user')
    }
    return { kind: 'good', accessKeyId }
  }

  /** For whom else it was made. */
  #misdirected(token: TokenText, user: string): [TokenFault, string] | undefined {
    const { region, hosts, ports } = this.#audience
    if (token.user !== user) return ['user', 'signed for another user']
    const host = token.host.toLowerCase().replace(/^\[|\]$/g, '')
    const whole = host.includes(':') ? `[${host}]:${token.port}` : `${host}:${token.port}`
    if (!hosts.includes(whole)) {
      if (!hosts.includes(host)) return ['host', 'signed for a host that is not in auth.iam.hosts']
      if (!ports.includes(token.port)) return ['port', 'signed for a port of no endpoint']
    }
    if (token.region !== region) return ['region', `signed for another region than ${region}`]
    return undefined
  }

  toJSON(): string {
    return `Tokens(${this.#keys.size} keys)`
  }

  [inspect.custom](): string {
    return this.toJSON()
  }
}

function sameSession(ours: string | undefined, theirs: string | undefined): boolean {
  if (ours === undefined || theirs === undefined) return ours === theirs
  return sameBytes(Buffer.from(ours), Buffer.from(theirs))
}

/** Whether `pattern` means `name`; `*` stands for any characters. Takes time as both are long, no more. */
export function fitsName(pattern: string, name: string): boolean {
  const parts = pattern.split('*')
  const first = parts[0]!
  if (parts.length === 1) return name === pattern
  const last = parts.at(-1)!
  if (name.length < first.length + last.length) return false
  if (!name.startsWith(first) || !name.endsWith(last)) return false
  let at = first.length
  const end = name.length - last.length
  for (const part of parts.slice(1, -1)) {
    const found = name.indexOf(part, at)
    if (found < 0 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 1_000)} s`
}
