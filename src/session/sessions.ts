/**
 * All client sessions, and the way a cancel request finds its own. Rule: a key is checked in
 * constant time and a wrong one is silently ignored, as Postgres does.
 */
import { timingSafeEqual } from 'node:crypto'
import type { EndpointRule } from '../endpoint/endpoint.ts'
import type { CancelKey, Introduction } from '../protocol/contract.ts'
import type { CloseReason } from './close-reason.ts'

/** A client session as the rest of the house sees it. */
export interface Session {
  readonly id: number
  readonly who: Introduction
  readonly route: {
    readonly endpoint: { readonly rule: EndpointRule }
    readonly node: string | undefined
  }
  readonly cancelKey: CancelKey
  readonly link: { readonly bytesRead: number; readonly bytesWritten: number }
  readonly state: string
  readonly pins: ReadonlySet<string>
  readonly leasedNode: string | undefined
  readonly waitedMs: number
  cancel(): void
  /** Ends it at its next boundary. */
  shutDown(reason: CloseReason): void
  /** Ends it now. */
  cut(reason: CloseReason): void
  close(reason: CloseReason): void
}

export class Sessions {
  #byId = new Map<number, Session>()
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

  add(session: Session): void {
    this.#byId.set(session.id, session)
  }

  delete(session: Session): void {
    this.#byId.delete(session.id)
  }

  [Symbol.iterator](): IterableIterator<Session> {
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
    for (const session of [...this.#byId.values()]) session.cut(reason)
  }
}
