/** How often clients may come from one address. */
import { expect, it } from 'vitest'
import { FakeClock } from '../../../src/core/clock.ts'
import { sourceOf } from '../../../src/core/source-address.ts'
import { ConnectRates } from '../../../src/listener/connect-rates.ts'

function rates(perSecond: number, burst: number) {
  const clock = new FakeClock()
  const book = new ConnectRates(perSecond, burst, () => clock.monotonic())
  const come = (times: number, address = '10.0.0.1'): number => {
    let taken = 0
    for (let i = 0; i < times; i++) if (book.takes(address)) taken++
    return taken
  }
  return { clock, book, come }
}

it('a quiet source may come so often at once, and no more', () => {
  const { come } = rates(10, 5)
  expect(come(8)).toBe(5)
})

it('with time it may come again, at the rate', () => {
  const { come, clock } = rates(10, 5)
  come(8)
  clock.advance(200)
  expect(come(8)).toBe(2)
  clock.advance(60_000)
  expect(come(8)).toBe(5)
})

it('who is refused does not have to wait for longer because of it', () => {
  const { come, clock } = rates(10, 1)
  come(1)
  for (let i = 0; i < 9; i++) {
    clock.advance(10)
    expect(come(1)).toBe(0)
  }
  clock.advance(10)
  expect(come(1)).toBe(1)
})

it('less than one in a second adds up', () => {
  const { come, clock } = rates(0.5, 1)
  expect(come(2)).toBe(1)
  clock.advance(1_000)
  expect(come(1)).toBe(0)
  clock.advance(1_000)
  expect(come(1)).toBe(1)
})

it('one source does not use up what another may', () => {
  const { come } = rates(10, 2)
  expect(come(9, '10.0.0.1')).toBe(2)
  expect(come(9, '10.0.0.2')).toBe(2)
})

it('what is remembered of sources is bounded, and one that came just now is not forgotten', () => {
  const { come, book, clock } = rates(1, 1)
  for (let i = 0; i < 65_536; i++) come(1, `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)
  clock.advance(1)
  expect(come(2, '192.168.0.1')).toBe(1)
  for (let i = 0; i < 100; i++) come(1, `172.16.0.${i}`)
  expect(book.sources).toBeLessThanOrEqual(65_536)
  expect(come(1, '192.168.0.1')).toBe(0)
})

it.each([
  ['10.0.0.1', '10.0.0.1'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:db8::9', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
])('%s counts as %s', (address, source) => {
  expect(sourceOf(address)).toBe(source)
})
