/**
 * The turnstile that the work of logging in goes through: in one turn of the event loop a few steps of
 * it, or what fits into a third of the time that all else took, the rest in later turns, first come,
 * first served. Rule: thousands who log in at once make each other wait, and hardly anybody who is
 * served already.
 *
 *   turn:   | read read | 4 steps |   | read read read read read | 7 steps |   ...
 */
import { performance } from 'node:perf_hooks'

/** Somebody with a step of a login to do. */
export interface Passer {
  /** Does it. Must not throw. */
  pass(): void
}

/** Steps of one turn in any case; about a quarter of a millisecond. */
const STEPS_PER_TURN = 4
/** Of the time since the last steps, so that a busy loop, whose turns are long, lets them in too. */
const SHARE = 1 / 3
/** Most of that, milliseconds: what lies before may have been idle. */
const MOST_MS = 5

export class Turnstile {
  #perTurn: number
  #left: number
  #waiting: (Passer | undefined)[] = []
  /** Of the first who waits; who has passed leaves a gap behind, swept out now and then. */
  #head = 0
  #turning = false
  #later: (turn: () => void) => void
  #now: () => number
  /** When the steps of the last turn were done. */
  #doneAt: number

  /**
   * @param later calls back in the next turn of the event loop, once its reads are done
   * @param now monotonic milliseconds
   */
  constructor(
    perTurn = STEPS_PER_TURN,
    later: (turn: () => void) => void = setImmediate,
    now = () => performance.now(),
  ) {
    this.#perTurn = perTurn
    this.#left = perTurn
    this.#later = later
    this.#now = now
    this.#doneAt = now()
  }

  get waiting(): number {
    return this.#waiting.length - this.#head
  }

  /** `passer` passes at once when nobody waits and this turn has room, else when its turn comes. */
  enter(passer: Passer): void {
    this.#turn()
    if (this.waiting > 0 || this.#left === 0) {
      this.#waiting.push(passer)
      return
    }
    this.#left--
    passer.pass()
  }

  /** Sees to it that another turn begins. */
  #turn(): void {
    if (this.#turning) return
    this.#turning = true
    this.#later(this.#begin)
  }

  #begin = (): void => {
    this.#turning = false
    this.#left = this.#perTurn
    if (this.waiting > 0) this.#letPass()
    this.#doneAt = this.#now()
    if (this.waiting === 0) this.#waiting = []
    else if (this.#head > 1_024) this.#waiting = this.#waiting.slice(this.#head)
    else return
    this.#head = 0
  }

  #letPass(): void {
    this.#turn()
    const now = this.#now()
    const until = now + Math.min(MOST_MS, (now - this.#doneAt) * SHARE)
    while (this.waiting > 0 && (this.#left > 0 || this.#now() < until)) {
      if (this.#left > 0) this.#left--
      const passer = this.#waiting[this.#head]!
      this.#waiting[this.#head++] = undefined
      passer.pass()
    }
  }
}
