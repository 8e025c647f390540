import { beforeEach, expect, it } from 'vitest'
import { FakeClock } from '../../../src/core/clock.ts'
import { type Log, silentLog } from '../../../src/core/log.ts'
import { sparingLog } from '../../../src/core/sparing-log.ts'

let clock: FakeClock
let lines: string[]
let log: Log

beforeEach(() => {
  clock = new FakeClock()
  lines = []
  const write = (_fields: object, message: string) => lines.push(message)
  log = sparingLog({ ...silentLog, warn: write, error: write }, clock)
})

const warnings = (count: number) => {
  for (let i = 1; i <= count; i++) log.warn({}, `w${i}`)
}

it('writes warnings as they are while there are few', () => {
  for (let second = 0; second < 5; second++) {
    warnings(20)
    clock.advance(1_000)
  }
  expect(lines).toHaveLength(100)
  expect(clock.pending).toBe(0)
})

it('says how many were left out of a flood, once a second', () => {
  for (let second = 0; second < 3; second++) {
    warnings(5_000)
    clock.advance(1_000)
  }
  expect(lines).toHaveLength(3 * 21)
  expect(lines[20]).toBe('4980 more warnings like the last ones were left out within a second')
})

it('never leaves out an error', () => {
  warnings(100)
  for (let i = 0; i < 100; i++) log.error({}, 'error')
  expect(lines.filter((line) => line === 'error')).toHaveLength(100)
})

it('writes again when the flood is over', () => {
  warnings(100)
  clock.advance(1_000)
  lines = []
  warnings(1)
  expect(lines).toEqual(['w1'])
})
