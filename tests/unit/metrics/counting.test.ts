import { describe, expect, test } from 'vitest'
import type { Clock } from '../../../src/core/clock.ts'
import { BOUNDS_US, LatencyBuckets } from '../../../src/metrics/buckets.ts'
import { Metrics } from '../../../src/metrics/metrics.ts'
import { Reasons } from '../../../src/metrics/reasons.ts'

describe('latency buckets', () => {
  test('put a duration on its upper bound into that bound and the next one above', () => {
    const buckets = new LatencyBuckets()
    buckets.record(0.05)
    buckets.record(0.051)
    expect(buckets.snapshot().counts.slice(0, 3)).toEqual([1, 1, 0])
    expect(buckets.snapshot().sumUs).toBe(101)
  })

  test('count what is longer than every bound in the last place', () => {
    const buckets = new LatencyBuckets()
    buckets.record(121_000)
    expect(buckets.snapshot().counts).toHaveLength(BOUNDS_US.length + 1)
    expect(buckets.snapshot().counts.at(-1)).toBe(1)
  })

  test('take a clock that went back as no time at all', () => {
    const buckets = new LatencyBuckets()
    buckets.record(-5)
    buckets.record(Number.NaN)
    expect(buckets.snapshot()).toMatchObject({ sumUs: 0 })
    expect(buckets.snapshot().counts[0]).toBe(2)
  })

  test('have bounds that rise', () => {
    expect([...BOUNDS_US].sort((a, b) => a - b)).toEqual(BOUNDS_US)
    expect(new Set(BOUNDS_US).size).toBe(BOUNDS_US.length)
  })
})

describe('reasons', () => {
  test('stop growing: after 64 different words the rest is other', () => {
    const reasons = new Reasons()
    for (let i = 0; i < 100; i++) reasons.add(`reason ${i}`)
    reasons.add('reason 3')
    const counted = reasons.snapshot()
    expect(Object.keys(counted)).toHaveLength(65)
    expect(counted.other).toBe(36)
    expect(counted['reason 3']).toBe(2)
  })
})

describe('metrics', () => {
  test('give the same counters for the same name', () => {
    const metrics = new Metrics()
    metrics.endpoint('writer').queries++
    metrics.endpoint('writer').queries++
    metrics.node('node-1').opened++
    expect(metrics.snapshot().endpoints.writer?.queries).toBe(2)
    expect(metrics.snapshot().nodes['node-1']?.opened).toBe(1)
  })

  test('hand out snapshots that later counting does not change', () => {
    const metrics = new Metrics()
    const counters = metrics.endpoint('writer')
    counters.pins.add('temporary-table')
    const before = metrics.snapshot()
    counters.pins.add('temporary-table')
    counters.borrow.record(1)
    expect(before.endpoints.writer?.pins).toEqual({ 'temporary-table': 1 })
    expect(before.endpoints.writer?.borrow.counts.every((n) => n === 0)).toBe(true)
  })

  test('measure how late the event loop is, and stop when told', () => {
    let now = 0
    let pending: (() => void) | undefined
    const clock: Clock = {
      monotonic: () => now,
      wall: () => now,
      after: (_ms, fn) => {
        pending = fn
        return {
          cancel: () => {
            pending = undefined
          },
        }
      },
    }
    const metrics = new Metrics()
    const watch = metrics.watchLoop(clock, 100)
    now = 130
    pending?.()
    now = 230
    pending?.()
    expect(metrics.snapshot().general.loopLag.sumUs).toBe(30_000)
    expect(metrics.snapshot().general.loopLag.counts.reduce((a, b) => a + b)).toBe(2)
    watch.stop()
    expect(pending).toBeUndefined()
  })
})
