/**
 * Which texts of simple queries may ride, and what they have cost. Rule: a text is looked into once,
 * when its kind is met for the second time; from then on its skeleton decides, compared byte by byte,
 * so that no chance of hashing makes one text pass for another.
 */
import type { RideCost } from '../ride.ts'
import { type Classification, classify } from './sql/classify.ts'
import { Skeleton } from './sql/skeleton.ts'

/** Kinds of texts remembered; when there are more, all are forgotten and learned anew. */
const MOST = 4_096

interface Kind {
  readonly skeleton: Uint8Array
  /** Undefined when it may not ride. */
  readonly cost: RideCost | undefined
  /** The next one of the same hash. */
  readonly next: Kind | undefined
}

export function unknownCost(): RideCost {
  return { known: false, ms: 0, bytes: 0, strikes: 0, restsUntil: 0 }
}

/** One statement that provably only reads, begins nothing, ends nothing and leaves nothing behind. */
export function mayRide(classification: Classification): boolean {
  const { readOnly, bits, statements, transaction } = classification
  return readOnly && bits === 0 && statements === 1 && transaction === 'none'
}

/** Shared by all clients. */
export class RideCosts {
  #kinds = new Map<number, Kind>()
  /** Hashes met once. */
  #met = new Set<number>()
  #skeleton = new Skeleton()

  /** What the SQL in `text[start, end)` has cost; undefined when it may not ride, or is new. */
  find(text: Uint8Array, start: number, end: number): RideCost | undefined {
    const skeleton = this.#skeleton
    if (!skeleton.read(text, start, end)) return undefined
    const { hash } = skeleton
    for (let kind = this.#kinds.get(hash); kind !== undefined; kind = kind.next) {
      if (skeleton.is(kind.skeleton)) return kind.cost
    }
    if (this.#met.has(hash)) return this.#learn(text.subarray(start, end))
    if (this.#met.size >= MOST) this.#met.clear()
    this.#met.add(hash)
    return undefined
  }

  #learn(text: Uint8Array): RideCost | undefined {
    const { hash, bytes, length } = this.#skeleton
    if (this.#kinds.size >= MOST) this.#kinds.clear()
    const cost = mayRide(classify(text)) ? unknownCost() : undefined
    const skeleton = bytes.slice(0, length)
    this.#kinds.set(hash, { skeleton, cost, next: this.#kinds.get(hash) })
    return cost
  }
}
