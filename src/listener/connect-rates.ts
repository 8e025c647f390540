/**
 * How often clients may come from one source address: a bucket of tokens each, filled at a steady
 * rate. Rule: what is kept of addresses is bounded, and a source that is forgotten is one whose bucket
 * was full, or the one that has been away for longest.
 */
import { sourceOf } from '../core/source-address.ts'

/** Sources remembered at the same time. */
const MOST_SOURCES = 65_536
/** So many are looked at for a full bucket when there is no room. */
const LOOKED_AT = 16

interface Bucket {
  tokens: number
  /** When they were counted, monotonic milliseconds. */
  at: number
}

export class ConnectRates {
  #perMs: number
  #burst: number
  #now: () => number
  /** The one that came last is the last of them. */
  #buckets = new Map<string, Bucket>()

  /**
   * @param perSecond clients that may come, in the long run
   * @param burst clients that may come at once
   * @param now monotonic milliseconds
   */
  constructor(perSecond: number, burst: number, now: () => number) {
    this.#perMs = perSecond / 1_000
    this.#burst = burst
    this.#now = now
  }

  get sources(): number {
    return this.#buckets.size
  }

  /** A client has come from `address`; false when that is one too many. */
  takes(address: string): boolean {
    const source = sourceOf(address)
    const now = this.#now()
    const known = this.#buckets.get(source)
    const tokens =
      known === undefined
        ? this.#burst
        : Math.min(this.#burst, known.tokens + (now - known.at) * this.#perMs)
    this.#buckets.delete(source)
    if (known === undefined && this.#buckets.size >= MOST_SOURCES) this.#forget(now)
    const taken = tokens >= 1
    // Who is refused leaves the bucket as it was: small steps of time would add up to too little.
    const left = taken || known === undefined ? { tokens: tokens - 1, at: now } : known
    this.#buckets.set(source, left)
    return taken
  }

  /** Makes room: those that are full again, or else the one that came longest ago. */
  #forget(now: number): void {
    let looked = 0
    for (const [source, { tokens, at }] of this.#buckets) {
      const full = tokens + (now - at) * this.#perMs >= this.#burst
      if (full || looked === 0) this.#buckets.delete(source)
      if (++looked === LOOKED_AT) return
    }
  }
}
