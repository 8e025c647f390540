import { describe, expect, test } from 'vitest'
import { fateOf, type Returned } from '../../../src/pool/checklist.ts'
import { FakeMember, type FakePool, House, settle } from './fake-pool.ts'

async function leased(f: FakePool): Promise<FakeMember> {
  await f.fill(1)
  return f.pool.tryBorrow()!
}

test('the checklist of a return is asked in order and the first yes decides', () => {
  const fine: Returned = { condition: 'clean', outdated: false, expired: false, unneeded: false }
  const all = { outdated: true, expired: true, unneeded: true }
  expect(fateOf({ ...all, condition: 'broken' })).toBe('broken')
  expect(fateOf({ ...all, condition: 'owes' })).toBe('retired')
  expect(fateOf({ ...fine, expired: true, unneeded: true, condition: 'owes' })).toBe('lifetime')
  expect(fateOf({ ...fine, unneeded: true, condition: 'owes' })).toBe('replies-owed')
  expect(fateOf({ ...fine, unneeded: true, condition: 'dirty' })).toBe('draining')
  expect(fateOf({ ...fine, condition: 'cancel-pending' })).toBe('hold')
  expect(fateOf({ ...fine, unneeded: true, condition: 'unfinished' })).toBe('draining')
  expect(fateOf({ ...fine, condition: 'unfinished' })).toBe('finish')
  expect(fateOf({ ...fine, condition: 'dirty' })).toBe('reset')
  expect(fateOf(fine)).toBe('lend')
})

describe('a returned member', () => {
  test('that is dirty is reset before anybody has it', async () => {
    const f = new House().pool({ maximum: 1 })
    const member = await leased(f)
    const next = f.borrow()
    member.state = 'dirty'
    f.pool.release(member)
    expect(next.member).toBeUndefined()
    expect(f.pool.stats()).toMatchObject({ resetting: 1, leased: 0, total: 1 })
    member.resetting!.resolve(true)
    await settle()
    expect(next.member).toBe(member)
  })

  test('that could not be reset is destroyed and replaced for the waiter', async () => {
    const f = new House().pool({ maximum: 1 })
    const member = await leased(f)
    const next = f.borrow()
    member.state = 'dirty'
    f.pool.release(member)
    member.resetting!.resolve(false)
    await settle()
    expect(member).toMatchObject({ ended: 'reset-failed', destroyed: true })
    const [fresh] = await f.login()
    expect(next.member).toBe(fresh)
  })

  test('whose reset never ends is destroyed in time, and the late answer changes nothing', async () => {
    const house = new House()
    const f = house.pool({ cleanTimeoutMs: 5_000 })
    const member = await leased(f)
    member.state = 'dirty'
    f.pool.release(member)
    await house.pass(4_900)
    expect(member.ended).toBeUndefined()
    await house.pass(300)
    expect(member.ended).toBe('reset-failed')
    member.resetting!.resolve(true)
    await settle()
    expect(f.pool.stats()).toMatchObject({ total: 0, resetting: 0 })
    expect(f.budget.taken).toBe(0)
  })

  test('that says it is clean and stays dirty is given up, not reset for ever', async () => {
    const f = new House().pool()
    const member = await leased(f)
    member.reset = () => Promise.resolve(true)
    member.state = 'dirty'
    f.pool.release(member)
    for (let i = 0; i < 5; i++) await settle()
    expect(member.ended).toBe('reset-failed')
  })

  test('with a cancel request under way is held until that has landed', async () => {
    const f = new House().pool({ maximum: 1 })
    const member = await leased(f)
    const next = f.borrow()
    member.state = 'cancel-pending'
    f.pool.release(member)
    expect(f.pool.stats()).toMatchObject({ held: 1, leased: 0, waiting: 1 })
    member.state = 'clean'
    member.settling!.resolve()
    await settle()
    expect(next.member).toBe(member)
  })

  test('that still works for a borrower who left may finish, and is reset then', async () => {
    const f = new House().pool({ maximum: 1, orphanTimeoutMs: 10_000 })
    const member = await leased(f)
    const next = f.borrow()
    member.state = 'unfinished'
    f.pool.release(member)
    await f.house.pass(9_000)
    expect(f.pool.stats()).toMatchObject({ held: 1, resetting: 0, waiting: 1 })
    member.finishing!.resolve()
    await settle()
    expect(f.pool.stats()).toMatchObject({ held: 0, resetting: 1 })
    member.resetting!.resolve(true)
    await settle()
    expect(next.member).toBe(member)
    expect(f.house.wheel.armed).toBe(0)
  })

  test('that does not finish in time is reset all the same, and its late end changes nothing', async () => {
    const f = new House().pool({ maximum: 1, orphanTimeoutMs: 10_000 })
    const member = await leased(f)
    member.state = 'unfinished'
    f.pool.release(member)
    await f.house.pass(10_200)
    expect(f.pool.stats()).toMatchObject({ held: 0, resetting: 1 })
    expect(member.resets).toBe(1)
    member.finishing!.resolve()
    await settle()
    member.resetting!.resolve(true)
    await settle()
    expect(member.resets).toBe(1)
    expect(f.pool.stats()).toMatchObject({ idle: 1, total: 1 })
  })

  test('gets no time to finish when there is none, and all of it when there is no end', async () => {
    const f = new House().pool({ orphanTimeoutMs: 0 })
    const member = await leased(f)
    member.state = 'unfinished'
    f.pool.release(member)
    expect(f.pool.stats()).toMatchObject({ held: 0, resetting: 1 })
    const g = new House().pool({ orphanTimeoutMs: Infinity })
    const other = await leased(g)
    other.state = 'unfinished'
    g.pool.release(other)
    await g.house.pass(3_600_000)
    expect(g.pool.stats()).toMatchObject({ held: 1 })
  })

  test('that dies while it is held or reset is forgotten', async () => {
    const f = new House().pool()
    const member = await leased(f)
    member.state = 'cancel-pending'
    f.pool.release(member)
    f.pool.lost(member)
    member.state = 'clean'
    member.settling!.resolve()
    await settle()
    expect(f.pool.stats()).toMatchObject({ total: 0, idle: 0 })
    expect(f.house.wheel.armed).toBe(0)
  })

  test('that owes replies is closed, and a broken one destroyed', async () => {
    const f = new House().pool()
    const a = await leased(f)
    a.state = 'owes'
    f.pool.release(a)
    expect(a).toMatchObject({ ended: 'replies-owed', destroyed: false })
    const b = await leased(f)
    b.state = 'broken'
    f.pool.release(b)
    expect(b).toMatchObject({ ended: 'broken', destroyed: true })
    expect(f.pool.stats().evicted).toMatchObject({ 'replies-owed': 1, broken: 1 })
  })

  test('of an older epoch is closed and replaced, and nobody in line is refused', async () => {
    const f = new House().pool({ maximum: 1 })
    const member = await leased(f)
    const next = f.borrow()
    f.pool.renew()
    f.pool.release(member)
    expect(member.ended).toBe('retired')
    const [fresh] = await f.login()
    expect(next.member).toBe(fresh)
  })

  test('that was forced out stays counted until its borrower returns it', async () => {
    const f = new House().pool()
    const member = await leased(f)
    f.pool.force()
    expect(member.ended).toBe('forced')
    expect(f.pool.stats()).toMatchObject({ total: 1, leased: 1 })
    f.pool.release(member)
    expect(f.pool.stats()).toMatchObject({ total: 0, leased: 0 })
  })
})

describe('misuse is our bug and says so', () => {
  test('releasing twice', async () => {
    const f = new House().pool()
    const member = await leased(f)
    f.pool.release(member)
    expect(() => f.pool.release(member)).toThrow(
      `BUG: member ${member.id} released to pool node-1/app/weir, but it is back (idle)`,
    )
    expect(f.pool.stats()).toMatchObject({ idle: 1, total: 1 })
  })

  test('releasing or discarding what was never lent', () => {
    const f = new House().pool()
    const stranger = new FakeMember()
    expect(() => f.pool.release(stranger)).toThrow('BUG: member')
    expect(() => f.pool.discard(stranger, 'broken')).toThrow('but it is not lent by this pool')
  })

  test('reporting a leased member as lost instead of discarding it', async () => {
    const f = new House().pool()
    const member = await leased(f)
    expect(() => f.pool.lost(member)).toThrow('discard it instead')
    f.pool.discard(member, 'broken')
    f.pool.lost(member)
    expect(f.pool.stats().total).toBe(0)
  })

  test('resuming a pool that was retired', () => {
    const f = new House().pool()
    f.pool.retire('test')
    expect(() => f.pool.resume()).toThrow('BUG: pool node-1/app/weir closed -> serving')
  })
})
