/**
 * The counts of one pool and its voice: whatever happens off the fast path is counted here and told
 * to the observer in one place. Counters change with no await between check and change: that is the
 * lock.
 */
import { messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { EVICT_REASONS, type EvictReason, type RefusalReason } from './member.ts'
import type { PoolObserver, PoolStats } from './settings.ts'

type Counts = Pick<
  PoolStats,
  'borrowed' | 'opened' | 'openFailed' | 'evicted' | 'longestWaitMs' | 'lastError'
>

export class Tally {
  readonly #pool: string
  #observer: PoolObserver
  #log: Log
  /** Also moved by the fast path, which tells nobody. */
  borrowed = 0
  #opened = 0
  #openFailed = 0
  #longestWaitMs = 0
  #evicted = Object.fromEntries(EVICT_REASONS.map((r) => [r, 0])) as Record<EvictReason, number>
  /** What the last opening said if it failed; a good one clears it. */
  lastError: Error | undefined

  constructor(pool: string, observer: PoolObserver, log: Log) {
    this.#pool = pool
    this.#observer = observer
    this.#log = log
  }

  snapshot(): Counts {
    return {
      borrowed: this.borrowed,
      opened: this.#opened,
      openFailed: this.#openFailed,
      evicted: { ...this.#evicted },
      longestWaitMs: this.#longestWaitMs,
      lastError: this.lastError === undefined ? undefined : messageOf(this.lastError),
    }
  }

  waited(ms: number): void {
    this.borrowed++
    if (ms > this.#longestWaitMs) this.#longestWaitMs = ms
    this.#observer.waited(this.#pool, ms)
  }

  refused(reason: RefusalReason, waitedMs: number): void {
    this.#observer.refused(this.#pool, reason, waitedMs)
  }

  arrived(tookMs: number): void {
    this.#opened++
    this.lastError = undefined
    this.#observer.opened(this.#pool, tookMs)
  }

  failed(error: Error, tookMs: number): void {
    this.#openFailed++
    this.lastError = error
    this.#log.warn(
      { pool: this.#pool, error: messageOf(error) },
      'opening a server connection failed',
    )
    this.#observer.openFailed(this.#pool, error, tookMs)
  }

  evicted(reason: EvictReason): void {
    this.#evicted[reason]++
    this.#observer.evicted(this.#pool, reason)
  }

  retired(why: string): void {
    this.#log.info({ pool: this.#pool, why }, 'pool retired')
  }
}
