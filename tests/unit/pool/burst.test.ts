/** A new writer's pool, and everybody who waited for it: paced logins, and service in order. */
import { expect, test } from 'vitest'
import { type Borrower, House } from './fake-pool.ts'

const WAITING = 200
const AT_ONCE = 4
const MAXIMUM = 20

test('two hundred that wait for a new pool are served in order, by the first connection up', async () => {
  const house = new House()
  const pool = house.pool({ openingsAtOnce: AT_ONCE, maximum: MAXIMUM })
  const served: number[] = []
  const holding: Borrower[] = []
  for (let i = 0; i < WAITING; i++) {
    const borrower = pool.borrow()
    borrower.onGranted = () => {
      served.push(i)
      holding.push(borrower)
    }
  }
  expect(pool.logins).toHaveLength(AT_ONCE)
  await pool.login()
  expect(served).toEqual([0])
  // The first one up serves on, while the others still log in.
  for (let i = 1; i < 50; i++) {
    pool.pool.release(holding.shift()!.member!)
    expect(served.at(-1)).toBe(i)
  }
  expect(pool.logins).toHaveLength(AT_ONCE - 1)
  // It gets a moment for it.
  house.clock.advance(9)
  expect(pool.logins).toHaveLength(AT_ONCE - 1)
  house.clock.advance(1)
  expect(pool.logins).toHaveLength(AT_ONCE)
  let most = 0
  while (served.length < WAITING) {
    most = Math.max(most, pool.logins.length)
    if (pool.logins.length > 0) await pool.login()
    else pool.pool.release(holding.shift()!.member!)
  }
  expect(served).toEqual(Array.from({ length: WAITING }, (_, i) => i))
  expect(most).toBe(AT_ONCE)
  expect(pool.openCalls).toBe(MAXIMUM)
})

test('when the pool is gone those who waited are sent on in the order in which they came', () => {
  const pool = new House().pool({ openingsAtOnce: AT_ONCE })
  const sentOn: number[] = []
  for (let i = 0; i < WAITING; i++) {
    pool.borrow().onRefused = () => sentOn.push(i)
  }
  pool.pool.retire('the writer moved')
  expect(sentOn).toEqual(Array.from({ length: WAITING }, (_, i) => i))
})

test('a crowd is left to those that are there for a moment, but not each time', async () => {
  const house = new House()
  const pool = house.pool({ openingsAtOnce: 1, maximum: 5 })
  pool.borrow()
  await pool.login()
  for (let i = 0; i < 2; i++) pool.borrow()
  house.clock.advance(9)
  expect(pool.openCalls).toBe(1)
  house.clock.advance(1)
  expect(pool.openCalls).toBe(2)
  await pool.login()
  expect(pool.openCalls).toBe(3)
  await pool.login()
  house.clock.advance(500)
  pool.borrow()
  expect(pool.openCalls).toBe(4)
  await pool.login()
  house.clock.advance(2_000)
  pool.borrow()
  expect(pool.openCalls).toBe(4)
  house.clock.advance(10)
  expect(pool.openCalls).toBe(5)
})

test('who is served within that moment causes no opening', async () => {
  const house = new House()
  const pool = house.pool({ openingsAtOnce: 1, maximum: 5 })
  const first = pool.borrow()
  const [member] = await pool.login()
  const second = pool.borrow()
  pool.pool.release(member!)
  expect(second.member).toBe(member)
  house.clock.advance(50)
  expect(pool.openCalls).toBe(1)
  expect(first.calls).toBe(1)
})

test('a pool that retires in that moment opens nothing behind it', async () => {
  const house = new House()
  const pool = house.pool({ openingsAtOnce: 1, maximum: 5 })
  pool.borrow()
  await pool.login()
  pool.borrow()
  pool.pool.retire('the writer moved')
  house.clock.advance(50)
  expect(pool.openCalls).toBe(1)
})
