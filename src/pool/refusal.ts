/**
 * Words for a borrow that got nothing. Rule: whoever reads the message at three in the morning
 * learns which pool, how long, how full it was and what the last real error said.
 */
import type { BorrowRefused, RefusalReason } from './member.ts'
import type { PoolStats } from './settings.ts'

/**
 * @param pool as the refused borrower found it; `waiting` still counts that borrower.
 * @param waitedMs since the borrower began, on this pool or one before.
 */
export function refusal(
  reason: RefusalReason,
  pool: PoolStats,
  waitedMs: number,
  cause: Error | undefined,
): BorrowRefused {
  return { reason, message: message(reason, pool, waitedMs), cause }
}

/** Why a borrower in that pool's line still has nothing: the second half of a sentence. */
export function whyWaiting(pool: PoolStats): string {
  if (pool.state === 'paused') return `pool ${pool.name} is paused`
  if (pool.lastError !== undefined && pool.total === 0) {
    return `pool ${pool.name} cannot open a server connection: ${pool.lastError}`
  }
  const { leased, waiting, opening } = pool
  return `pool ${pool.name} has ${leased} server connections lent, ${opening} being opened, and ${waiting} waiting`
}

function message(reason: RefusalReason, pool: PoolStats, waitedMs: number): string {
  const waited = `${(waitedMs / 1_000).toFixed(1)} s`
  const active = pool.total - pool.idle
  const paused = pool.state === 'paused' ? 'paused; ' : ''
  const counts = `${paused}total ${pool.total}, active ${active}, idle ${pool.idle}, waiting ${pool.waiting}`
  const numbers = pool.lastError === undefined ? counts : `${counts}; last error: ${pool.lastError}`
  switch (reason) {
    case 'timeout':
      return `timed out after ${waited} waiting for a server connection of pool ${pool.name} (${numbers})`
    case 'nowait':
      return `no idle server connection in pool ${pool.name} and the borrow timeout is nowait (${numbers})`
    case 'retired':
      return `pool ${pool.name} was retired: ${pool.retiredBecause ?? 'no reason given'} (waited ${waited}; ${numbers})`
    case 'draining':
      return `pool ${pool.name} is draining and lends no more (waited ${waited}; ${numbers})`
    case 'cancelled':
      return `waiting for a server connection of pool ${pool.name} was cancelled after ${waited} (${numbers})`
    case 'open-failed':
      return `pool ${pool.name} cannot open a server connection: ${pool.lastError ?? 'no cause given'} (waited ${waited}; ${counts})`
    default: {
      const never: never = reason
      return never
    }
  }
}
