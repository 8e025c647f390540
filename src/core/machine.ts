/**
 * States move through one door. A machine is a table of allowed moves; any other move is our bug
 * and says so. Rule: nobody compares-and-sets a state by hand.
 */
export type Moves<S extends string> = { readonly [from in S]: readonly S[] }

export class Machine<S extends string> {
  readonly name: string
  #moves: Moves<S>
  #state: S
  #onMove: ((from: S, to: S) => void) | undefined

  constructor(name: string, moves: Moves<S>, initial: S, onMove?: (from: S, to: S) => void) {
    this.name = name
    this.#moves = moves
    this.#state = initial
    this.#onMove = onMove
  }

  get state(): S {
    return this.#state
  }

  is(...states: S[]): boolean {
    return states.includes(this.#state)
  }

  to(next: S): void {
    const from = this.#state
    if (!this.#moves[from].includes(next)) throw new Error(`BUG: ${this.name} ${from} -> ${next}`)
    this.#state = next
    this.#onMove?.(from, next)
  }
}
