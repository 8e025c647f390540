/**
 * Who gets a free member: a needier pool of the same node, the first in line, or nobody yet. Rule: a
 * waiter may borrow and return from inside its callback; whatever comes free meanwhile is lent by
 * the loop that called it, so a line of any length needs no deeper stack.
 */
import type { Budget, Claimant, Heir } from './budget.ts'
import type { Life } from './life.ts'
import type { Line } from './line.ts'
import type { EvictReason } from './member.ts'
import type { Roster, Slot } from './roster.ts'

export interface LendingOptions<M> {
  roster: Roster<M>
  line: Line<M>
  life: Life
  budget: Budget
  claim: Claimant
  evict: (slot: Slot<M>, reason: EvictReason, destroy?: boolean, heir?: Heir) => void
  grow: () => void
}

export class Lending<M> {
  #options: LendingOptions<M>
  #calling = false

  constructor(options: LendingOptions<M>) {
    this.#options = options
  }

  /** Finds a use for a clean member that is not idle yet. `now` is monotonic milliseconds. */
  place(slot: Slot<M>, now: number): void {
    const { roster, line, life, budget, claim, evict } = this.#options
    const waiting = line.length > 0 && life.serves
    // A login just paid for serves a waiter once before a sibling may have its place.
    if (budget.contended && !(waiting && slot.place === 'arriving')) {
      const heir = budget.heirFor(claim, waiting)
      if (heir !== undefined) {
        evict(slot, 'budget', false, heir)
        return
      }
    }
    slot.idleSince = now
    if (!waiting || this.#calling) {
      roster.move(slot, 'idle')
      return
    }
    this.#lend(slot)
    this.lendIdle()
  }

  /** Works out afresh what to do with idle members; a missed event cannot wedge it. */
  lendIdle(): void {
    if (this.#calling) return
    const { roster, line, life, budget, claim, evict, grow } = this.#options
    while (line.length > 0 && life.serves) {
      const slot = roster.takeIdle()
      if (slot === undefined) break
      this.#lend(slot)
    }
    for (let slot = roster.longestIdle; slot; slot = roster.longestIdle) {
      const heir = budget.contended ? budget.heirFor(claim, false) : undefined
      if (heir !== undefined) evict(slot, 'budget', false, heir)
      else if (life.state === 'draining') evict(slot, 'draining')
      else break
    }
    grow()
  }

  #lend(slot: Slot<M>): void {
    const { roster, line } = this.#options
    if (slot.place !== 'leased') roster.move(slot, 'leased')
    const waiter = line.next()!
    this.#calling = true
    try {
      waiter.granted(slot.member)
    } finally {
      this.#calling = false
    }
  }
}
