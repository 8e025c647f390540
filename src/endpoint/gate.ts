/**
 * The gate of one endpoint: who waits there for a server connection, in the order of arrival, and
 * whether anybody is let through. Rule: closing it takes nothing back that was lent; whoever stands
 * in line anywhere steps out and waits here, and opening it sends them on in the order they came.
 */

/** One that waits. */
export interface AtGate {
  /** The gate has closed: leaves whatever line it stands in. */
  hold(): void
  /** It has opened: looks for a server connection again. */
  goOn(): void
}

export class Gate {
  #closed = false
  #waiting = new Set<AtGate>()

  get closed(): boolean {
    return this.#closed
  }

  /** How many wait, gate closed or not. */
  get waiting(): number {
    return this.#waiting.size
  }

  enter(one: AtGate): void {
    this.#waiting.add(one)
  }

  /** False when it did not wait. */
  leave(one: AtGate): boolean {
    return this.#waiting.delete(one)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const one of [...this.#waiting]) one.hold()
  }

  open(): void {
    if (!this.#closed) return
    this.#closed = false
    for (const one of [...this.#waiting]) {
      // Whoever was served first may have closed it again.
      if (this.#closed) return
      if (this.#waiting.has(one)) one.goOn()
    }
  }
}
