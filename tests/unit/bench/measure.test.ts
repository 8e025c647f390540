/** Percentiles and summaries: nearest rank, and nothing made up. */
import { describe, expect, it } from 'vitest'
import { NOTHING_JUDGED, percentiles, summarise } from '../../../src/bench/failover/measure.ts'
import type { ClientRecord, Round } from '../../../src/bench/failover/result.ts'

describe('Percentiles', () => {
  it('are values that were measured, by nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i)
    expect(percentiles(values)).toEqual({ n: 100, p50: 50, p90: 90, p99: 99, max: 100 })
    expect(percentiles([7])).toEqual({ n: 1, p50: 7, p90: 7, p99: 7, max: 7 })
    expect(percentiles([1, 2])).toEqual({ n: 2, p50: 1, p90: 2, p99: 2, max: 2 })
  })

  it('of nothing are undefined and not zero', () => {
    expect(percentiles([])).toBeUndefined()
  })
})

describe('The summary of a subject', () => {
  it('takes the longest gap of each writing client of each round', () => {
    const rounds = [round({ gaps: [10, 30] }), round({ gaps: [20, 40] })]
    expect(summarise('weir', 'kill', '', rounds).writeGap).toMatchObject({ n: 4, p50: 20, max: 40 })
  })

  it('counts rounds in which the instrument failed, and leaves their figures out', () => {
    const bad = round({ gaps: [9_000], invalid: 'the instrument itself stood still for 400 ms' })
    const summary = summarise('weir', 'kill', '', [round({ gaps: [10] }), bad])
    expect(summary).toMatchObject({ rounds: 1, invalid: 1 })
    expect(summary.writeGap?.max).toBe(10)
    expect(summary.verdict.acknowledged).toBe(5)
  })

  it('takes no reading gap from a round in which the instrument stood in the readers’ way', () => {
    const rounds = [
      round({ gaps: [10], kind: 'reader' }),
      round({ gaps: [600], kind: 'reader', blurred: true }),
      round({ gaps: [700], blurred: true }),
    ]
    const { readGap, writeGap } = summarise('weir', 'kill', '', rounds)
    expect(readGap).toMatchObject({ n: 1, max: 10 })
    expect(writeGap).toMatchObject({ n: 1, max: 700 })
    expect(summarise('weir', 'kill', '', rounds.slice(1)).readGap).toBeUndefined()
  })

  it('takes no round of another subject or fault', () => {
    const other: Round = { ...round({ gaps: [50] }), subject: 'direct' }
    const freeze: Round = { ...round({ gaps: [60] }), fault: 'freeze' }
    expect(summarise('weir', 'kill', '', [round({ gaps: [10] }), other, freeze]).rounds).toBe(1)
  })

  it('takes the first write after a promotion from the quickest client, and each from its own', () => {
    const summary = summarise('weir', 'kill', '', [round({ gaps: [1, 1], after: [12, 80] })])
    expect(summary.firstWrite).toMatchObject({ n: 1, p50: 12 })
    expect(summary.everyWrite).toMatchObject({ n: 2, max: 80 })
  })

  it('spans an arrow over milestones that nobody saw', () => {
    const one: Round = {
      ...round({ gaps: [1] }),
      timeline: { fault: 1_000, promoted: 1_150.5, 'first-reply': 1_170.5 },
    }
    const { arrows, outage } = summarise('weir', 'kill', '', [one])
    expect(Object.keys(arrows)).toEqual(['fault→promoted', 'promoted→first-reply'])
    expect(arrows['promoted→first-reply']?.p50).toBe(20)
    expect(outage?.p50).toBe(170.5)
  })
})

function round(of: {
  gaps: number[]
  after?: number[]
  invalid?: string
  kind?: ClientRecord['kind']
  blurred?: boolean
}): Round {
  const clients = of.gaps.map(
    (longestGapMs, i): ClientRecord => ({
      id: i + 1,
      kind: of.kind ?? 'writer',
      due: 10,
      answered: 10,
      failed: 0,
      longestGapMs,
      afterPromotionMs: of.after?.[i],
      dropped: 0,
      errors: {},
      gaps: [],
    }),
  )
  return {
    subject: 'weir',
    number: 1,
    fault: 'kill',
    victim: 'node-1',
    promoted: 'node-2',
    began: 0,
    ended: 1,
    timeline: {},
    clients,
    verdict: { ...NOTHING_JUDGED, acknowledged: 5 },
    invalid: of.invalid,
    instrument: {
      longestStallMs: 0,
      lateStallMs: 0,
      readsBlurred: of.blurred ?? false,
      promotedWithinMs: undefined,
      promotionMs: undefined,
      ownWriteMs: undefined,
    },
  }
}
