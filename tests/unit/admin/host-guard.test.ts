import { describe, expect, test } from 'vitest'
import { hostAllowed } from '../../../src/admin/host-guard.ts'

const rules = { configured: ['0.0.0.0', 'Weir.Internal'], machine: 'db-front' }

describe('a Host header', () => {
  test.each([
    ['localhost'],
    ['LOCALHOST:6480'],
    ['localhost.:6480'],
    ['127.0.0.1:6480'],
    ['127.8.8.8'],
    ['[::1]:6480'],
    ['weir.internal:6480'],
    ['db-front'],
    ['10.0.0.5:6480'],
  ])('%s is answered', (header) => {
    expect(hostAllowed(header, '::ffff:10.0.0.5', rules)).toBe(true)
  })

  test.each([
    [undefined],
    [''],
    ['evil.example'],
    ['localhost.evil.example'],
    ['127.0.0.1.evil.example'],
    ['127.evil'],
    ['user@localhost'],
    ['evil.example/localhost'],
    ['localhost localhost'],
    ['10.0.0.6'],
    ['[::2]:6480'],
    ['[evil.example]'],
    ['localhost:6480:1'],
  ])('%s is refused', (header) => {
    expect(hostAllowed(header, '::ffff:10.0.0.5', rules)).toBe(false)
  })

  test('that names an address is refused while it is not known where the request came in', () => {
    expect(hostAllowed('10.0.0.5', undefined, rules)).toBe(false)
  })
})
