/**
 * How a greeting says no: a reason for us, words for the client. Rule: wherever Postgres has words
 * for a case, clients get those; nothing here tells whether a user exists.
 */
import type { TokenFault } from '../../auth/tokens.ts'
import { WeirError } from '../../core/errors.ts'
import { errorResponse } from '../../wire/postgres/backend.ts'
import type { ErrorFields } from '../../wire/postgres/error-fields.ts'
import { ProtocolError } from '../../wire/postgres/protocol-error.ts'
import type { RefusalReason, Refused } from './greet-step.ts'
import { HTTP_ANSWER, TLS_ALERT } from './greet-stranger.ts'
import { fatalBytes } from './refusal.ts'

export function refusal(reason: RefusalReason, fields: Omit<ErrorFields, 'severity'>): Refused {
  const bytes = errorResponse({ severity: 'FATAL', ...fields })
  return { kind: 'refused', bytes, reason, message: fields.message }
}

/** What readers and proofs throw about a client's bytes; anything else is our bug and thrown on. */
export function refusalFor(error: unknown): Refused {
  if (error instanceof ProtocolError) {
    return refusal('login-message', { code: error.sqlstate, message: error.message })
  }
  if (error instanceof WeirError) {
    const { sqlstate: code, message, detail } = error
    const reason = error.code === 'WEIR_SCRAM_BINDING' ? 'channel-binding' : 'login-message'
    return refusal(reason, { code, message, detail })
  }
  throw error
}

/** Nobody may come in, whoever it is. */
export function refuseEntry(reason: RefusalReason, error: WeirError): Refused {
  return { kind: 'refused', bytes: fatalBytes(error), reason, message: error.message }
}

export function refuseHttp(): Refused {
  const message = 'an HTTP request on a Postgres port'
  return { kind: 'refused', bytes: HTTP_ANSWER, reason: 'http', message }
}

/** A driver told to end before it had begun; nobody listens any more, and Postgres says nothing. */
export function refuseGoodbye(): Refused {
  const message = 'a goodbye instead of a startup packet'
  return { kind: 'refused', bytes: Buffer.alloc(0), reason: 'junk', message }
}

/** The start of a Terminate message; as the length of a startup packet it is above a gigabyte. */
export function isGoodbye(bytes: Buffer): boolean {
  return bytes.readUInt32BE(0) === 0x58_00_00_00
}

/** @param inTls TLS is up already, so an alert of its own would be noise inside it */
export function refuseDirectTls(inTls: boolean): Refused {
  const bytes = inTls ? Buffer.alloc(0) : TLS_ALERT
  const message = 'a TLS handshake where none was agreed on'
  return { kind: 'refused', bytes, reason: 'direct-tls', message }
}

/** A second request for encryption is read as a protocol version, as Postgres does. */
export function refuseRepeated(version: '1234.5679' | '1234.5680'): Refused {
  const message = `unsupported frontend protocol ${version}: server supports 3.0 to 3.2`
  return refusal('unsupported-protocol', { code: '0A000', message })
}

/** Taken as if they had come through TLS, these bytes could be an attacker's (CVE-2021-23214). */
export function refuseEarlyBytes(): Refused {
  return refusal('tls-early-bytes', {
    code: '08P01',
    message: 'received unencrypted data after SSL request',
    detail: 'Either the client has a bug or somebody in between tries to slip in data.',
  })
}

export function refuseWithoutTls(): Refused {
  return refusal('tls-required', {
    code: '28000',
    message: 'this endpoint accepts TLS connections only',
    hint: 'Connect with sslmode=require or stricter.',
  })
}

export function refuseWithoutMethod(): Refused {
  return refusal('auth-method', {
    code: '28000',
    message: 'no authentication method may be used for this connection',
    hint: 'Method "trust" is for loopback only; configure "scram-sha-256" beside it.',
  })
}

export function refuseLookup(user: string): Refused {
  return refusal('lookup-failed', { code: '58000', message: `could not look up user "${user}"` })
}

/** Before anything is asked that must not travel in clear. */
export function refuseTokenInClear(): Refused {
  return refusal('token-without-tls', {
    code: '28000',
    message: 'IAM authentication is allowed only with SSL connections.',
    hint: 'Connect with sslmode=require or stricter.',
  })
}

/**
 * In the words of RDS Proxy, the same whatever was wrong.
 * @param why for us: what was wrong, and a few words about it
 */
export function refuseToken(user: string, fault: TokenFault | 'missing', why: string): Refused {
  const message = `The IAM authentication failed for the role ${user}. Check the IAM token for this role and try again.`
  const { bytes } = refusal('auth-failed', { code: '28P01', message })
  return { kind: 'refused', bytes, reason: `token-${fault}`, message: `${message} (${why})` }
}

/** Told only to those who hold a key for this name. */
export function refuseUnknownBearer(user: string): Refused {
  const message = `This proxy has no credentials for the role ${user}. Check the credentials for this role and try again.`
  return refusal('no-credentials', { code: '28000', message })
}

/** Wrong password and unknown user alike. */
export function refuseProof(user: string): Refused {
  const message = `password authentication failed for user "${user}"`
  return refusal('auth-failed', { code: '28P01', message })
}
