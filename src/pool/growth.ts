/**
 * When a pool opens another member. Rule: openings follow the waiters. There are never more in
 * flight than borrowers in line, nor more than a few, nor more places than the pool's maximum and
 * the node's budget allow; after a failure there is a pause. So a storm of clients never becomes a
 * storm of logins. It speaks for the pool before the budget.
 */
import type { Clock } from '../core/clock.ts'
import type { TimerWheel } from '../core/timer-wheel.ts'
import type { Budget, Claimant } from './budget.ts'
import type { Life } from './life.ts'
import type { Line } from './line.ts'
import type { Member } from './member.ts'
import { Openings } from './openings.ts'
import type { Roster } from './roster.ts'
import type { PoolSettings } from './settings.ts'

export interface GrowthOptions<M> {
  open: (signal: AbortSignal) => Promise<M>
  clock: Clock
  wheel: TimerWheel
  budget: Budget
  settings: () => PoolSettings
  roster: Roster<M>
  line: Line<M>
  life: Life
  giveUpIdle: () => void
  arrived: (member: M, epoch: number, tookMs: number) => void
  failed: (error: Error, tookMs: number) => void
}

export class Growth<M extends Member> {
  readonly claim: Claimant
  #options: GrowthOptions<M>
  #openings: Openings<M>

  constructor(options: GrowthOptions<M>) {
    const { open, clock, wheel, arrived, failed, budget, roster, line } = options
    this.#options = options
    this.#openings = new Openings({ open, clock, wheel, opened: arrived, failed })
    this.claim = {
      places: () => roster.total + this.#openings.size,
      wants: () => this.#wants(0) && !this.#openings.resting,
      grow: () => this.grow(),
      hungrySince: () => line.hungrySince,
      longestIdleSince: () => roster.longestIdle?.idleSince,
      giveUpIdle: options.giveUpIdle,
    }
    budget.join(this.claim)
  }

  /** Openings in flight. */
  get opening(): number {
    return this.#openings.size
  }

  /** The lower of the pool's own maximum and the node's budget. */
  get maximum(): number {
    return Math.min(this.#options.settings().maximum ?? Infinity, this.#options.budget.limit)
  }

  /** Opens what the line needs; `extra` counts a borrower that would not wait. */
  grow(extra = 0): void {
    while (this.#wants(extra)) {
      if (this.#openings.resting) {
        if (this.#options.line.length > 0) this.#openings.afterRest(() => this.grow())
        return
      }
      if (!this.#options.budget.tryTake(this.claim)) return
      this.#start()
    }
  }

  /** True when a borrower that would rather wait for a new member than take an idle one gets it. */
  get couldOpen(): boolean {
    const { budget, life } = this.#options
    if (!life.serves || this.#openings.resting) return false
    return this.claim.places() < this.maximum && budget.taken < budget.limit
  }

  /** Opens up to `count` ahead of need, out of places that lie free. */
  stock(count: number): void {
    const { settings, budget, life } = this.#options
    if (!life.serves || this.#openings.resting) return
    let left = Math.min(count, settings().openingsAtOnce) - this.#openings.size
    while (left-- > 0 && this.claim.places() < this.maximum && budget.tryTake(this.claim, true)) {
      this.#start()
    }
  }

  /** Asks every opening to stop; each keeps its place until it has. */
  abort(why: Error): void {
    this.#openings.abort(why)
  }

  #wants(extra: number): boolean {
    const { line, life, settings } = this.#options
    return (
      line.length + extra > this.#openings.size &&
      life.serves &&
      this.#openings.size < settings().openingsAtOnce &&
      this.claim.places() < (settings().maximum ?? Infinity)
    )
  }

  #start(): void {
    this.#openings.start(this.#options.life.epoch, this.#options.settings().openTimeoutMs)
  }
}
