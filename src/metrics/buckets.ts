/**
 * How often something took how long, in fixed buckets. Rule: recording is one short loop over
 * numbers and allocates nothing, so it may stand on the byte path; two workers' buckets are added
 * place by place because the bounds never differ.
 */

/** Upper bounds in microseconds, 1-2-5 from 50 us to the two minutes of the default borrow timeout. */
export const BOUNDS_US: readonly number[] = [
  50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
  1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000, 60_000_000, 120_000_000,
]

/** One histogram as plain JSON. `counts` has one place more than the bounds: what took longer. */
export interface LatencyCounts {
  readonly counts: readonly number[]
  /** Whole microseconds, so that sums are exact and their order does not matter. */
  readonly sumUs: number
}

export class LatencyBuckets {
  /** When the last one ended (monotonic milliseconds), of those whose end was told; 0: never. */
  lastAt = 0
  #counts: number[] = new Array(BOUNDS_US.length + 1).fill(0)
  #sumUs = 0

  /**
   * Notes one duration in milliseconds; a negative one (a clock set back) counts as zero.
   *
   * @param at when it ended; not part of any snapshot, for only durations can be added up
   */
  record(ms: number, at = 0): void {
    this.lastAt = at
    const us = ms > 0 ? Math.round(ms * 1000) : 0
    let place = 0
    while (place < BOUNDS_US.length && us > BOUNDS_US[place]!) place++
    this.#counts[place]!++
    this.#sumUs += us
  }

  snapshot(): LatencyCounts {
    return { counts: this.#counts.slice(), sumUs: this.#sumUs }
  }
}
