/**
 * The borrowers that wait, first come first served. Rule: whoever leaves the queue (served, refused,
 * timed out, cancelled) leaves once and takes its deadline along, so nobody is called twice and no
 * timer is left behind.
 *
 *   head -> [wait] <-> [wait] <-> [wait] <- tail      cancelling in the middle is O(1)
 */
import { Deadline, type TimerWheel } from '../core/timer-wheel.ts'
import type { Wait, Waiter } from './member.ts'

export class QueuedWait<M> implements Wait {
  readonly waiter: Waiter<M>
  /** When the borrower began, which may be before it came to this pool. */
  readonly startedAt: number
  /** When it joined this queue. */
  readonly queuedAt: number
  queue: WaitQueue<M> | undefined
  previous: QueuedWait<M> | undefined
  next: QueuedWait<M> | undefined
  deadline: Deadline | undefined

  constructor(waiter: Waiter<M>, startedAt: number, queuedAt: number) {
    this.waiter = waiter
    this.startedAt = startedAt
    this.queuedAt = queuedAt
  }

  cancel(): void {
    this.queue?.remove(this)
  }
}

export class WaitQueue<M> {
  #wheel: TimerWheel
  #expired: (wait: QueuedWait<M>) => void
  #emptied: () => void
  #head: QueuedWait<M> | undefined
  #tail: QueuedWait<M> | undefined
  #size = 0

  /**
   * @param expired called when a wait's time is up; the wait is still in the queue then.
   * @param emptied called when the last one has left.
   */
  constructor(wheel: TimerWheel, expired: (wait: QueuedWait<M>) => void, emptied: () => void) {
    this.#wheel = wheel
    this.#expired = expired
    this.#emptied = emptied
  }

  get size(): number {
    return this.#size
  }

  get head(): QueuedWait<M> | undefined {
    return this.#head
  }

  /** @param forMs milliseconds left to wait; undefined waits for ever. */
  push(wait: QueuedWait<M>, forMs: number | undefined): void {
    wait.queue = this
    wait.previous = this.#tail
    if (this.#tail === undefined) this.#head = wait
    else this.#tail.next = wait
    this.#tail = wait
    this.#size++
    if (forMs === undefined) return
    wait.deadline = new Deadline(() => this.#expired(wait))
    this.#wheel.arm(wait.deadline, forMs)
  }

  shift(): QueuedWait<M> | undefined {
    const head = this.#head
    if (head !== undefined) this.remove(head)
    return head
  }

  remove(wait: QueuedWait<M>): void {
    if (wait.queue !== this) return
    if (wait.previous === undefined) this.#head = wait.next
    else wait.previous.next = wait.next
    if (wait.next === undefined) this.#tail = wait.previous
    else wait.next.previous = wait.previous
    wait.queue = undefined
    wait.previous = undefined
    wait.next = undefined
    this.#size--
    if (wait.deadline !== undefined) this.#wheel.cancel(wait.deadline)
    if (this.#size === 0) this.#emptied()
  }
}
