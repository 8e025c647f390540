/** Networks and addresses, in all their spellings. */
import { expect, it } from 'vitest'
import {
  AddressList,
  AddressRule,
  isLoopbackAddress,
  parseCidr,
} from '../../../src/core/address-list.ts'

it('knows networks and single addresses of both families, and nothing else', () => {
  expect(parseCidr('10.0.0.0/8')).toEqual({ address: '10.0.0.0', prefix: 8, family: 'ipv4' })
  expect(parseCidr('::1')).toEqual({ address: '::1', prefix: 128, family: 'ipv6' })
  for (const wrong of [
    '10.0.0.0/33',
    '::/129',
    '10.0.0',
    'localhost',
    '10.0.0.0/',
    '10.0.0.0/08',
    '',
    '1.2.3.4/-1',
    'fe80::1%eth0',
  ]) {
    expect(parseCidr(wrong)).toBeUndefined()
  }
})

it('takes an IPv4 address for the same in either spelling', () => {
  const list = new AddressList(['10.0.0.0/8', '2001:db8::/32'])
  for (const inside of ['10.1.2.3', '::ffff:10.1.2.3', '::FFFF:10.1.2.3', '2001:db8::5']) {
    expect(list.has(inside)).toBe(true)
  }
  for (const outside of [
    '11.1.2.3',
    '::ffff:11.1.2.3',
    '2001:db9::5',
    '',
    'nonsense',
    '::a01:203',
  ]) {
    expect(list.has(outside)).toBe(false)
  }
  expect(new AddressList(['0.0.0.0/0']).has('::ffff:1.2.3.4')).toBe(true)
  expect(new AddressList(['0.0.0.0/0']).has('2001:db8::1')).toBe(false)
  expect(new AddressList(['fe80::/10']).has('fe80::1%eth0')).toBe(true)
})

it('lets in who is allowed and not denied, and always a Unix socket', () => {
  const rule = new AddressRule(['10.0.0.0/8'], ['10.9.0.0/16'])
  expect(rule.permits('10.1.0.1')).toBe(true)
  expect(rule.permits('10.9.0.1')).toBe(false)
  expect(rule.permits('::ffff:10.9.0.1')).toBe(false)
  expect(rule.permits('192.0.2.1')).toBe(false)
  expect(rule.permits('')).toBe(false)
  expect(rule.permits(undefined)).toBe(true)
  expect(new AddressRule(undefined, undefined).permits('192.0.2.1')).toBe(true)
  expect(new AddressRule(undefined, ['192.0.2.0/24']).permits('192.0.2.1')).toBe(false)
  expect(new AddressRule([], undefined).permits('10.0.0.1')).toBe(false)
})

it('knows the addresses of this machine alone', () => {
  for (const own of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) {
    expect(isLoopbackAddress(own)).toBe(true)
  }
  for (const other of ['10.0.0.1', '::', '', '1270.0.0.1', '127.example.org']) {
    expect(isLoopbackAddress(other)).toBe(false)
  }
})
