import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  MOST_SESSION_ID,
  processNumber,
  readProcessNumber,
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
