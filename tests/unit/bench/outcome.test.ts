/** What a failure tells about the write: nothing happened, or nobody knows. */
import { describe, expect, it } from 'vitest'
import { failureOf } from '../../../src/bench/failover/outcome.ts'

const answer = (code: string, severity: string) =>
  Object.assign(new Error('told'), { code, severity })

describe('A failure', () => {
  it.each(['40001', '25006', '53300', '08001', '08004', '57014', '25P02'])(
    'with %s from the server says that nothing happened',
    (code) => {
      expect(failureOf(answer(code, 'ERROR'))).toEqual({
        key: code,
        nothingHappened: true,
        broken: false,
      })
    },
  )

  it.each(['08007', '08006', '08003'])('with %s leaves the outcome unknown', (code) => {
    expect(failureOf(answer(code, 'ERROR')).nothingHappened).toBe(false)
  })

  it('that is fatal ends the connection', () => {
    expect(failureOf(answer('57P01', 'FATAL'))).toMatchObject({
      nothingHappened: true,
      broken: true,
    })
  })

  it.each([
    [Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }), 'ECONNRESET'],
    [new Error('Connection terminated unexpectedly'), 'connection-closed'],
    [new Error('Query read timeout'), 'client-timeout'],
    [new Error('timeout expired'), 'connect-timeout'],
  ])('without an SQLSTATE is unknown and ends the connection: %s', (error, key) => {
    expect(failureOf(error)).toEqual({ key, nothingHappened: false, broken: true })
  })
})
