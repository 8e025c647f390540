/**
 * What clients sent on while they waited for a server connection. Rule: beyond the bound of all
 * together, or of one, nothing more is read from those who wait, and nobody loses what was read. Each
 * may have sent one read's worth before it was found to wait, so the bound can be exceeded by that.
 */

/** One client, as far as it is read from. */
export interface Held {
  readonly link: { pause(): void; resume(): void }
}

/** Of one client; more would only fill memory, for what it sent first has to be done first. */
const MOST_OF_ONE = 262_144

export class HeldBytes {
  readonly most: number
  // Changes with no await between check and change: that is the lock.
  #total = 0
  #of = new Map<Held, number>()

  /** @param most bytes, all clients together */
  constructor(most: number) {
    this.most = most
  }

  get total(): number {
    return this.#total
  }

  /** So many bytes are held for one that waits now. */
  note(client: Held, bytes: number): void {
    this.#total += bytes - (this.#of.get(client) ?? 0)
    if (bytes > 0) this.#of.set(client, bytes)
    else this.#of.delete(client)
    if (bytes > MOST_OF_ONE || this.#total > this.most) client.link.pause()
  }

  /** Whether something is held for it. */
  holds(client: Held): boolean {
    return this.#total > 0 && this.#of.has(client)
  }

  /** It waits no longer, and is read from again. */
  release(client: Held): void {
    this.forget(client)
    client.link.resume()
  }

  /** It is gone. */
  forget(client: Held): void {
    const bytes = this.#of.get(client)
    if (bytes === undefined) return
    this.#total -= bytes
    this.#of.delete(client)
  }
}
