/**
 * Watches the event loop the load runs in. Rule: a stall of ours is never taken for a stall of the
 * subject: its length and time are kept, and a round that had a long one says so itself.
 */
export interface Stall {
  /** Wall ms. */
  readonly from: number
  readonly to: number
}

const EVERY = 2
/** A timer that is late by less is the timer's own grain. */
const WORTH_KEEPING = 8

export class StallWatch {
  readonly #now: () => number
  readonly #stalls: Stall[] = []
  #timer: NodeJS.Timeout | undefined
  #last = 0

  constructor(now: () => number) {
    this.#now = now
  }

  start(): void {
    this.#last = this.#now()
    this.#timer = setInterval(() => this.#look(), EVERY)
  }

  stop(): void {
    this.#look()
    clearInterval(this.#timer)
  }

  /** The longest that touches this span (ms). */
  longest(from: number, to: number): number {
    const touching = this.#stalls.filter((stall) => stall.to >= from && stall.from <= to)
    return touching.reduce((most, stall) => Math.max(most, stall.to - stall.from), 0)
  }

  #look(): void {
    const now = this.#now()
    if (now - this.#last > WORTH_KEEPING) this.#stalls.push({ from: this.#last, to: now })
    this.#last = now
  }
}
