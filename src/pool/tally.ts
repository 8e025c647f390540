/**
 * The counts of one pool and its voice: whatever happens off the fast path is counted here and told
 * to the observer in one place. Counters change with no await between check and change: that is the
 * lock.
 */
import { messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { EVICT_REASONS, type EvictReason, type RefusalReason } from './member.ts'
import type { PoolObserver } from './settings.ts'

export class Tally {
  readonly #pool: string
  #observer: PoolObserver
  #log: Log
  borrowed = 0
  opened = 0
  openFailed = 0
  longestWaitMs = 0
  readonly evictions = Object.fromEntries(EVICT_REASONS.map((r) => [r, 0])) as Record<
    EvictReason,
    number
  >
  /** What the last opening said if it failed; a good one clears it. */
  lastError: Error | undefined

  constructor(pool: string, observer: PoolObserver, log: Log) {
    this.#pool = pool
    this.#observer = observer
    this.#log = log
  }

  waited(ms: number): void {
    this.borrowed++
    if (ms > this.longestWaitMs) this.longestWaitMs = ms
    this.#observer.waited(this.#pool, ms)
  }

  refused(reason: RefusalReason, waitedMs: number): void {
    this.#observer.refused(this.#pool, reason, waitedMs)
  }

  arrived(tookMs: number): void {
    this.opened++
    this.lastError = undefined
    this.#observer.opened(this.#pool, tookMs)
  }

  failed(error: Error, tookMs: number): void {
    this.openFailed++
    this.lastError = error
    this.#log.warn(
      { pool: this.#pool, error: messageOf(error) },
      'opening a server connection failed',
    )
    this.#observer.openFailed(this.#pool, error, tookMs)
  }

  evicted(reason: EvictReason): void {
    this.evictions[reason]++
    this.#observer.evicted(this.#pool, reason)
  }

  retired(why: string): void {
    this.#log.info({ pool: this.#pool, why }, 'pool retired')
  }
}
