/**
 * Histograms by word, as `Reasons` are counts by word. Rule: the words are few and fixed by whoever
 * records; whatever comes after the bound is recorded as `other`, so a scrape can never grow.
 */
import { LatencyBuckets, type LatencyCounts } from './buckets.ts'

const MOST = 16

export class Histograms {
  #byWord = new Map<string, LatencyBuckets>()

  record(word: string, ms: number): void {
    this.#of(word).record(ms)
  }

  /** Makes the series, so that a first recording is seen as a change. */
  begin(word: string): void {
    this.#of(word)
  }

  snapshot(): Readonly<Record<string, LatencyCounts>> {
    return Object.fromEntries(
      [...this.#byWord].map(([word, buckets]) => [word, buckets.snapshot()]),
    )
  }

  #of(word: string): LatencyBuckets {
    const key = this.#byWord.has(word) || this.#byWord.size < MOST ? word : 'other'
    let buckets = this.#byWord.get(key)
    if (buckets === undefined) {
      buckets = new LatencyBuckets()
      this.#byWord.set(key, buckets)
    }
    return buckets
  }
}
