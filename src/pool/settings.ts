/**
 * What a pool is told and what it tells: settings, the observer that hears of rare events, and the
 * snapshot the console and metrics print. Rule: nothing here is called on the fast path; borrowing
 * an idle member and giving it back only move counters.
 */
import type { Clock } from '../core/clock.ts'
import type { Log } from '../core/log.ts'
import type { TimerWheel } from '../core/timer-wheel.ts'
import type { Budget } from './budget.ts'
import type { EvictReason, RefusalReason } from './member.ts'

export interface PoolSettings {
  /** Most members this pool may have, openings included; undefined: only the node's budget binds. */
  readonly maximum: number | undefined
  /** A member unused for this long counts as idle for `maxIdlePercent` (RDS Proxy: 5 minutes). */
  readonly idleTimeoutMs: number
  /** How many such idle members are kept, in percent of the pool's maximum (0..100). */
  readonly maxIdlePercent: number
  /** Members opened ahead of need and kept through trimming. */
  readonly minIdle: number
  /** Oldest age of a member; `Infinity` for no limit. */
  readonly maxLifetimeMs: number
  /** 0..1: each member's lifetime is shortened by up to this part, so they do not die together. */
  readonly lifetimeSpread: number
  /** Openings in flight at once; a storm of clients must not become a storm of logins. */
  readonly openingsAtOnce: number
  readonly openTimeoutMs: number
  /** How long a returned member may take to be cleaned, or its cancel request to land. */
  readonly cleanTimeoutMs: number
  /**
   * How long what a borrower had asked for may run on when the borrower has left: 0 not at all,
   * `Infinity` to its end.
   */
  readonly orphanTimeoutMs: number
  /** For tests: a borrower gets another member than last time whenever there can be one. */
  readonly rotate: boolean
}

export const DEFAULT_POOL_SETTINGS: PoolSettings = {
  maximum: undefined,
  idleTimeoutMs: 300_000,
  maxIdlePercent: 50,
  minIdle: 0,
  maxLifetimeMs: 3_600_000,
  lifetimeSpread: 0.2,
  openingsAtOnce: 4,
  openTimeoutMs: 10_000,
  cleanTimeoutMs: 5_000,
  orphanTimeoutMs: 5_000,
  rotate: false,
}

export interface PoolOptions<M> {
  /** As people read it: `node-1/app/weir`. */
  name: string
  /**
   * Makes one logged-in, clean member. A WeirError `WEIR_OPEN_REFUSED` says that waiting will not
   * mend it; anything else is tried again while somebody waits.
   */
  open: (signal: AbortSignal) => Promise<M>
  budget: Budget
  clock: Clock
  /** One for all pools; deadlines are as coarse as its tick. */
  wheel: TimerWheel
  /** 0 <= r < 1, for the spread of lifetimes. */
  random: () => number
  settings: PoolSettings
  observer: PoolObserver
  log: Log
}

/** Hears what happens off the fast path; durations are milliseconds. */
export interface PoolObserver {
  /** A borrower that had to queue was served. */
  waited(pool: string, ms: number): void
  refused(pool: string, reason: RefusalReason, waitedMs: number): void
  opened(pool: string, ms: number): void
  /** Also the passive hint that the node may be in trouble. */
  openFailed(pool: string, error: Error, ms: number): void
  evicted(pool: string, reason: EvictReason): void
}

export const silentObserver: PoolObserver = {
  waited: () => {},
  refused: () => {},
  opened: () => {},
  openFailed: () => {},
  evicted: () => {},
}

export type PoolState = 'serving' | 'paused' | 'draining' | 'retired' | 'closed'

/** One pool at one moment; plain data, fit for JSON. `total = idle + leased + held + resetting`. */
export interface PoolStats {
  readonly name: string
  readonly state: PoolState
  readonly epoch: number
  readonly total: number
  readonly idle: number
  readonly leased: number
  /** Returned, waiting for a cancel request to land or for the end of what a client that left had asked for. */
  readonly held: number
  readonly resetting: number
  readonly opening: number
  readonly waiting: number
  /** The lower of the pool's own maximum and the node's budget. */
  readonly maximum: number
  /** Counted since the pool was made. */
  readonly borrowed: number
  readonly opened: number
  readonly openFailed: number
  readonly evicted: Readonly<Record<EvictReason, number>>
  /** How long the first in the queue has waited by now; 0 when nobody waits. */
  readonly oldestWaitMs: number
  /** The longest wait that ended with a member. */
  readonly longestWaitMs: number
  /** What the last opening said if it failed; a good one clears it. */
  readonly lastError: string | undefined
  /** Why it was retired, when it was. */
  readonly retiredBecause: string | undefined
}
