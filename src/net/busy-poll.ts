/**
 * Looks for the next bytes again and again, for a moment, instead of sleeping until the kernel wakes
 * us: whoever sleeps answers several microseconds later, at each step. Rule: only while one client
 * and one server connection are all that is read, and only when bytes have lately come within that
 * moment; a busy, an idle and a slow Weir sleep as ever.
 *
 *   read client, read server, read client ... 32 times in time ──> looks ──> nothing in time ──> sleeps
 */

/** So many reads in a row must have come in time, from the same two links, before it begins. */
const STEADY_READS = 32

export interface BusyPollParts {
  /** Longest time to look (ms). */
  readonly limitMs: number
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Calls back in the next turn of the event loop, which then does not sleep. */
  readonly soon: (fn: () => void) => void
}

export class BusyPoll {
  #parts: BusyPollParts
  #one: unknown
  #other: unknown
  #steady = 0
  #until = 0
  #lastRead = 0
  #looking = false

  constructor(parts: BusyPollParts) {
    this.#parts = parts
  }

  /** True while it looks. */
  get looking(): boolean {
    return this.#looking
  }

  /** `link` was read, and all that follows from it was written. */
  read(link: unknown): void {
    const { limitMs, now, soon } = this.#parts
    const at = now()
    const late = at - this.#lastRead > limitMs
    this.#lastRead = at
    if (late || !this.#isKnown(link)) this.#steady = 0
    else if (this.#steady < STEADY_READS) this.#steady++
    if (this.#steady < STEADY_READS) return
    this.#until = at + limitMs
    if (this.#looking) return
    this.#looking = true
    soon(this.#look)
  }

  #look = (): void => {
    const { now, soon } = this.#parts
    if (this.#steady === STEADY_READS && now() < this.#until) soon(this.#look)
    else this.#looking = false
  }

  #isKnown(link: unknown): boolean {
    if (link === undefined) return false
    if (link === this.#one || link === this.#other) return true
    this.#one = this.#other
    this.#other = link
    return false
  }
}
