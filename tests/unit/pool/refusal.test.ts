import { describe, expect, test } from 'vitest'
import { WeirError } from '../../../src/core/errors.ts'
import { House, settle } from './fake-pool.ts'

describe('a borrower is refused', () => {
  test('in time, in words that show the pool and the last real error', async () => {
    const house = new House()
    const f = house.pool({ maximum: 3, openTimeoutMs: 1e9 })
    await f.fill(2)
    f.pool.tryBorrow()
    f.pool.tryBorrow()
    const line = [f.borrow(120_000), f.borrow('unlimited')]
    await f.failLogin(new Error('connection refused'))
    await house.pass(119_900)
    expect(line[0]!.calls).toBe(0)
    await house.pass(200)
    expect(line[0]!.refusal).toMatchObject({
      reason: 'timeout',
      cause: { message: 'connection refused' },
    })
    expect(line[0]!.refusal!.message).toMatch(
      /^timed out after 120\.[01] s waiting for a server connection of pool node-1\/app\/weir \(total 2, active 2, idle 0, waiting 2; last error: connection refused\)$/,
    )
    expect(line[1]!.calls).toBe(0)
  })

  test('by one deadline however many pools it has waited on', async () => {
    const house = new House()
    const f = house.pool()
    house.clock.advance(10_000)
    const late = f.borrow(5_000, 4_000)
    expect(late.refusal?.message).toContain('timed out after 6.0 s')
    const inTime = f.borrow(5_000, 9_000)
    await house.pass(3_900)
    expect(inTime.calls).toBe(0)
    await house.pass(300)
    expect(inTime.refusal?.reason).toBe('timeout')
  })

  test('at once with nowait, yet the pool grows for the next one', async () => {
    const f = new House().pool()
    const first = f.borrow('nowait')
    expect(first.refusal?.reason).toBe('nowait')
    expect(first.refusal?.message).toContain('the borrow timeout is nowait (total 0, active 0')
    for (let i = 0; i < 20; i++) f.borrow('nowait')
    expect(f.logins.length).toBe(1)
    const [member] = await f.login()
    expect(f.borrow('nowait').member).toBe(member)
  })

  test('at once when an opening fails in a way that waiting will not mend', async () => {
    const f = new House().pool()
    const line = [f.borrow(), f.borrow()]
    const cause = new WeirError('WEIR_OPEN_REFUSED', 'database "nope" does not exist')
    await f.failLogin(cause)
    expect(line.map((b) => b.refusal?.reason)).toEqual(['open-failed', 'open-failed'])
    expect(line[0]!.refusal?.cause).toBe(cause)
    expect(line[0]!.refusal?.message).toContain(
      'cannot open a server connection: database "nope" does not exist',
    )
  })

  test('not because of a refused opening while a member remains to serve the line', async () => {
    const f = new House().pool()
    const [member] = await f.fill(1)
    f.pool.tryBorrow()
    const next = f.borrow()
    await f.failLogin(new WeirError('WEIR_OPEN_REFUSED', 'password authentication failed'))
    expect(next.calls).toBe(0)
    f.pool.release(member!)
    expect(next.member).toBe(member)
  })

  test('never, once it has cancelled', async () => {
    const house = new House()
    const f = house.pool()
    const gone = f.borrow(1_000)
    gone.wait!.cancel()
    gone.wait!.cancel()
    await house.pass(2_000)
    expect(gone.calls).toBe(0)
    expect(f.pool.stats().waiting).toBe(0)
  })
})

describe('retiring', () => {
  test('refuses every waiter, closes the idle and lets leased members die on return', async () => {
    const f = new House().pool({ maximum: 2 })
    const [a, b] = await f.fill(2)
    f.pool.tryBorrow()
    f.pool.retire('writer moved to node-2')
    expect(a!.ended).toBe('retired')
    expect(b!.ended).toBeUndefined()
    const late = f.borrow()
    expect(late.refusal?.reason).toBe('retired')
    expect(late.refusal?.message).toContain('was retired: writer moved to node-2')
    expect(f.pool.tryBorrow()).toBeUndefined()
    f.pool.release(b!)
    expect(b!.ended).toBe('retired')
    expect(f.pool.state).toBe('closed')
    expect(f.budget.taken).toBe(0)
  })

  test('stops the openings, and closes a login that comes through all the same', async () => {
    const house = new House()
    const f = house.pool()
    const line = [f.borrow(1_000), f.borrow('unlimited')]
    const stubborn = f.logins.shift()!
    f.pool.retire('test')
    expect(line.map((b) => b.refusal?.reason)).toEqual(['retired', 'retired'])
    expect(stubborn.signal.aborted).toBe(true)
    await settle()
    expect(f.pool.stats()).toMatchObject({ state: 'retired', opening: 1 })
    f.logins.push(stubborn)
    const [member] = await f.login()
    expect(member!.ended).toBe('retired')
    expect(f.pool.state).toBe('closed')
    expect([house.wheel.armed, house.clock.pending, f.budget.taken]).toEqual([0, 0, 0])
  })
})

test('an opening that takes too long fails, and its late login is closed unseen', async () => {
  const house = new House()
  const f = house.pool({ openTimeoutMs: 2_000 })
  const waiting = f.borrow()
  const slow = f.logins.shift()!
  await house.pass(2_200)
  expect(slow.signal.aborted).toBe(true)
  expect(f.pool.stats()).toMatchObject({ openFailed: 1, lastError: 'no login within 2000 ms' })
  expect(f.logins.length).toBe(1)
  const [member] = await f.login()
  expect(waiting.member).toBe(member)
  f.logins.push(slow)
  const [late] = await f.login()
  expect(late!.ended).toBe('forced')
  expect(f.pool.stats().total).toBe(1)
})

test('draining serves those in line, refuses new ones and ends when the last is back', async () => {
  const f = new House().pool({ maximum: 1 })
  const [member] = await f.fill(1)
  f.pool.tryBorrow()
  const inLine = f.borrow()
  let done = false
  void f.pool.drain().then(() => {
    done = true
  })
  expect(f.borrow().refusal?.reason).toBe('draining')
  f.pool.release(member!)
  expect(inLine.member).toBe(member)
  await settle()
  expect(done).toBe(false)
  f.pool.release(member!)
  await settle()
  expect(done).toBe(true)
  expect(member!.ended).toBe('draining')
})

test('a drain does not hang on a waiter that cancels', async () => {
  const f = new House().pool()
  const gone = f.borrow()
  let done = false
  void f.pool.drain().then(() => {
    done = true
  })
  await f.failLogin(new Error('connection refused'))
  gone.wait!.cancel()
  await settle()
  expect(done).toBe(true)
  expect(f.house.clock.pending).toBe(0)
})
