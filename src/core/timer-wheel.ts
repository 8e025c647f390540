/**
 * Thousands of deadlines behind one interval timer. A deadline fires at most one tick late and
 * never early. Rule: `arm` and `cancel` are O(1) and allocate nothing at all: a Set, which lays its
 * entries out anew as they come and go, would leave tables behind that keep the dead alive until
 * the next full collection.
 *
 *   slot:   0    1    2  ...  255        slot = tick at which it is due, modulo slots;
 *           |    |    |        |         an entry further than one lap away stays
 *          [..] [..] [..]    [..]        in its slot until its own tick comes round
 */
export class Deadline {
  dueTick = -1
  /** Its neighbours in the ring of its slot, in the order of arming; itself when it is in none. */
  previous: Deadline = this
  next: Deadline = this
  readonly fire: () => void

  constructor(fire: () => void) {
    this.fire = fire
  }
}

const SLOTS = 256
const nothing = (): void => {}

export class TimerWheel {
  readonly tickMs: number
  /** Each ring begins and ends with an entry that is never due. */
  #slots = Array.from({ length: SLOTS }, () => new Deadline(nothing))
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
    const ring = this.#slots[due % SLOTS]!
    deadline.previous = ring.previous
    deadline.next = ring
    ring.previous.next = deadline
    ring.previous = deadline
    this.#armed++
  }

  cancel(deadline: Deadline): void {
    if (deadline.dueTick < 0) return
    deadline.previous.next = deadline.next
    deadline.next.previous = deadline.previous
    deadline.previous = deadline
    deadline.next = deadline
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
        for (const d of this.#due()) {
          // One that fired before it may have cancelled it, or armed it for later.
          if (d.dueTick !== this.#tick) continue
          this.cancel(d)
          d.fire()
        }
      }
    } finally {
      this.#turning = false
      if (this.#armed === 0) this.#stop()
    }
  }

  #due(): Deadline[] {
    const due: Deadline[] = []
    const ring = this.#slots[this.#tick % SLOTS]!
    for (let d = ring.next; d !== ring; d = d.next) if (d.dueTick === this.#tick) due.push(d)
    return due
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
