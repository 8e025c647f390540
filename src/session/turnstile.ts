/**
 * The turnstile that the work of logging in goes through: in one turn of the event loop so many steps
 * of it, the rest in later turns, first come, first served. Rule: thousands who log in at once make
 * each other wait, and nobody who is served already.
 *
 *   turn:   | read read | 4 steps |   | read read | 4 steps |   ...
 */

/** Somebody with a step of a login to do. */
export interface Passer {
  /** Does it. Must not throw. */
  pass(): void
}

/**
 * Of one turn; about a quarter of a millisecond. Node accepts one connection in a turn, whose login is
 * three or four steps, so fewer would let logins pile up, and more would gain nothing.
 */
const STEPS_PER_TURN = 4

export class Turnstile {
  #perTurn: number
  #left: number
  #waiting: (Passer | undefined)[] = []
  /** Of the first who waits; who has passed leaves a gap behind, swept out now and then. */
  #head = 0
  #turning = false
  #later: (turn: () => void) => void

  /** @param later calls back in the next turn of the event loop, once its reads are done */
  constructor(perTurn = STEPS_PER_TURN, later: (turn: () => void) => void = setImmediate) {
    this.#perTurn = perTurn
    this.#left = perTurn
    this.#later = later
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
    while (this.#left > 0 && this.waiting > 0) {
      this.#turn()
      this.#left--
      const passer = this.#waiting[this.#head]!
      this.#waiting[this.#head++] = undefined
      passer.pass()
    }
    if (this.waiting === 0) this.#waiting = []
    else if (this.#head > 1_024) this.#waiting = this.#waiting.slice(this.#head)
    else return
    this.#head = 0
  }
}
