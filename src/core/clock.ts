/**
 * Time as a parameter. Everything that waits or measures takes a `Clock`, so tests turn the hands
 * themselves. Rule: milliseconds everywhere inside; `monotonic()` for spans, `wall()` for humans.
 */
export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Milliseconds on a clock that never goes back; only differences mean anything. */
  monotonic(): number
  /** Milliseconds since 1970, for logs and reports. */
  wall(): number
  /** Runs `fn` once after `ms`; never keeps the process alive by itself. */
  after(ms: number, fn: () => void): Timer
}

export const systemClock: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  after(ms, fn) {
    // setTimeout fires at once for delays past 2^31-1 ms (24.8 days); nobody here waits longer.
    const timer = setTimeout(fn, Math.min(ms, 2_147_483_647))
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
}

/** A clock for tests: time stands still until `advance`. */
export class FakeClock implements Clock {
  #now = 0
  #seq = 0
  #timers: { at: number; seq: number; fn: () => void }[] = []

  monotonic(): number {
    return this.#now
  }

  wall(): number {
    return 1_700_000_000_000 + this.#now
  }

  after(ms: number, fn: () => void): Timer {
    const entry = { at: this.#now + Math.max(0, ms), seq: this.#seq++, fn }
    this.#timers.push(entry)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((t) => t !== entry)
      },
    }
  }

  /** Moves time on by `ms`, firing what falls due in order, each at its own moment. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const due = this.#timers
        .filter((t) => t.at <= end)
        .sort((a, b) => a.at - b.at || a.seq - b.seq)[0]
      if (due === undefined) break
      this.#timers = this.#timers.filter((t) => t !== due)
      this.#now = due.at
      due.fn()
    }
    this.#now = end
  }

  /** How many timers wait; a test that ends with some leaked them. */
  get pending(): number {
    return this.#timers.length
  }
}
