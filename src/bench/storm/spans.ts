/**
 * Durations in an HDR histogram (microseconds, three digits up to an hour). Rule: histograms of
 * threads and seconds are merged, percentiles are taken of the merged one only.
 */
import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from 'hdr-histogram-js'
import type { Percentiles } from '../failover/result.ts'

const HOUR = 3_600_000_000

/** Points of a curve: `[share of all values, ms]`. */
export type Curve = readonly (readonly [number, number])[]

const CURVE_AT = [
  0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, 0.995,
  0.998, 0.999, 0.9995, 0.9998, 0.9999, 1,
]

export class Spans {
  readonly #histogram: Histogram
  /** Microseconds, exact: what travels knows only the bucket it was in. */
  #longest = 0

  /** @param digits of a value that are kept */
  constructor(digits: 2 | 3 = 3, of?: Histogram) {
    this.#histogram =
      of ??
      build({
        bitBucketSize: 32,
        autoResize: true,
        lowestDiscernibleValue: 1,
        highestTrackableValue: 2_000_000,
        numberOfSignificantValueDigits: digits,
      })
  }

  /** @param text from `encoded`, not empty */
  static decoded(text: string): Spans {
    const cut = text.indexOf(':')
    const spans = new Spans(3, decodeFromCompressedBase64(text.slice(cut + 1), 32, false))
    spans.#longest = Number(text.slice(0, cut))
    return spans
  }

  get count(): number {
    return this.#histogram.totalCount
  }

  /** A span before its own beginning is the clocks' grain: zero. */
  record(ms: number): void {
    const value = Math.min(HOUR, Math.max(0, Math.round(ms * 1000)))
    this.#histogram.recordValue(value)
    if (value > this.#longest) this.#longest = value
  }

  add(other: Spans): void {
    if (other.count === 0) return
    this.#histogram.add(other.#histogram)
    this.#longest = Math.max(this.#longest, other.#longest)
  }

  reset(): void {
    this.#histogram.reset()
    this.#longest = 0
  }

  /** For another thread; empty when nothing was recorded. */
  encoded(): string {
    if (this.count === 0) return ''
    return `${this.#longest}:${encodeIntoCompressedBase64(this.#histogram)}`
  }

  /** Milliseconds; undefined when nothing was recorded. */
  percentiles(): Percentiles | undefined {
    if (this.count === 0) return undefined
    const at = (percent: number): number => this.#at(percent)
    return { n: this.count, p50: at(50), p90: at(90), p99: at(99), max: this.#longest / 1000 }
  }

  /** The whole distribution in two dozen points; empty when nothing was recorded. */
  curve(): Curve {
    if (this.count === 0) return []
    return CURVE_AT.map((share) => [share, this.#at(share * 100)] as const)
  }

  #at(percent: number): number {
    // A bucket's upper edge may lie above the greatest value there was.
    return Math.min(this.#histogram.getValueAtPercentile(percent), this.#longest) / 1000
  }
}
