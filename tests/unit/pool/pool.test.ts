import { describe, expect, test } from 'vitest'
import { House } from './fake-pool.ts'

describe('borrowing', () => {
  test('an idle member is lent at once, the most recently used first', async () => {
    const f = new House().pool()
    const [a, b, c] = await f.fill(3)
    expect(f.pool.tryBorrow()).toBe(c)
    expect(f.pool.tryBorrow()).toBe(b)
    f.pool.release(c!)
    expect(f.pool.tryBorrow()).toBe(c)
    expect(f.pool.tryBorrow()).toBe(a)
    expect(f.pool.tryBorrow()).toBeUndefined()
    expect(f.pool.stats()).toMatchObject({ total: 3, leased: 3, idle: 0 })
  })

  test('a preferred member among the first few wins, one further back does not', async () => {
    const f = new House().pool()
    const members = await f.fill(6)
    expect(f.pool.tryBorrow((m) => m === members[3])).toBe(members[3])
    expect(f.pool.tryBorrow((m) => m === members[0])).toBe(members[5])
  })

  test('borrowers are served in the order they came', async () => {
    const f = new House().pool({ maximum: 1 })
    const [member] = await f.fill(1)
    expect(f.pool.tryBorrow()).toBe(member)
    const line = [f.borrow(), f.borrow(), f.borrow()]
    for (const borrower of line) {
      expect(line.filter((b) => b.member !== undefined).length).toBe(line.indexOf(borrower))
      f.pool.release(member!)
      expect(borrower.member).toBe(member)
      expect(f.pool.stats().idle).toBe(0)
    }
    expect(line.map((b) => b.calls)).toEqual([1, 1, 1])
  })

  test('nobody jumps the line', async () => {
    const f = new House().pool({ maximum: 1 })
    const [member] = await f.fill(1)
    f.pool.tryBorrow()
    const first = f.borrow()
    first.onGranted = () => {
      expect(f.pool.tryBorrow()).toBeUndefined()
    }
    f.borrow()
    f.pool.release(member!)
    expect(first.member).toBe(member)
  })

  test('a paused pool lets borrowers wait beside idle members, and nobody passes them later', async () => {
    const f = new House().pool()
    const [a, b] = await f.fill(2)
    f.pool.pause()
    expect(f.pool.tryBorrow()).toBeUndefined()
    const line = [f.borrow(), f.borrow(), f.borrow()]
    expect(f.pool.stats()).toMatchObject({ idle: 2, waiting: 3, opening: 0 })
    line[0]!.onGranted = () => {
      expect(f.pool.tryBorrow()).toBeUndefined()
    }
    f.pool.resume()
    expect(line.map((x) => x.member)).toEqual([b, a, undefined])
    expect(f.logins.length).toBe(1)
  })

  test('twenty thousand waiters that return what they get at once do not overflow the stack', async () => {
    const f = new House().pool({ maximum: 1 })
    const [member] = await f.fill(1)
    f.pool.tryBorrow()
    const line = Array.from({ length: 20_000 }, () => {
      const borrower = f.borrow()
      borrower.onGranted = (m) => f.pool.release(m)
      return borrower
    })
    f.pool.release(member!)
    expect(line.every((b) => b.calls === 1)).toBe(true)
    expect(f.pool.stats()).toMatchObject({ idle: 1, waiting: 0 })
  })

  test('a member found broken is not lent', async () => {
    const f = new House().pool()
    const [a, b] = await f.fill(2)
    b!.state = 'broken'
    expect(f.pool.tryBorrow()).toBe(a)
    expect(b!.ended).toBe('broken')
  })
})

describe('opening', () => {
  test('a storm of borrowers is not a storm of logins', async () => {
    const f = new House().pool({ maximum: 10, openingsAtOnce: 3 })
    const line = Array.from({ length: 500 }, () => f.borrow())
    expect(f.logins.length).toBe(3)
    for (let i = 0; i < 10; i++) await f.login()
    expect(f.openCalls).toBe(10)
    expect(line.filter((b) => b.member !== undefined).length).toBe(10)
    expect(f.pool.stats()).toMatchObject({ total: 10, opening: 0, waiting: 490 })
  })

  test('no more is opened than there are borrowers in line', async () => {
    const f = new House().pool({ openingsAtOnce: 8 })
    f.borrow()
    f.borrow()
    expect(f.logins.length).toBe(2)
  })

  test('a cancelled borrow keeps its opening, and the next borrower has it', async () => {
    const f = new House().pool()
    const gone = f.borrow()
    gone.wait!.cancel()
    expect(f.logins[0]!.signal.aborted).toBe(false)
    const [member] = await f.login()
    expect(gone.calls).toBe(0)
    expect(f.pool.stats()).toMatchObject({ idle: 1, waiting: 0 })
    expect(f.pool.tryBorrow()).toBe(member)
  })

  test('a failed opening is tried again after a growing pause while somebody waits', async () => {
    const house = new House()
    const f = house.pool()
    const borrower = f.borrow()
    const pauses: number[] = []
    for (let i = 0; i < 7; i++) {
      await f.failLogin(new Error('connection refused'))
      expect(f.logins.length).toBe(0)
      let pause = 0
      while (f.logins.length === 0) {
        house.clock.advance(10)
        pause += 10
      }
      pauses.push(pause)
    }
    expect(pauses).toEqual([50, 100, 200, 400, 800, 1000, 1000])
    const [member] = await f.login()
    expect(borrower.member).toBe(member)
    expect(f.pool.stats()).toMatchObject({ openFailed: 7, opened: 1, lastError: undefined })
  })

  test('borrowers that come during the pause do not shorten it', async () => {
    const f = new House().pool()
    f.borrow()
    await f.failLogin(new Error('connection refused'))
    for (let i = 0; i < 50; i++) f.borrow(i % 2 === 0 ? 'nowait' : 'unlimited')
    expect(f.openCalls).toBe(1)
  })
})
