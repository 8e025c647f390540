/** Expectations: what may be written, and when they are met. */
import { describe, expect, it } from 'vitest'
import { judgeExpectations, parseExpectation } from '../../../src/bench/failover/expect.ts'
import { summarise } from '../../../src/bench/failover/measure.ts'
import type { SubjectSummary } from '../../../src/bench/failover/result.ts'

const none = summarise('weir', 'kill', '', [])
const measured: SubjectSummary = {
  ...none,
  rounds: 3,
  writeGap: { n: 30, p50: 200, p90: 400, p99: 999.9, max: 1_200 },
}
const met = (text: string, ...summaries: SubjectSummary[]) =>
  judgeExpectations([parseExpectation(text)], summaries).map((one) => one.met)

describe('An expectation', () => {
  it.each([
    ['gap_p99<1s', true],
    ['gap_p99 < 999ms', false],
    ['gap_max<=1.2s', true],
    ['gap_p50=200', true],
    ['gap_p50>=201ms', false],
    ['lost=0', true],
    ['idle_dropped=0', true],
    ['rounds>3', false],
  ])('%s of the subject is %s', (text, expected) => {
    expect(met(text, measured)).toEqual([expected])
  })

  it('of a figure that was not measured is not met', () => {
    expect(met('read_gap_p99<10s', measured)).toEqual([false])
    expect(met('lost=0', none)).toEqual([false])
    expect(judgeExpectations([parseExpectation('lost=0')], [none])[0]?.actual).toBeUndefined()
  })

  it('is judged for each fault, of the first subject unless another is named', () => {
    const freeze: SubjectSummary = { ...measured, fault: 'freeze', writeGap: undefined }
    const direct: SubjectSummary = { ...measured, subject: 'direct' }
    expect(met('gap_p99<1s', measured, direct, freeze)).toEqual([true, false])
    expect(met('direct:gap_p99<1ms', measured, direct, freeze)).toEqual([false])
  })

  it('that is not understood says what would be', () => {
    expect(() => parseExpectation('gap_p99')).toThrow(/write e\.g\. gap_p99<1s/)
    expect(() => parseExpectation('gap_p95<1s')).toThrow(
      /there is no figure "gap_p95"; there are .*gap_p99/,
    )
  })
})
