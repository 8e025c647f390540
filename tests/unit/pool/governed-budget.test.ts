/** One process's part of a budget that somebody else shares out. */
import { beforeEach, expect, test } from 'vitest'
import type { Budget } from '../../../src/pool/budget.ts'
import { type FakePool, House } from './fake-pool.ts'

let budget: Budget
let pools: [FakePool, FakePool]
let changes: number

beforeEach(() => {
  const house = new House()
  budget = house.budget(9)
  changes = 0
  budget.govern({
    changed: () => {
      changes++
    },
  })
  pools = [
    house.pool({ name: 'node-1/app/a', budget }),
    house.pool({ name: 'node-1/app/b', budget }),
  ]
})

test('has nothing before it is allowed something, and then opens for whoever waits', async () => {
  budget.allow(0, 6, 3)
  const [a] = pools
  const waiting = a.borrow()
  expect([a.logins.length, budget.hungry, budget.allowed, budget.limit]).toEqual([0, 1, 0, 1])
  expect(changes).toBeGreaterThan(1)
  budget.allow(1, 6, 3)
  const [member] = await a.login()
  expect(waiting.member).toBe(member)
  expect([budget.hungry, budget.whole, budget.share]).toEqual([0, 6, 3])
})

test('asks for more before it closes an idle connection of its own', async () => {
  budget.allow(1, 2, 1)
  const [a, b] = pools
  const [idle] = await a.fill(1)
  const waiting = b.borrow()
  expect(idle!.ended).toBeUndefined()
  expect(budget.hungry).toBe(1)
  budget.denied()
  expect(idle!.ended).toBe('budget')
  const [fresh] = await b.login()
  expect(waiting.member).toBe(fresh)
  expect(budget.taken).toBe(1)
})

test('that has all there is closes an idle one at once, as one process does', async () => {
  budget.allow(1, 1, 1)
  const [a, b] = pools
  const [idle] = await a.fill(1)
  b.borrow()
  expect(idle!.ended).toBe('budget')
})

test('gives up what nobody uses, free places first, and nothing while somebody is hungry', async () => {
  budget.allow(3, 6, 3)
  const [a, b] = pools
  const [first] = await a.fill(1)
  expect(budget.yield(1)).toBe(1)
  expect([budget.allowed, first!.ended]).toEqual([2, undefined])
  expect(budget.yield(5)).toBe(2)
  expect([budget.allowed, first!.ended]).toEqual([0, 'budget'])
  budget.allow(1, 6, 3)
  await a.fill(1)
  a.pool.tryBorrow()
  b.borrow()
  budget.allow(1, 6, 3)
  expect(budget.yield(5)).toBe(0)
})

test('gives lent ones back as they return when it is allowed fewer', async () => {
  budget.allow(2, 4, 2)
  const [a] = pools
  const [one, two] = await a.fill(2)
  a.pool.tryBorrow()
  a.pool.tryBorrow()
  budget.allow(1, 4, 2)
  expect(budget.taken).toBe(2)
  const before = changes
  a.pool.release(one!)
  expect([budget.taken, one!.ended]).toEqual([1, 'budget'])
  expect(changes).toBeGreaterThan(before)
  a.pool.release(two!)
  expect(two!.ended).toBeUndefined()
})
