/** Who is refused after failed logins, for how long, and who never is. */
import { expect, it } from 'vitest'
import { FakeClock } from '../../../src/core/clock.ts'
import { AuthFailures } from '../../../src/listener/auth-failures.ts'

function book() {
  const clock = new FakeClock()
  const failures = new AuthFailures({
    most: 3,
    windowMs: 60_000,
    backoffMs: 8_000,
    now: () => clock.monotonic(),
  })
  const fail = (times: number, address = '192.0.2.1', user = 'ada'): void => {
    for (let i = 0; i < times; i++) failures.failed(address, user)
  }
  return { clock, failures, fail }
}

it('each failure beyond the bound doubles the time, up to its bound', () => {
  const { failures, fail, clock } = book()
  fail(2)
  expect(failures.refusedFor('192.0.2.1', 'ada')).toBe(0)
  const waits: number[] = []
  for (let i = 0; i < 6; i++) {
    fail(1)
    const wait = failures.refusedFor('192.0.2.1', 'ada')
    waits.push(wait)
    clock.advance(wait)
    expect(failures.refusedFor('192.0.2.1', 'ada')).toBe(0)
  }
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 8_000, 8_000])
})

it('refuses nobody elsewhere, and no other user there', () => {
  const { failures, fail } = book()
  fail(10)
  expect(failures.refusedFor('192.0.2.1', 'ada')).toBeGreaterThan(0)
  expect(failures.refusedFor('192.0.2.2', 'ada')).toBe(0)
  expect(failures.refusedFor('192.0.2.1', 'bob')).toBe(0)
})

it('refuses an address that tries one user after the other', () => {
  const { failures } = book()
  for (let i = 0; i < 14; i++) failures.failed('192.0.2.1', `user${i}`)
  expect(failures.refusedFor('192.0.2.1', 'bob')).toBe(0)
  failures.failed('192.0.2.1', undefined)
  expect(failures.refusedFor('192.0.2.1', 'bob')).toBe(1_000)
})

it('takes a /64 network of IPv6 for one source, and both spellings of IPv4', () => {
  const { failures, fail } = book()
  fail(3, '2001:db8::1')
  expect(failures.refusedFor('2001:db8::2', 'ada')).toBeGreaterThan(0)
  fail(3, '::ffff:192.0.2.7')
  expect(failures.refusedFor('192.0.2.7', 'ada')).toBeGreaterThan(0)
})

it('forgets after the window, and at once when the user gets in', () => {
  const { failures, fail, clock } = book()
  fail(2)
  clock.advance(60_000)
  fail(1)
  expect(failures.refusedFor('192.0.2.1', 'ada')).toBe(0)
  fail(1)
  failures.succeeded('192.0.2.1', 'ada')
  fail(2)
  expect(failures.refusedFor('192.0.2.1', 'ada')).toBe(0)
})

it('never counts this machine itself, nor a peer without an address', () => {
  const { failures, fail } = book()
  for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.5', '']) fail(100, address)
  for (let i = 0; i < 100; i++) failures.failed(undefined, 'ada')
  expect(failures.size).toBe(0)
})

it('keeps a bounded number of them', () => {
  const { failures } = book()
  for (let i = 0; i < 40_000; i++)
    failures.failed(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, 'ada')
  expect(failures.size).toBe(65_536)
})

it('keeps of a name no more than names in Postgres are long', () => {
  const { failures, fail } = book()
  fail(3, '192.0.2.1', `${'x'.repeat(9_000)}1`)
  expect(failures.refusedFor('192.0.2.1', `${'x'.repeat(9_000)}2`)).toBeGreaterThan(0)
  expect(failures.refusedFor('192.0.2.1', 'x')).toBe(0)
})
