/**
 * What a pool asks of the things it lends. The pool knows no sockets and no protocol: a member is
 * whatever can say what condition it is in and can be cleaned, closed or destroyed.
 */

/** Why a member left the pool; logs, metrics and the console print these same words. */
export const EVICT_REASONS = [
  'retired',
  'lifetime',
  'idle',
  'idle-limit',
  'broken',
  'replies-owed',
  'reset-failed',
  'budget',
  'draining',
  'forced',
] as const
export type EvictReason = (typeof EVICT_REASONS)[number]

/**
 * In what condition a member comes back.
 *
 * - `clean`: may be lent again as it is.
 * - `unfinished`: what its borrower had asked for still runs; `finished()` tells when it no longer does.
 * - `dirty`: holds somebody's state (open transaction, pinned settings); `reset()` first.
 * - `owes`: replies are still under way that nobody will read; only good for closing.
 * - `cancel-pending`: a cancel request for it is under way; `settled()` tells when it has landed.
 * - `broken`: the link is gone or the stream cannot be trusted.
 */
export type Condition = 'clean' | 'unfinished' | 'dirty' | 'owes' | 'cancel-pending' | 'broken'

export interface Member {
  /** Unique within the process. */
  readonly id: number
  condition(): Condition
  /** Resolves when nothing is left that could still come to its end by itself; never rejects. */
  finished(): Promise<void>
  /** Cleans a dirty member, ending what still runs. Resolves false when that failed; never rejects. */
  reset(): Promise<boolean>
  /** Resolves when no cancel request is under way any more; never rejects. */
  settled(): Promise<void>
  /** Says goodbye and closes. */
  close(reason: EvictReason): void
  /** Tears the link down at once. */
  destroy(reason: EvictReason): void
}

/**
 * One waiting borrower. Exactly one of the two is called, once, unless the wait was cancelled.
 * Callbacks and not a promise: this is the hot path.
 */
export interface Waiter<M> {
  granted(member: M): void
  refused(error: BorrowRefused): void
}

/** A wait in the queue; `cancel` takes it out and neither callback of its waiter will run. */
export interface Wait {
  cancel(): void
}

/**
 * Why a borrow ended without a member.
 *
 * - `retired`: the pool no longer serves; choose a node again and come back (safe, nothing was sent).
 * - `timeout`: the borrow timeout passed.
 * - `nowait`: nothing idle and the caller would not wait.
 * - `draining`: the proxy is stopping.
 * - `cancelled`: the client cancelled or left.
 * - `open-failed`: opening failed in a way that waiting will not mend (bad password, no such database).
 */
export type RefusalReason =
  | 'retired'
  | 'timeout'
  | 'nowait'
  | 'draining'
  | 'cancelled'
  | 'open-failed'

export interface BorrowRefused {
  readonly reason: RefusalReason
  /** A whole sentence: pool, waited, total/active/idle/waiting, last real cause. */
  readonly message: string
  /** What the last failed opening said, when there was one. */
  readonly cause: Error | undefined
}

/** How long a borrower waits: milliseconds, or a word. Never a magic 0. */
export type BorrowTimeout = number | 'nowait' | 'unlimited'
