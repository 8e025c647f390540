/**
 * When whom to ask: clients on a ring of milliseconds that is walked round once a period. Pure. Rule:
 * a client is due once a period whatever it does, at a place of its own, so that many clients are a
 * steady stream and not a drum.
 */
/** The golden section spreads any number of clients evenly. */
const GOLDEN = 0.618033988749895

export class Ring<T> {
  readonly #places: Set<T>[]
  readonly #periodMs: number
  /** The last whole millisecond that was walked. */
  #walked: number

  /** @param now ms; nothing is due before */
  constructor(periodMs: number, now: number) {
    this.#periodMs = Math.max(1, Math.round(periodMs))
    this.#places = Array.from({ length: this.#periodMs }, () => new Set<T>())
    this.#walked = Math.floor(now)
  }

  /** @param number any number of its own, e.g. counted up */
  add(client: T, number: number): void {
    this.#places[this.#placeOf(number)]?.add(client)
  }

  remove(client: T, number: number): void {
    this.#places[this.#placeOf(number)]?.delete(client)
  }

  /** Calls `due` for everybody who fell due since the last walk, with the ms at which. */
  walk(now: number, due: (client: T, at: number) => void): void {
    const until = Math.floor(now)
    while (this.#walked < until) {
      this.#walked++
      const place = this.#places[this.#walked % this.#periodMs]
      if (place === undefined) continue
      for (const client of place) due(client, this.#walked)
    }
  }

  #placeOf(number: number): number {
    return Math.floor(((number * GOLDEN) % 1) * this.#periodMs)
  }
}
