/** The instrument notices when it stood still itself. */
import { describe, expect, it } from 'vitest'
import { StallWatch } from '../../../src/bench/failover/stall-watch.ts'
import { until } from '../../../src/core/until.ts'

describe('The watch over the own event loop', () => {
  it('finds a stall of known length, and only in the span it happened in', async () => {
    const now = (): number => performance.now()
    const watch = new StallWatch(now)
    watch.start()
    const began = now()
    await until(() => now() - began > 20, 10_000)
    const from = now()
    while (now() - from < 120) {
      // The loop stands still.
    }
    const to = now()
    await until(() => now() - to > 20, 10_000)
    watch.stop()
    expect(watch.longest(began, now())).toBeGreaterThanOrEqual(120)
    expect(watch.longest(from + 30, from + 40)).toBeGreaterThanOrEqual(120)
    expect(watch.longest(0, began - 1)).toBe(0)
  })
})
