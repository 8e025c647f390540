/**
 * Errors that leave a room. Each answers two questions: which stable code is it (nobody matches
 * text), and is it safe to try again. `sqlstate` is what a Postgres client is told.
 */
export interface WeirErrorOptions {
  /** Five characters, for a Postgres client. Default XX000. */
  sqlstate?: string
  /** True when nothing was done that a second try could do twice. */
  retryable?: boolean
  /** What to do next, in plain words. */
  hint?: string
  detail?: string
  cause?: unknown
}

export class WeirError extends Error {
  readonly code: string
  readonly sqlstate: string
  readonly retryable: boolean
  readonly hint: string | undefined
  readonly detail: string | undefined

  /** @param code stable, `WEIR_...` */
  constructor(code: string, message: string, options: WeirErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'WeirError'
    this.code = code
    this.sqlstate = options.sqlstate ?? 'XX000'
    this.retryable = options.retryable ?? false
    this.hint = options.hint
    this.detail = options.detail
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map(messageOf).join('; ')
  }
  return error instanceof Error ? error.message : String(error)
}
