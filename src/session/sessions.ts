/**
 * All client sessions, and the way a cancel request finds its own. Rule: a key is checked in
 * constant time and a wrong one is silently ignored, as Postgres does.
 */
import { timingSafeEqual } from 'node:crypto'
import type { EndpointRule } from '../endpoint/endpoint.ts'
import type { CancelKey, Introduction } from '../protocol/contract.ts'
import type { CloseReason } from './close-reason.ts'
import { Headcount } from './headcount.ts'
import { NO_INSTANCE, processNumber, type SessionIds, sessionIdsOf } from './process-numbers.ts'

/** A client session as the rest of the house sees it. */
export interface Session {
  readonly id: number
  readonly who: Introduction
  readonly route: {
    readonly endpoint: { readonly rule: EndpointRule }
    readonly node: string | undefined
  }
  readonly cancelKey: CancelKey
  readonly link: {
    readonly remoteAddress?: string | undefined
    readonly bytesRead: number
    readonly bytesWritten: number
  }
  readonly state: string
  readonly pins: ReadonlySet<string>
  /** Channels it listens to through the shared listener. */
  readonly channels: ReadonlySet<string>
  /** The node whose server connection it uses now. */
  readonly leasedNode: string | undefined
  readonly waitedMs: number
  /** Resolves when that has had its effect; undefined when there is nothing to wait for. */
  cancel(): Promise<void> | undefined
  /** Ends it at its next boundary. */
  shutDown(reason: CloseReason): void
  /** Ends it now. */
  cut(reason: CloseReason): void
  close(reason: CloseReason): void
}

export class Sessions {
  /** How many there are of each kind. */
  readonly heads = new Headcount()
  #byId = new Map<number, Session>()
  #ids: SessionIds
  #next: number
  #instance: number

  /**
   * @param instance number of this Weir among its peers
   * @param ids those of this worker; default all there are
   */
  constructor(instance = NO_INSTANCE, ids = sessionIdsOf(0)) {
    this.#instance = instance
    this.#ids = ids
    this.#next = ids.last
  }

  get size(): number {
    return this.#byId.size
  }

  /** How many ids are left. */
  get room(): number {
    return this.#ids.last - this.#ids.first + 1 - this.size
  }

  /** An id no living session has; there must be one. */
  nextId(): number {
    const { first, last } = this.#ids
    do this.#next = this.#next >= last ? first : this.#next + 1
    while (this.#byId.has(this.#next))
    return this.#next
  }

  /** What the client of session `id` takes for the process id of its server. */
  processNumber(id: number): number {
    return processNumber({ instance: this.#instance, session: id, forwarded: false })
  }

  add(session: Session): void {
    this.#byId.set(session.id, session)
    this.heads.add(session)
  }

  delete(session: Session): void {
    if (this.#byId.delete(session.id)) this.heads.delete(session)
  }

  [Symbol.iterator](): IterableIterator<Session> {
    return this.#byId.values()
  }

  /** The session that a cancel request means; undefined when it is not there or the secret is wrong. */
  find(id: number, secret: Buffer): Session | undefined {
    const session = this.#byId.get(id)
    if (session === undefined) return undefined
    const right = session.cancelKey.secret
    return right.length === secret.length && timingSafeEqual(right, secret) ? session : undefined
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
