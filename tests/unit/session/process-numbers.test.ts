import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  MOST_SESSION_ID,
  MOST_WORKERS,
  processNumber,
  readProcessNumber,
  sessionIdsOf,
  workerOf,
} from '../../../src/session/process-numbers.ts'
import { Sessions } from '../../../src/session/sessions.ts'

/** PID_MAX_LIMIT of Linux: no process has a higher number. */
const HIGHEST_PID = 4_194_304

const numbers = fc.record({
  instance: fc.integer({ min: 0, max: 255 }),
  session: fc.integer({ min: 1, max: MOST_SESSION_ID }),
  forwarded: fc.boolean(),
})

it('a number says whose it is and fits what clients take for a process id', () => {
  fc.assert(
    fc.property(numbers, (parts) => {
      fc.pre(parts.instance > 0 || !parts.forwarded)
      const number = processNumber(parts)
      expect(readProcessNumber(number)).toEqual(parts)
      expect(number).toBeGreaterThan(HIGHEST_PID)
      expect(number).toBeLessThanOrEqual(0x7fff_ffff)
    }),
  )
})

it('a process id of a node is never taken for one of ours', () => {
  fc.assert(
    fc.property(fc.integer({ min: -0x8000_0000, max: HIGHEST_PID }), (pid) => {
      expect(readProcessNumber(pid)).toBeUndefined()
    }),
  )
})

it('ids of sessions stay small, and the number clients see is another', () => {
  const sessions = new Sessions(3)
  const id = sessions.nextId()
  expect(id).toBe(1)
  expect(readProcessNumber(sessions.processNumber(id))).toEqual({
    instance: 3,
    session: 1,
    forwarded: false,
  })
})

it('the ids of no two workers meet, and each names its worker', () => {
  const workers = Array.from({ length: MOST_WORKERS }, (_, i) => i + 1)
  let last = 0
  for (const worker of workers) {
    const ids = sessionIdsOf(worker)
    expect(ids.first).toBeGreaterThan(last)
    expect([workerOf(ids.first), workerOf(ids.last)]).toEqual([worker, worker])
    last = ids.last
  }
  expect(last).toBe(MOST_SESSION_ID)
})

it('a worker gives out its own ids, from the first again after the last', () => {
  const sessions = new Sessions(0, { first: 7, last: 8 })
  expect(sessions.room).toBe(2)
  expect([sessions.nextId(), sessions.nextId(), sessions.nextId()]).toEqual([7, 8, 7])
})
