/** The verdict: what is there against what clients were told. */
import { describe, expect, it } from 'vitest'
import { judge, type WrittenRow } from '../../../src/bench/failover/sequence-table.ts'
import { Told } from '../../../src/bench/failover/told.ts'

const row = (client: number, number: number, part = 1, times = 1): WrittenRow => ({
  client,
  number,
  part,
  times,
})

function told(
  client: number,
  parts: number,
  lists: Partial<Record<'acknowledged' | 'refused' | 'unknown', number[]>>,
) {
  const one = new Told(client, parts)
  for (const [name, numbers] of Object.entries(lists)) {
    one[name as 'acknowledged'].push(...numbers)
  }
  return one
}

describe('The verdict', () => {
  it('finds an acknowledged write that is not there', () => {
    const verdict = judge([told(1, 1, { acknowledged: [1, 2, 3] })], [row(1, 1), row(1, 3)])
    expect(verdict).toMatchObject({ acknowledged: 3, lost: 1, duplicates: 0, contradicted: 0 })
  })

  it('finds a write that is there twice', () => {
    const verdict = judge([told(1, 1, { acknowledged: [1] })], [row(1, 1, 1, 2)])
    expect(verdict).toMatchObject({ lost: 0, duplicates: 1 })
  })

  it('counts unknown outcomes, and how many of them are there', () => {
    const verdict = judge([told(1, 1, { unknown: [1, 2] })], [row(1, 2)])
    expect(verdict).toMatchObject({ unknown: 2, unknownThere: 1, lost: 0, contradicted: 0 })
  })

  it('finds what is there although its client was told that nothing happened', () => {
    expect(judge([told(1, 1, { refused: [1] })], [row(1, 1)]).contradicted).toBe(1)
  })

  it('takes half a transaction for a contradiction, whatever its client was told', () => {
    for (const list of ['acknowledged', 'refused', 'unknown'] as const) {
      expect(judge([told(1, 2, { [list]: [1] })], [row(1, 1, 2)])).toMatchObject({
        contradicted: 1,
        lost: 0,
      })
    }
    const whole = [row(1, 1, 1), row(1, 1, 2)]
    expect(judge([told(1, 2, { unknown: [1] })], whole)).toMatchObject({
      contradicted: 0,
      unknownThere: 1,
    })
  })

  it('does not mix the numbers of two clients up', () => {
    const verdict = judge(
      [told(1, 1, { acknowledged: [1] }), told(2, 1, { acknowledged: [1] })],
      [row(2, 1)],
    )
    expect(verdict.lost).toBe(1)
  })
})
