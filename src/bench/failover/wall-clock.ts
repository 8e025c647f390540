/**
 * Wall-clock milliseconds with a fraction, for comparing times of several processes on one machine.
 * Rule: the fraction comes from the monotonic clock, set by the wall clock's own tick, so a round's
 * spans never jump, and the times of another process that does the same differ by microseconds.
 */
export class WallClock {
  #offset = 0

  constructor() {
    this.set()
  }

  /** Sets it by the wall clock again; before a round, never during one. Blocks for up to 1 ms. */
  set(): void {
    const before = Date.now()
    let now = Date.now()
    while (now === before) now = Date.now()
    this.#offset = now - performance.now()
  }

  /** Milliseconds since 1970. */
  now(): number {
    return this.#offset + performance.now()
  }
}
