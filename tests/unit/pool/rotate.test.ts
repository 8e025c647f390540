/** The rotating pool of the foreign suites: a single client must not meet its own leavings. */
import { describe, expect, test } from 'vitest'
import { DEFAULT_POOL_SETTINGS } from '../../../src/pool/settings.ts'
import { type FakeMember, type FakePool, House, settle } from './fake-pool.ts'

/** One transaction of a client that had `last`, as a session borrows: idle at hand, else in line. */
async function turn(f: FakePool, last?: FakeMember): Promise<FakeMember> {
  let member = f.pool.tryBorrow(() => true, last)
  if (member === undefined) {
    f.pool.borrow(
      {
        granted: (m) => {
          member = m
        },
        refused: (why) => {
          throw new Error(why.message)
        },
      },
      'unlimited',
      undefined,
      last,
    )
    while (member === undefined && f.logins.length > 0) await f.login()
  }
  f.pool.release(member!)
  return member!
}

describe('a rotating pool', () => {
  test('lends the longest idle first, whatever the borrower would prefer', async () => {
    const f = new House().pool({ rotate: true })
    const [a, b, c] = await f.fill(3)
    expect(f.pool.tryBorrow((m) => m === c)).toBe(a)
    f.pool.release(a!)
    expect(f.pool.tryBorrow((m) => m === a)).toBe(b)
    expect(f.pool.tryBorrow()).toBe(c)
    expect(f.pool.tryBorrow()).toBe(a)
  })

  test('opens a second member for a single client and then alternates', async () => {
    const f = new House().pool({ rotate: true, maximum: 5 })
    const had: FakeMember[] = []
    for (let i = 0; i < 6; i++) had.push(await turn(f, had.at(-1)))
    expect(f.openCalls).toBe(2)
    for (let i = 1; i < 6; i++) expect(had[i]).not.toBe(had[i - 1])
  })

  test('never lends what the client had last while another is idle', async () => {
    const f = new House().pool({ rotate: true })
    const [a, b, c] = await f.fill(3)
    expect(f.pool.tryBorrow(undefined, a)).toBe(b)
    expect(f.pool.tryBorrow(undefined, a)).toBe(c)
  })

  test('lends what the client had last when no other can be opened', async () => {
    const alone = new House().pool({ rotate: true, maximum: 1 })
    const [a] = await alone.fill(1)
    expect(alone.pool.tryBorrow(undefined, a)).toBe(a)
    const house = new House()
    const broke = house.pool({ rotate: true, budget: house.budget(1) })
    const [b] = await broke.fill(1)
    expect(broke.pool.tryBorrow(undefined, b)).toBe(b)
  })

  test('a borrower that will not wait gets what it had last', async () => {
    const f = new House().pool({ rotate: true })
    const [a] = await f.fill(1)
    expect(f.pool.tryBorrow(undefined, a)).toBeUndefined()
    let got: FakeMember | undefined
    const waiter = {
      granted: (m: FakeMember) => {
        got = m
      },
      refused: () => {},
    }
    f.pool.borrow(waiter, 'nowait', undefined, a)
    expect(got).toBe(a)
  })

  test('a client waiting for a second member is lent the first when the opening fails', async () => {
    const f = new House().pool({ rotate: true })
    const [a] = await f.fill(1)
    let got: FakeMember | undefined
    f.pool.borrow(
      {
        granted: (m) => {
          got = m
        },
        refused: () => {},
      },
      'unlimited',
      undefined,
      a,
    )
    await f.failLogin(new Error('no route to host'))
    expect(got).toBeUndefined()
    f.pool.janitor(0)
    await settle()
    expect(got).toBe(a)
  })

  test('the setting takes effect in a pool that exists', async () => {
    const f = new House().pool()
    const [a, , c] = await f.fill(3)
    expect(f.pool.tryBorrow()).toBe(c)
    f.pool.release(c!)
    f.pool.reconfigure({ ...DEFAULT_POOL_SETTINGS, rotate: true })
    expect(f.pool.tryBorrow()).toBe(a)
  })
})

test('a pool that does not rotate lends a client the same member again', async () => {
  const f = new House().pool({ maximum: 5 })
  const first = await turn(f)
  expect(await turn(f, first)).toBe(first)
  expect(f.openCalls).toBe(1)
})
