/** What a client's record says of a stall, an error and an end that never came. */
import { describe, expect, it } from 'vitest'
import { Journal } from '../../../src/bench/failover/journal.ts'

const marks = { fault: 1_000, promoted: 1_150, ended: 3_000 }

function writer(): Journal {
  return new Journal(1, 'writer', 100)
}

describe('A gap', () => {
  it('runs from when the first unanswered request was due, not from when it was sent', () => {
    const journal = writer()
    journal.due(900)
    journal.good(902)
    journal.due(1_000)
    // Answered only now; three more fell due meanwhile.
    journal.missed(3)
    journal.good(1_420)
    const record = journal.record(marks)
    expect(record).toMatchObject({ due: 5, answered: 2, failed: 0, longestGapMs: 420 })
    expect(record.gaps).toEqual([{ from: 1_000, to: 1_420, end: 'answered' }])
  })

  it('goes on over errors until the next good answer', () => {
    const journal = writer()
    journal.due(1_000)
    journal.bad('08007')
    journal.due(1_050)
    journal.bad('08007')
    journal.due(1_100)
    journal.good(1_300)
    expect(journal.record(marks)).toMatchObject({
      failed: 2,
      errors: { '08007': 2 },
      longestGapMs: 300,
      gaps: [{ from: 1_000, to: 1_300, end: 'error' }],
    })
  })

  it('that never ended runs to the end of the round and is the longest there is', () => {
    const journal = writer()
    journal.due(1_000)
    journal.bad('ECONNREFUSED')
    const record = journal.record(marks)
    expect(record.gaps).toEqual([{ from: 1_000, to: 3_000, end: 'never' }])
    expect(record.longestGapMs).toBe(2_000)
    expect(record.afterPromotionMs).toBeUndefined()
  })

  it('is not drawn when it is shorter than two periods, and counts as latency nevertheless', () => {
    const journal = writer()
    journal.due(1_000)
    journal.good(1_150)
    expect(journal.record(marks)).toMatchObject({ gaps: [], longestGapMs: 150 })
  })
})

describe('The time since the promotion', () => {
  it('ends with the first good answer after it, not with one that came before', () => {
    const journal = writer()
    journal.due(1_000)
    journal.good(1_149)
    journal.due(1_100)
    journal.good(1_162.25)
    journal.due(1_200)
    journal.good(1_201)
    expect(journal.record(marks).afterPromotionMs).toBe(12.25)
  })

  it('is unknown without a promotion', () => {
    const journal = writer()
    journal.due(1_000)
    journal.good(1_001)
    expect(journal.record({ ...marks, promoted: undefined }).afterPromotionMs).toBeUndefined()
  })
})

describe('A client', () => {
  it('has recovered when a request that fell due after the promotion was answered', () => {
    const journal = writer()
    journal.due(1_100)
    journal.good(1_200)
    expect(journal.wellSince(1_150)).toBe(false)
    journal.due(1_200)
    journal.good(1_201)
    expect(journal.wellSince(1_150)).toBe(true)
    journal.due(1_300)
    journal.bad('25006')
    expect(journal.wellSince(1_150)).toBe(false)
  })
})
