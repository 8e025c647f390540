/**
 * Returned members that are not fit to lend yet: a dirty one is reset, one with a cancel request
 * under way is held until that has landed, one that still works for a borrower who has left is given
 * some time to finish and is then reset. Rule: each ends within a time limit, as ready for another
 * look or as failed, and never both; a member that dies meanwhile is simply forgotten.
 */
import { Deadline, type TimerWheel } from '../core/timer-wheel.ts'
import type { EvictReason, Member } from './member.ts'
import type { Roster, Slot } from './roster.ts'
import type { PoolSettings } from './settings.ts'

/** A member that is not clean after so many rounds never will be. */
const MOST_ROUNDS = 8

export interface CleaningOptions<M> {
  roster: Roster<M>
  wheel: TimerWheel
  settings: () => Pick<PoolSettings, 'cleanTimeoutMs' | 'orphanTimeoutMs'>
  /** Look at its condition again. */
  ready: (slot: Slot<M>) => void
  failed: (slot: Slot<M>, reason: EvictReason) => void
}

export class Cleaning<M extends Member> {
  #options: CleaningOptions<M>

  constructor(options: CleaningOptions<M>) {
    this.#options = options
  }

  reset(slot: Slot<M>): void {
    if (!this.#begin(slot, 'resetting', 'reset-failed')) return
    void slot.member.reset().then((clean) => {
      if (slot.place !== 'resetting') return
      this.forget(slot)
      if (clean) this.#options.ready(slot)
      else this.#options.failed(slot, 'reset-failed')
    })
  }

  hold(slot: Slot<M>): void {
    if (!this.#begin(slot, 'held', 'broken')) return
    void slot.member.settled().then(() => {
      if (slot.place !== 'held') return
      this.forget(slot)
      this.#options.ready(slot)
    })
  }

  /** Lets it finish, and resets it then or when its time is over. */
  finish(slot: Slot<M>): void {
    const { orphanTimeoutMs } = this.#options.settings()
    if (orphanTimeoutMs <= 0) {
      this.reset(slot)
      return
    }
    const over = (): void => {
      if (slot.place !== 'held' || slot.rounds !== round) return
      this.forget(slot)
      this.reset(slot)
    }
    if (!this.#begin(slot, 'held', 'broken', orphanTimeoutMs, over)) return
    const round = slot.rounds
    void slot.member.finished().then(over)
  }

  /** Disarms its time limit; for a slot that left. */
  forget(slot: Slot<M>): void {
    if (slot.deadline === undefined) return
    this.#options.wheel.cancel(slot.deadline)
    slot.deadline = undefined
  }

  #begin(
    slot: Slot<M>,
    place: 'held' | 'resetting',
    onTimeout: EvictReason,
    timeoutMs = this.#options.settings().cleanTimeoutMs,
    over = () => this.#options.failed(slot, onTimeout),
  ): boolean {
    const { roster, wheel, failed } = this.#options
    if (++slot.rounds > MOST_ROUNDS) {
      failed(slot, onTimeout)
      return false
    }
    if (slot.place !== place) roster.move(slot, place)
    if (timeoutMs === Infinity) return true
    slot.deadline = new Deadline(over)
    wheel.arm(slot.deadline, timeoutMs)
    return true
  }
}
