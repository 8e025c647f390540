import { describe, expect, test } from 'vitest'
import { DEFAULT_POOL_SETTINGS } from '../../../src/pool/settings.ts'
import { type FakePool, House } from './fake-pool.ts'

const MINUTE = 60_000

function sweep(f: FakePool): void {
  f.pool.janitor(f.house.clock.monotonic())
}

describe('the janitor', () => {
  test('keeps a share of what nobody used for five minutes, the most recently used', async () => {
    const f = new House().pool({ maximum: 10, maxIdlePercent: 30 })
    const members = await f.fill(5)
    f.house.clock.advance(5 * MINUTE - 1)
    sweep(f)
    expect(f.pool.stats().idle).toBe(5)
    f.house.clock.advance(1)
    sweep(f)
    expect(members.map((m) => m.ended)).toEqual([
      'idle-limit',
      'idle-limit',
      undefined,
      undefined,
      undefined,
    ])
  })

  test('measures the share by the budget when that is the lower maximum', async () => {
    const house = new House()
    const f = house.pool({ maximum: 100, maxIdlePercent: 50, budget: house.budget(4) })
    await f.fill(4)
    house.clock.advance(5 * MINUTE)
    sweep(f)
    expect(f.pool.stats().idle).toBe(2)
  })

  test('lets a quiet pool drain to nothing at zero percent, but for minIdle', async () => {
    const f = new House().pool({ maxIdlePercent: 0 })
    await f.fill(3)
    f.house.clock.advance(5 * MINUTE)
    f.pool.reconfigure({ ...DEFAULT_POOL_SETTINGS, maxIdlePercent: 0, minIdle: 1 })
    sweep(f)
    expect(f.pool.stats().idle).toBe(1)
    f.pool.reconfigure({ ...DEFAULT_POOL_SETTINGS, maxIdlePercent: 0 })
    sweep(f)
    expect(f.pool.stats().idle).toBe(0)
  })

  test('does not count the leased as idle however long they are pinned', async () => {
    const f = new House().pool({ maxIdlePercent: 0 })
    await f.fill(1)
    const pinned = f.pool.tryBorrow()!
    f.house.clock.advance(60 * MINUTE)
    sweep(f)
    f.pool.release(pinned)
    sweep(f)
    expect(f.pool.stats().idle).toBe(1)
  })

  test('closes members past their lifetime, each at its own moment', async () => {
    let draw = -0.25
    const f = new House().pool({
      maxIdlePercent: 100,
      maxLifetimeMs: 60 * MINUTE,
      lifetimeSpread: 0.2,
      random: () => (draw += 0.25),
    })
    const members = await f.fill(4)
    const ended: number[] = []
    for (let minute = 1; minute <= 60; minute++) {
      f.house.clock.advance(MINUTE)
      sweep(f)
      for (const m of members) if (m.ended === 'lifetime') ended[members.indexOf(m)] ??= minute
    }
    expect(ended).toEqual([60, 57, 54, 51])
  })

  test('leaves a leased member past its lifetime alone until it comes back', async () => {
    const f = new House().pool({ maxLifetimeMs: MINUTE, lifetimeSpread: 0 })
    await f.fill(1)
    const leased = f.pool.tryBorrow()!
    f.house.clock.advance(2 * MINUTE)
    sweep(f)
    expect(leased.ended).toBeUndefined()
    f.pool.release(leased)
    expect(leased.ended).toBe('lifetime')
  })

  test('opens minIdle members ahead of need, a few at a time, never at a sibling’s cost', async () => {
    const house = new House()
    const budget = house.budget(6)
    const busy = house.pool({ budget, name: 'node-1/app/busy' })
    await busy.fill(2)
    const f = house.pool({ budget, minIdle: 5, openingsAtOnce: 3 })
    sweep(f)
    expect(f.logins.length).toBe(3)
    await f.login(3)
    sweep(f)
    expect(f.logins.length).toBe(1)
    await f.login()
    sweep(f)
    expect(f.pool.stats()).toMatchObject({ idle: 4, opening: 0 })
    expect(busy.pool.stats().idle).toBe(2)
  })

  test('opens nothing for a pool that is paused or over', () => {
    const f = new House().pool({ minIdle: 2 })
    f.pool.pause()
    sweep(f)
    f.pool.retire('test')
    sweep(f)
    expect(f.openCalls).toBe(0)
  })
})
