/** The open schedule: what falls due does so whatever became of the request before. */
import { describe, expect, it } from 'vitest'
import { Journal } from '../../../src/bench/failover/journal.ts'
import { Schedule } from '../../../src/bench/failover/schedule.ts'
import { until } from '../../../src/core/until.ts'

const now = (): number => performance.now()

function begun(period: number, attempt: (journal: Journal, n: number) => Promise<boolean>) {
  const journal = new Journal(1, 'writer', period)
  let n = 0
  const first = now()
  const schedule = new Schedule(journal, { now, first, retryMs: 5 }, () => attempt(journal, ++n))
  schedule.start()
  const record = () => journal.record({ fault: first, promoted: undefined, ended: now() })
  return { schedule, record, attempts: () => n }
}

describe('The schedule of a client', () => {
  it('counts what falls due during a stall, and does not send it afterwards', async () => {
    let stalled: (() => void) | undefined
    const { schedule, record, attempts } = begun(10, async (journal, n) => {
      if (n === 3) await new Promise<void>((resolve) => (stalled = resolve))
      journal.good(now())
      return true
    })
    await until(() => stalled !== undefined, 10_000)
    const from = now()
    await until(() => now() - from > 200, 10_000)
    stalled?.()
    await until(() => attempts() >= 6, 10_000)
    await schedule.stop()
    const { due, answered, longestGapMs } = record()
    expect(longestGapMs).toBeGreaterThan(200)
    // Twenty fell due while it stood still; sent were only those before and after.
    expect(due - answered).toBeGreaterThanOrEqual(18)
    expect(answered).toBe(attempts())
  })

  it('tries again after an error without waiting for the next due time', async () => {
    const { schedule, record, attempts } = begun(60_000, async (journal, n) => {
      if (n < 4) {
        journal.bad('08007')
        return false
      }
      journal.good(now())
      return true
    })
    await until(() => attempts() === 4, 10_000)
    await schedule.stop()
    expect(record()).toMatchObject({ answered: 1, failed: 3, due: 4 })
  })

  it('ends at once when nothing is under way', async () => {
    const { schedule, attempts } = begun(60_000, async (journal) => {
      journal.good(now())
      return true
    })
    await until(() => attempts() === 1, 10_000)
    await schedule.stop()
    expect(attempts()).toBe(1)
  })
})
