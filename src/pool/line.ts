/**
 * The borrowers in line and the words for those who leave it with nothing. Rule: whoever is refused
 * has left the line before being told, so a borrower that comes back at once is a new one.
 */
import type { Clock } from '../core/clock.ts'
import type { TimerWheel } from '../core/timer-wheel.ts'
import type { RefusalReason, Waiter } from './member.ts'
import { refusal } from './refusal.ts'
import type { PoolStats } from './settings.ts'
import type { Tally } from './tally.ts'
import { type QueuedWait, WaitQueue } from './wait-queue.ts'

export interface LineOptions {
  clock: Clock
  wheel: TimerWheel
  tally: Tally
  /** How the pool looks, for the message of a refusal. */
  stats: () => PoolStats
  /** The last one has left. */
  emptied: () => void
}

export class Line<M> {
  #options: LineOptions
  #queue: WaitQueue<M>
  #lastServedAt = -Infinity

  constructor(options: LineOptions) {
    this.#options = options
    this.#queue = new WaitQueue<M>(
      options.wheel,
      (wait) => this.refuse(wait, 'timeout'),
      options.emptied,
    )
  }

  get length(): number {
    return this.#queue.size
  }

  /** How long the first in line has waited, here and on pools before; 0 when nobody waits. */
  get oldestWaitMs(): number {
    const head = this.#queue.head
    return head === undefined ? 0 : this.#options.clock.monotonic() - head.startedAt
  }

  /** Since when those in line got nothing; Infinity when nobody waits. */
  get hungrySince(): number {
    return Math.max(this.#queue.head?.queuedAt ?? Infinity, this.#lastServedAt)
  }

  /** @param forMs milliseconds left to wait; undefined waits for ever. */
  join(wait: QueuedWait<M>, forMs: number | undefined): void {
    this.#queue.push(wait, forMs)
  }

  /** Takes the first out of line, to be given a member. */
  next(): Waiter<M> | undefined {
    const wait = this.#queue.shift()
    if (wait === undefined) return undefined
    this.#lastServedAt = this.#options.clock.monotonic()
    this.#options.tally.waited(this.#lastServedAt - wait.startedAt)
    return wait.waiter
  }

  refuse(wait: QueuedWait<M>, reason: RefusalReason): void {
    const { clock, tally, stats } = this.#options
    const waitedMs = clock.monotonic() - wait.startedAt
    const error = refusal(reason, stats(), waitedMs, tally.lastError)
    this.#queue.remove(wait)
    tally.refused(reason, waitedMs)
    wait.waiter.refused(error)
  }

  /** Refuses those in line now; one that borrows again at once is not refused twice. */
  refuseAll(reason: RefusalReason): void {
    for (let left = this.#queue.size; left > 0; left--) {
      const head = this.#queue.head
      if (head !== undefined) this.refuse(head, reason)
    }
  }
}
