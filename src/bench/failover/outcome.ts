/**
 * What a failed request tells its client about itself. Pure. Rule: only an SQLSTATE that a server or
 * proxy gives with the failure can say "nothing happened"; whatever else goes wrong (a broken
 * connection, a client's own timeout, class 08 with a connection that had been there) is unknown.
 */
export interface Failure {
  /** SQLSTATE, or the system's or driver's code where there is none. */
  readonly key: string
  /** False when the request may have been carried out nevertheless. */
  readonly nothingHappened: boolean
  /** True when the connection cannot be used any more. */
  readonly broken: boolean
}

/** Connection failures of which the standard says that there never was a connection. */
const NEVER_CONNECTED = new Set(['08001', '08004'])

/** From what the driver threw. */
export function failureOf(error: unknown): Failure {
  const { code, severity, message } = error as {
    code?: unknown
    severity?: unknown
    message?: string
  }
  const told = typeof severity === 'string' && typeof code === 'string'
  if (told) {
    const lost = code.startsWith('08') && !NEVER_CONNECTED.has(code)
    return { key: code, nothingHappened: !lost, broken: severity !== 'ERROR' }
  }
  const key = typeof code === 'string' ? code : wordFor(message ?? '')
  return { key, nothingHappened: false, broken: true }
}

/** The driver has no codes for these. */
function wordFor(message: string): string {
  if (/read timeout/i.test(message)) return 'client-timeout'
  if (/timeout|timed out/i.test(message)) return 'connect-timeout'
  if (/terminated|closed|ended|not queryable/i.test(message)) return 'connection-closed'
  return 'other'
}
