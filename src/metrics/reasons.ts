/**
 * Counts by reason. Reasons are closed unions owned by other rooms (close, pin, evict, refuse), so
 * here they are words. Rule: the number of different words is bounded; whatever comes after the
 * bound is counted as `other`, so a caller's mistake can never fill a scrape with labels.
 */
const MOST = 64

export class Reasons {
  #counts = new Map<string, number>()

  add(reason: string, times = 1): void {
    const key = this.#counts.has(reason) || this.#counts.size < MOST ? reason : 'other'
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + times)
  }

  snapshot(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }
}
