/** Histograms that travel and are merged. */
import { describe, expect, it } from 'vitest'
import { Spans } from '../../../../src/bench/storm/spans.ts'

const spansOf = (...values: number[]): Spans => {
  const spans = new Spans()
  for (const value of values) spans.record(value)
  return spans
}

const upTo = (n: number, factor: number): number[] =>
  Array.from({ length: n }, (_, i) => (i + 1) * factor)

describe('Spans', () => {
  it('are told as percentiles in milliseconds, exact to a thousandth of their length', () => {
    const figures = spansOf(...upTo(1_000, 1)).percentiles()
    expect(figures?.n).toBe(1_000)
    for (const [name, value] of [
      ['p50', 500],
      ['p90', 900],
      ['p99', 990],
      ['max', 1_000],
    ] as const) {
      expect(Math.abs((figures?.[name] ?? 0) - value), name).toBeLessThanOrEqual(value / 1_000)
    }
  })

  it('of several threads come to what one would have had', () => {
    const [odd, even] = [upTo(500, 2).map((v) => v - 1), upTo(500, 2)]
    const merged = new Spans()
    for (const part of [odd, even]) merged.add(Spans.decoded(spansOf(...part).encoded()))
    expect(merged.percentiles()).toEqual(spansOf(...upTo(1_000, 1)).percentiles())
    expect(merged.curve()).toEqual(spansOf(...upTo(1_000, 1)).curve())
  })

  it('merge whatever their precision and however long the longest is', () => {
    const short = new Spans(2)
    short.record(0.25)
    const merged = spansOf(90_000)
    merged.add(Spans.decoded(short.encoded()))
    expect(merged.count).toBe(2)
    expect(merged.percentiles()?.max).toBeGreaterThan(89_900)
  })

  it('that were never recorded are not zero', () => {
    const none = new Spans()
    expect(none.percentiles()).toBeUndefined()
    expect(none.curve()).toEqual([])
    expect(none.encoded()).toBe('')
  })

  it('are kept within zero and an hour', () => {
    expect(spansOf(-3).percentiles()?.max).toBe(0)
    expect(spansOf(1e12).percentiles()?.max).toBeLessThan(3_700_000)
  })
})
