/** Who arrives when, and when a storm is over. */
import { describe, expect, it } from 'vitest'
import {
  arrivalsOf,
  arrivedBy,
  counts,
  cutOf,
  DEFAULT_STORM,
  describeStorm,
  dueOf,
  overBy,
  type StormPlan,
} from '../../../../src/bench/storm/plan.ts'
import { sourceOf } from '../../../../src/bench/storm/source-address.ts'

const plan = (changes: Partial<StormPlan>): StormPlan => ({
  ...DEFAULT_STORM,
  clients: 100,
  rate: 50,
  holdMs: 3_000,
  ...changes,
})

const dues = (of: StormPlan): number[] =>
  Array.from({ length: arrivalsOf(of) }, (_, i) => dueOf(of, i))

describe('The arrivals', () => {
  it('of a burst come one after the other, and everybody stays for the hold', () => {
    const burst = plan({ shape: 'burst' })
    expect(dues(burst).slice(0, 3)).toEqual([0, 20, 40])
    expect(arrivedBy(burst)).toBe(1_980)
    expect(overBy(burst)).toBe(4_980)
  })

  it('of a ramp come faster and faster, at the end as fast as was asked for', () => {
    const ramp = plan({ shape: 'ramp' })
    const all = dues(ramp)
    const steps = all.slice(1).map((due, i) => due - (all[i] as number))
    for (const [i, step] of steps.slice(1).entries()) expect(step).toBeLessThan(steps[i] as number)
    // 50 a second is one in 20 ms.
    expect(steps.at(-1)).toBeCloseTo(20, 0)
  })

  it('of waves are the same in each, a pause apart, and functions leave by themselves', () => {
    const waves = plan({ shape: 'waves', waves: 3, pauseMs: 500 })
    expect(arrivalsOf(waves)).toBe(300)
    expect(dueOf(waves, 100)).toBe(2_500)
    expect(dueOf(waves, 201) - dueOf(waves, 200)).toBe(20)
    expect(overBy(waves)).toBe(arrivedBy(waves))
  })

  it('of a reconnect are all at once after the cut, and only those are measured', () => {
    const reconnect = plan({ shape: 'reconnect' })
    expect(arrivalsOf(reconnect)).toBe(200)
    expect(new Set(dues(reconnect).slice(100))).toEqual(new Set([cutOf(reconnect)]))
    expect(cutOf(reconnect)).toBeGreaterThan(dueOf(reconnect, 99))
    expect([counts(reconnect, 99), counts(reconnect, 100)]).toEqual([false, true])
    expect(overBy(reconnect)).toBe(cutOf(reconnect) + 3_000)
  })

  it('never go back in time', () => {
    for (const shape of ['burst', 'ramp', 'waves', 'reconnect'] as const) {
      const all = dues(plan({ shape }))
      expect(all).toEqual([...all].sort((a, b) => a - b))
    }
  })
})

describe('The address a client comes from', () => {
  it('is the kernel’s choice as long as one address has ports enough', () => {
    expect(sourceOf(4_999, 5_000, '127.0.0.1')).toBeUndefined()
    expect(sourceOf(59_999, 60_000, '10.0.0.1')).toBeUndefined()
  })

  it('changes every 20,000 arrivals where there are more', () => {
    const from = [0, 19_999, 20_000, 59_999].map((i) => sourceOf(i, 60_000, '127.0.0.1'))
    expect(from).toEqual(['127.0.0.1', '127.0.0.1', '127.0.0.2', '127.0.0.3'])
  })
})

describe('A storm in words', () => {
  it('says how many come how fast and what they do then', () => {
    expect(describeStorm(plan({}))).toBe(
      '100 clients in 2 s (50 a second), then a statement every 1 s for 3 s',
    )
    expect(describeStorm(plan({ everyMs: 0 }))).toContain('then idle for 3 s')
    expect(describeStorm(plan({ shape: 'waves' }))).toContain('3 waves of 100 functions')
    expect(describeStorm(plan({ shape: 'reconnect' }))).toContain('all at once')
  })
})
