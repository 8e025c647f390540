/** A new writer's pool, and everybody who waited for it: paced logins, and service in order. */
import { expect, test } from 'vitest'
import { type Borrower, House } from './fake-pool.ts'

const WAITING = 200
const AT_ONCE = 4
const MAXIMUM = 20

test('two hundred that wait for a new pool are served in order, by the first connection up', async () => {
  const pool = new House().pool({ openingsAtOnce: AT_ONCE, maximum: MAXIMUM })
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
