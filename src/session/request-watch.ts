/**
 * Counts and times the requests of one client session. Rule: a request is counted when its answer
 * has ended, or its client has gone; it is timed only when its answer has ended.
 *
 *   asked ──(waits for a lease)──> sent ──(the node works)──> answered        milliseconds, monotonic
 */
import type { EndpointCounters } from '../metrics/counters.ts'
import type { Latency } from '../server/server-connection.ts'

export class RequestWatch {
  #counters: EndpointCounters
  #encrypted: boolean
  #counted = 0
  /** 0: no request is under way. */
  #askedAt = 0
  #sentAt = 0

  constructor(counters: EndpointCounters, encrypted: boolean) {
    this.#counters = counters
    this.#encrypted = encrypted
  }

  /** When the node was sent what it works on now, monotonic milliseconds; 0: nothing. */
  get sentAt(): number {
    return this.#sentAt
  }

  asked(at: number): void {
    if (this.#askedAt === 0) this.#askedAt = at
  }

  sent(at: number): void {
    if (this.#askedAt === 0) this.#askedAt = at
    if (this.#sentAt === 0) this.#sentAt = at
  }

  /** It was refused, or nobody is left to answer. */
  dropped(): void {
    this.#askedAt = 0
    this.#sentAt = 0
  }

  /** It will be sent again, to another server; its client waits on. */
  again(): void {
    this.#sentAt = 0
  }

  /** The server connection was lost: nobody answers what was sent. */
  lost(requests: number): void {
    this.count(requests)
    this.dropped()
  }

  /** @param requests all that the session has sent so far */
  count(requests: number): void {
    const more = requests - this.#counted
    this.#counted = requests
    this.#counters.queries += more
    if (this.#encrypted) this.#counters.queriesTls += more
  }

  /**
   * The answer has ended. What held no request (a Parse alone) is not timed; several requests ahead
   * of one Sync are one answer.
   *
   * @param latency where the node's part of the time is noted
   */
  answered(requests: number, now: number, latency: Latency | undefined): void {
    if (requests > this.#counted && this.#askedAt !== 0) {
      this.#counters.response.record(now - this.#askedAt)
      if (this.#sentAt !== 0) latency?.record(now - this.#sentAt, now)
    }
    this.count(requests)
    this.dropped()
  }
}
