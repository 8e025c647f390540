/**
 * Words for a borrow that got nothing. Rule: whoever reads the message at three in the morning
 * learns which pool, how long, how full it was and what the last real error said.
 */
import type { BorrowRefused, RefusalReason } from './member.ts'

/** The pool as its refused borrower found it; `waiting` counts that borrower too. */
export interface PoolPicture {
  readonly name: string
  readonly total: number
  readonly active: number
  readonly idle: number
  readonly waiting: number
  readonly lastError: Error | undefined
  /** Why it was retired, when it was. */
  readonly why: string | undefined
}

/** @param waitedMs since the borrower began, on this pool or one before. */
export function refusal(reason: RefusalReason, pool: PoolPicture, waitedMs: number): BorrowRefused {
  return { reason, message: message(reason, pool, waitedMs), cause: pool.lastError }
}

function message(reason: RefusalReason, pool: PoolPicture, waitedMs: number): string {
  const waited = `${(waitedMs / 1_000).toFixed(1)} s`
  const numbers = `total ${pool.total}, active ${pool.active}, idle ${pool.idle}, waiting ${pool.waiting}`
  const last = pool.lastError === undefined ? '' : `; last error: ${pool.lastError.message}`
  switch (reason) {
    case 'timeout':
      return `timed out after ${waited} waiting for a server connection of pool ${pool.name} (${numbers}${last})`
    case 'nowait':
      return `no idle server connection in pool ${pool.name} and the borrow timeout is nowait (${numbers}${last})`
    case 'retired':
      return `pool ${pool.name} was retired: ${pool.why ?? 'no reason given'} (waited ${waited}, ${numbers}${last})`
    case 'draining':
      return `pool ${pool.name} is draining and lends no more (waited ${waited}, ${numbers}${last})`
    case 'cancelled':
      return `waiting for pool ${pool.name} was cancelled after ${waited} (${numbers}${last})`
    case 'open-failed':
      return `pool ${pool.name} cannot open a server connection: ${pool.lastError?.message ?? 'no cause given'} (waited ${waited}, ${numbers})`
    default: {
      const never: never = reason
      return never
    }
  }
}
