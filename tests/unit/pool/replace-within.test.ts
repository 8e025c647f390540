import { expect, test } from 'vitest'
import { House } from './fake-pool.ts'

test('members with a replaced password make way spread over a while, and only those', async () => {
  const house = new House()
  const f = house.pool({ maximum: 10, random: () => 0.5 })
  const old = await f.fill(4)
  f.pool.replaceWithin(60_000)
  // Nobody goes at once.
  f.pool.janitor(house.clock.monotonic())
  expect(old.map((m) => m.ended)).toEqual([undefined, undefined, undefined, undefined])
  house.clock.advance(60_000)
  const leased = f.pool.tryBorrow()!
  f.pool.janitor(house.clock.monotonic())
  expect(old.filter((m) => m.ended === 'lifetime')).toHaveLength(3)
  // One that was lent goes when it comes back.
  expect(leased.ended).toBeUndefined()
  f.pool.release(leased)
  expect(leased.ended).toBe('lifetime')
  const [fresh] = await f.fill(1)
  f.pool.janitor(house.clock.monotonic())
  expect(fresh?.ended).toBeUndefined()
})
