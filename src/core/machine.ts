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
  /** Allowed from here, as looked up when this state was first left. */
  #exits: readonly S[]
  /** The state before this one, and what it allows: machines on the byte path go to and fro. */
  #before: S
  #exitsBefore: readonly S[]

  constructor(name: string, moves: Moves<S>, initial: S, onMove?: (from: S, to: S) => void) {
    this.name = name
    this.#moves = moves
    this.#state = initial
    this.#onMove = onMove
    this.#exits = moves[initial]
    this.#before = initial
    this.#exitsBefore = this.#exits
  }

  get state(): S {
    return this.#state
  }

  is(...states: S[]): boolean {
    return states.includes(this.#state)
  }

  to(next: S): void {
    const from = this.#state
    const exits = this.#exits
    if (!allows(exits, next)) throw new Error(`BUG: ${this.name} ${from} -> ${next}`)
    // Going back is the common move: then nothing has to be looked up by name.
    this.#exits = next === this.#before ? this.#exitsBefore : this.#moves[next]
    this.#exitsBefore = exits
    this.#before = from
    this.#state = next
    this.#onMove?.(from, next)
  }
}

function allows<S>(exits: readonly S[], next: S): boolean {
  for (let i = 0; i < exits.length; i++) if (exits[i] === next) return true
  return false
}
