import fc from 'fast-check'
import { expect, test } from 'vitest'
import { linear, logarithmic, spread } from '../../../src/bench/failover/report/scale.ts'

test('a linear axis has round ticks within its ends', () => {
  const { x, ticks } = linear(-30, 470, 100, 1_100)
  expect(ticks.map(({ ms }) => ms)).toEqual([0, 100, 200, 300, 400])
  expect(x(-30)).toBe(100)
  expect(x(470)).toBe(1_100)
  expect(x(220)).toBe(600)
  expect(x(9_999)).toBe(1_100)
})

test('the ticks of any linear axis are few, in order and in place', () => {
  const ends = fc.tuple(
    fc.double({ min: -1e4, max: 1e5, noNaN: true }),
    fc.double({ min: 0.01, max: 1e6, noNaN: true }),
  )
  fc.assert(
    fc.property(ends, ([from, span]) => {
      const { ticks } = linear(from, from + span, 0, 1_000)
      expect(ticks.length).toBeLessThanOrEqual(10)
      expect(ticks.length).toBeGreaterThanOrEqual(2)
      for (const [i, { at }] of ticks.entries()) {
        expect(at).toBeGreaterThanOrEqual(-1e-6)
        expect(at).toBeLessThanOrEqual(1_000 + 1e-6)
        if (i > 0) expect(at).toBeGreaterThan(ticks[i - 1]?.at ?? 0)
      }
    }),
  )
})

test('a logarithmic axis has a line for each decade', () => {
  const { x, ticks } = logarithmic(3, 15_000, 0, 500)
  expect(ticks.filter(({ named }) => named).map(({ ms }) => ms)).toEqual([
    1, 10, 100, 1_000, 10_000, 100_000,
  ])
  expect(x(1)).toBe(0)
  expect(x(100)).toBeCloseTo(200)
  expect(x(0)).toBe(0)
})

test('labels keep their order, their distance and the edges', () => {
  const centres = fc.array(fc.double({ min: 0, max: 1_000, noNaN: true }), { maxLength: 10 })
  fc.assert(
    fc.property(centres, (some) => {
      const placed = spread(
        [...some].sort((a, b) => a - b),
        90,
        0,
        1_000,
      )
      for (const [i, at] of placed.entries()) {
        expect(at).toBeGreaterThanOrEqual(-1e-6)
        expect(at).toBeLessThanOrEqual(1_000 + 1e-6)
        if (i > 0) expect(at - (placed[i - 1] ?? 0)).toBeGreaterThanOrEqual(90 - 1e-6)
      }
    }),
  )
  expect(spread([100, 500], 90, 0, 1_000)).toEqual([100, 500])
  expect(spread([1, 2, 3], 90, 0, 100)).toEqual([0, 50, 100])
})
