import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  parseDuration,
  parseRate,
  parseSize,
  printDuration,
  printSize,
} from '../../../src/config/quantity.ts'

test('a duration is read in every unit', () => {
  const read = ['50ms', '5s', '1.5s', '2m', '24h', '1d'].map(parseDuration)
  expect(read).toEqual([50, 5_000, 1_500, 120_000, 86_400_000, 86_400_000])
})

test('what is no duration is refused', () => {
  for (const text of ['', '5', 's', '5 s', '-5s', '5S', '5sec', '1e3s', '5s5s', '.5s', '5.s']) {
    expect(parseDuration(text), text).toBeUndefined()
  }
})

test('a size is read in every unit, in powers of 1024', () => {
  expect(['10000B', '16KiB', '1MiB', '2GiB'].map(parseSize)).toEqual([
    10_000,
    16_384,
    1_048_576,
    2 ** 31,
  ])
})

test('a size in powers of 1000 or without a unit is refused', () => {
  for (const text of ['1MB', '1M', '1024', '1.5MiB', '1 MiB']) {
    expect(parseSize(text), text).toBeUndefined()
  }
})

test('what is printed is the largest unit that is exact', () => {
  expect([0, 50, 90_000, 120_000, 86_400_000].map(printDuration)).toEqual([
    '0ms',
    '50ms',
    '90s',
    '2m',
    '1d',
  ])
  expect([0, 1, 10_000, 16_384, 1_048_576].map(printSize)).toEqual([
    '0B',
    '1B',
    '10000B',
    '16KiB',
    '1MiB',
  ])
})

test('every printed quantity reads back as itself', () => {
  fc.assert(
    fc.property(fc.nat(), (n) => {
      expect(parseDuration(printDuration(n))).toBe(n)
      expect(parseSize(printSize(n))).toBe(n)
    }),
  )
})

test('a rate is read by the second and by the minute', () => {
  expect(['100/s', '1/s', '30/m'].map(parseRate)).toEqual([100, 1, 0.5])
})

test('what is no rate is refused', () => {
  for (const text of ['100', '0/s', '-1/s', '1.5/s', '10/h', '10 /s', '/s', '10/ms']) {
    expect(parseRate(text), text).toBeUndefined()
  }
})
