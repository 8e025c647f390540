import { describe, expect, test } from 'vitest'
import type { Budget } from '../../../src/pool/budget.ts'
import { type Borrower, type FakeMember, type FakePool, House } from './fake-pool.ts'

function siblings(
  limit: number,
  names = ['a', 'b'],
): { house: House; budget: Budget; pools: FakePool[] } {
  const house = new House()
  const budget = house.budget(limit)
  const pools = names.map((user) => house.pool({ name: `node-1/app/${user}`, budget }))
  return { house, budget, pools }
}

describe('the budget of a node', () => {
  test('takes the longest idle member of a sibling when it is empty', async () => {
    const { house, pools, budget } = siblings(3, ['a', 'b', 'c'])
    const [a, b, c] = pools as [FakePool, FakePool, FakePool]
    const [younger] = await b.fill(1)
    house.clock.advance(10)
    const [oldest] = await a.fill(1)
    a.pool.tryBorrow()
    house.clock.advance(10)
    b.pool.release(b.pool.tryBorrow()!)
    house.clock.advance(10)
    a.pool.release(oldest!)
    await c.fill(1)
    c.pool.tryBorrow()
    const waiting = c.borrow()
    expect(younger!.ended).toBe('budget')
    expect(oldest!.ended).toBeUndefined()
    const [fresh] = await c.login()
    expect(waiting.member).toBe(fresh)
    expect(budget.taken).toBe(3)
  })

  test('is never exceeded by its pools together', async () => {
    const { pools, budget } = siblings(5)
    for (const f of pools) for (let i = 0; i < 10; i++) f.borrow()
    for (let i = 0; i < 20; i++) {
      for (const f of pools) if (f.logins.length > 0) await f.login()
      expect(budget.taken).toBeLessThanOrEqual(5)
    }
    expect(budget.taken).toBe(5)
  })

  test('gives a free member to a sibling that waits rather than let it idle', async () => {
    const { pools } = siblings(1)
    const [a, b] = pools as [FakePool, FakePool]
    const [member] = await a.fill(1)
    a.pool.tryBorrow()
    const waiting = b.borrow()
    expect(b.logins.length).toBe(0)
    a.pool.release(member!)
    expect(member!.ended).toBe('budget')
    const [fresh] = await b.login()
    expect(waiting.member).toBe(fresh)
  })

  test('moves places from a pool with more than its share, until the shares are even', async () => {
    const { pools } = siblings(6)
    const [a, b] = pools as [FakePool, FakePool]
    const busy = Array.from({ length: 30 }, () => a.borrow())
    while (a.logins.length > 0) await a.login()
    expect(a.pool.stats().leased).toBe(6)
    Array.from({ length: 30 }, () => b.borrow())
    for (let i = 0; i < 12; i++) {
      release(a, busy)
      while (b.logins.length > 0) await b.login()
    }
    expect([a.pool.stats().total, b.pool.stats().total]).toEqual([3, 3])
    expect(a.pool.stats().evicted.budget).toBe(3)
  })

  test('gives the place to the pool it was given up for, though the giver starves as well', () =>
    givenUpForB())

  test('starves nobody: a pool that got nothing for a second has the next member back', async () => {
    const { house, pools } = siblings(2)
    const [a, b] = pools as [FakePool, FakePool]
    // b has its share, but that one is pinned; a's turns for ever.
    await b.fill(1)
    b.pool.tryBorrow()
    const busy = Array.from({ length: 100 }, () => a.borrow())
    await a.login()
    const waiting = b.borrow()
    for (let i = 0; i < 8; i++) {
      release(a, busy)
      await house.pass(100)
    }
    expect(a.pool.stats().evicted.budget).toBe(0)
    await house.pass(200)
    release(a, busy)
    const [fresh] = await b.login()
    expect(waiting.member).toBe(fresh)
    // And a has it back as soon as b's waiter is done.
    b.pool.release(fresh!)
    expect(fresh!.ended).toBe('budget')
    expect(a.logins.length).toBe(1)
  })

  test('wakes the pool with fewest places first when it is raised', async () => {
    const { pools, budget } = siblings(2, ['a', 'b', 'c'])
    const [a, b, c] = pools as [FakePool, FakePool, FakePool]
    for (let i = 0; i < 5; i++) a.borrow()
    await a.login(2)
    b.borrow()
    c.borrow()
    budget.setLimit(4)
    expect([a, b, c].map((f) => f.logins.length)).toEqual([0, 1, 1])
    budget.setLimit(5)
    expect(a.logins.length).toBe(1)
  })

  test('closes idle members at once when it is lowered, and leased ones as they return', async () => {
    const { pools, budget } = siblings(10)
    const [a, b] = pools as [FakePool, FakePool]
    await a.fill(4)
    const leased = [a.pool.tryBorrow()!, a.pool.tryBorrow()!, a.pool.tryBorrow()!]
    await b.fill(2)
    budget.setLimit(2)
    expect([a.pool.stats().total, b.pool.stats().total]).toEqual([3, 0])
    const waiting = a.borrow()
    a.pool.release(leased[0]!)
    expect(budget.taken).toBe(2)
    expect(waiting.member).toBeUndefined()
    a.pool.release(leased[1]!)
    expect(waiting.member).toBe(leased[1])
  })

  test('is at least one', () => {
    const { budget } = siblings(0)
    expect(budget.limit).toBe(1)
    budget.setLimit(-3)
    expect(budget.limit).toBe(1)
  })

  test('calls a place given back too often a bug', () => {
    const { budget } = siblings(1)
    expect(() => budget.giveBack()).toThrow('BUG: more places given back to node-1 than taken')
  })
})

async function givenUpForB(): Promise<void> {
  const { house, pools } = siblings(3)
  const [a, b] = pools as [FakePool, FakePool]
  const members = await a.fill(3)
  for (const _ of members) a.pool.tryBorrow()
  a.borrow()
  await house.pass(2_000)
  b.borrow()
  a.pool.release(members[0]!)
  expect([a.logins.length, b.logins.length]).toEqual([0, 1])
}

/** The first borrower that still holds a member returns it. */
function release(f: FakePool, borrowers: Borrower[]): void {
  const index = borrowers.findIndex((b) => b.member !== undefined)
  const [holder] = borrowers.splice(index, 1)
  f.pool.release(holder!.member as FakeMember)
}
