/**
 * Thousands of deadlines behind one interval timer. A deadline fires at most one tick late and
 * never early. Rule: `arm` and `cancel` are O(1) and allocate nothing beyond the entry itself.
 *
 *   slot:   0    1    2  ...  255        slot = tick at which it is due, modulo slots;
 *           |    |    |        |         an entry further than one lap away stays
 *          [..] [..] [..]    [..]        in its slot until its own tick comes round
 */
export class Deadline {
  dueTick = -1
  readonly fire: () => void

  constructor(fire: () => void) {
    this.fire = fire
  }
}

const SLOTS = 256

export class TimerWheel {
  readonly tickMs: number
  #slots: Set<Deadline>[] = Array.from({ length: SLOTS }, () => new Set())
  #tick = 0
  #armed = 0
  /** A callback may arm again: the hands must not be set back under a turn that is under way. */
  #turning = false
  #interval: NodeJS.Timeout | undefined
  #startedAt = 0
  #now: () => number

  constructor(tickMs = 100, now: () => number = () => performance.now()) {
    this.tickMs = tickMs
    this.#now = now
  }

  get armed(): number {
    return this.#armed
  }

  /** (Re)arms `deadline` to fire in `ms`; `Infinity` disarms it. */
  arm(deadline: Deadline, ms: number): void {
    this.cancel(deadline)
    if (ms === Infinity) return
    if (this.#interval === undefined) this.#start()
    const elapsed = this.#now() - this.#startedAt
    const due = Math.max(this.#tick + 1, Math.ceil((elapsed + ms) / this.tickMs))
    deadline.dueTick = due
    this.#slots[due % SLOTS]!.add(deadline)
    this.#armed++
  }

  cancel(deadline: Deadline): void {
    if (deadline.dueTick < 0) return
    this.#slots[deadline.dueTick % SLOTS]!.delete(deadline)
    deadline.dueTick = -1
    this.#armed--
    if (this.#armed === 0 && !this.#turning) this.#stop()
  }

  /** Fires everything due by now; the interval calls it, tests may too. */
  turn(): void {
    const until = Math.floor((this.#now() - this.#startedAt) / this.tickMs)
    this.#turning = true
    try {
      while (this.#tick < until && this.#armed > 0) {
        this.#tick++
        for (const d of this.#slots[this.#tick % SLOTS]!) {
          if (d.dueTick > this.#tick) continue
          this.cancel(d)
          d.fire()
        }
      }
    } finally {
      this.#turning = false
      if (this.#armed === 0) this.#stop()
    }
  }

  #start(): void {
    this.#tick = 0
    this.#startedAt = this.#now()
    this.#interval = setInterval(() => this.turn(), this.tickMs)
    this.#interval.unref()
  }

  #stop(): void {
    clearInterval(this.#interval)
    this.#interval = undefined
  }
}
