/**
 * How many wait for a server connection, all endpoints together, and how they are treated. Rule: who
 * comes when the house is full is refused at once and told so; nobody who waits is sent away for it.
 */
export class Waits {
  readonly most: number
  /** After so many milliseconds, and each time again, one that waits is told why; undefined: never. */
  readonly noticeEveryMs: number | undefined
  // Changes with no await between check and change: that is the lock.
  #now = 0

  constructor(options: { most?: number; noticeEveryMs?: number | undefined } = {}) {
    this.most = options.most ?? Infinity
    this.noticeEveryMs = options.noticeEveryMs
  }

  get now(): number {
    return this.#now
  }

  /** False when there is no room. */
  enter(): boolean {
    if (this.#now >= this.most) return false
    this.#now++
    return true
  }

  leave(): void {
    if (this.#now === 0) throw new Error('BUG: more have stopped waiting than waited')
    this.#now--
  }
}
