/**
 * Long messages that are read whole and of which half is here. Rule: beyond the bound of all together
 * those go first that have been at it for longest; short ones are not looked at, so that hardly any
 * client is known here, and none that has sent its message.
 */
import type { CloseReason } from './close-reason.ts'

export interface HalfHeard {
  readonly state: string
  cut(reason: CloseReason): void
}

/** As much may wait of one client anyway; bytes. */
const SHORT = 65_536

export class HalfMessages {
  #most: number
  #total = 0
  /** In the order in which they began. */
  #of = new Map<HalfHeard, number>()

  /** @param most bytes, all clients together */
  constructor(most: number) {
    this.#most = most
  }

  get total(): number {
    return this.#total
  }

  /** So much of a message of `client` is here now, which does not wait for us. */
  note(client: HalfHeard, bytes: number): void {
    if (bytes <= SHORT || client.state === 'closed') {
      if (this.#of.size > 0) this.forget(client)
      return
    }
    this.#total += bytes - (this.#of.get(client) ?? 0)
    this.#of.set(client, bytes)
    for (const longest of this.#of.keys()) {
      if (this.#total <= this.#most) return
      this.forget(longest)
      longest.cut('half-messages')
    }
  }

  /** It has sent all, or is gone. */
  forget(client: HalfHeard): void {
    const bytes = this.#of.get(client)
    if (bytes === undefined) return
    this.#total -= bytes
    this.#of.delete(client)
  }
}
