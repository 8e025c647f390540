/**
 * The gate of one endpoint: who waits there for a server connection, in the order of arrival, and
 * whether anybody is let through. Rule: closing it takes nothing back that was lent; whoever stands
 * in line anywhere steps out and waits here, and opening it sends them on in the order they came.
 */

/** One that waits. */
export interface AtGate {
  /** Its neighbours in line, which the gate sets; it has none when it does not wait. */
  before?: AtGate | undefined
  behind?: AtGate | undefined
  /** The gate has closed: leaves whatever line it stands in. */
  hold(): void
  /** It has opened: looks for a server connection again. */
  goOn(): void
}

export class Gate {
  #closed = false
  // A list and not a Set: at every change of its layout a Set leaves a table behind that keeps whoever
  // stood in it alive until the next full collection.
  #first: AtGate | undefined
  #last: AtGate | undefined
  #size = 0

  get closed(): boolean {
    return this.#closed
  }

  /** How many wait, gate closed or not. */
  get waiting(): number {
    return this.#size
  }

  enter(one: AtGate): void {
    if (this.#holds(one)) return
    one.before = this.#last
    if (this.#last === undefined) this.#first = one
    else this.#last.behind = one
    this.#last = one
    this.#size++
  }

  /** False when it did not wait. */
  leave(one: AtGate): boolean {
    if (!this.#holds(one)) return false
    if (one.before === undefined) this.#first = one.behind
    else one.before.behind = one.behind
    if (one.behind === undefined) this.#last = one.before
    else one.behind.before = one.before
    one.before = undefined
    one.behind = undefined
    this.#size--
    return true
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const one of this.#line()) one.hold()
  }

  open(): void {
    if (!this.#closed) return
    this.#closed = false
    for (const one of this.#line()) {
      // Whoever was served first may have closed it again.
      if (this.#closed) return
      if (this.#holds(one)) one.goOn()
    }
  }

  #holds(one: AtGate): boolean {
    return one.before !== undefined || this.#first === one
  }

  /** Those who wait now, in the order they came. */
  #line(): AtGate[] {
    const line: AtGate[] = []
    for (let one = this.#first; one !== undefined; one = one.behind) line.push(one)
    return line
  }
}
