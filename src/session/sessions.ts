/**
 * All client sessions, and the way a cancel request finds its own. Rule: a key is checked in
 * constant time and a wrong one is silently ignored, as Postgres does.
 */
import { timingSafeEqual } from 'node:crypto'
import type { CancelKey } from '../protocol/contract.ts'
import type { ClientSession } from './client-session.ts'
import type { CloseReason } from './close-reason.ts'

export class Sessions {
  #byId = new Map<number, ClientSession>()
  #next = 1

  get size(): number {
    return this.#byId.size
  }

  /** An id no living session has; fits a positive Int32, which is what clients take for a pid. */
  nextId(): number {
    do this.#next = this.#next >= 0x7fff_fffe ? 1 : this.#next + 1
    while (this.#byId.has(this.#next))
    return this.#next
  }

  add(session: ClientSession): void {
    this.#byId.set(session.id, session)
  }

  delete(session: ClientSession): void {
    this.#byId.delete(session.id)
  }

  [Symbol.iterator](): IterableIterator<ClientSession> {
    return this.#byId.values()
  }

  /** Carries out a cancel request; false when no session has that key. */
  cancel(key: CancelKey): boolean {
    const session = this.#byId.get(key.pid)
    if (session === undefined) return false
    const { secret } = session.cancelKey
    if (secret.length !== key.secret.length || !timingSafeEqual(secret, key.secret)) return false
    session.cancel()
    return true
  }

  /** Asks every session to end; those that are busy do so at their next boundary. */
  shutDown(reason: CloseReason): void {
    for (const session of [...this.#byId.values()]) session.shutDown(reason)
  }

  /** Ends every session now. */
  closeAll(reason: CloseReason): void {
    for (const session of [...this.#byId.values()]) session.close(reason)
  }
}
