import { describe, expect, it } from 'vitest'
import {
  ABOUT,
  askSql,
  EVERYTHING,
  type Question,
  readAnswer,
} from '../../../src/protocol/postgres/asking.ts'

const about = (bits: number, ...names: string[]): Question => ({ about: bits, names })

describe('The question', () => {
  it('asks for the values of settings in the order of their names', () => {
    expect(askSql(about(ABOUT.SETTINGS, 'work_mem', 'app.x'))).toBe(
      `SELECT pg_catalog.current_setting('work_mem',true),pg_catalog.current_setting('app.x',true)`,
    )
  })

  it('quotes names that are no identifiers', () => {
    expect(askSql(about(ABOUT.SETTINGS, `it's`))).toContain(`current_setting('it''s',true)`)
    expect(askSql(about(ABOUT.SETTINGS, 'ä\\'))).toContain(`E'\\xc3\\xa4\\x5c'`)
  })

  it('is one statement without names as well', () => {
    expect(askSql(about(ABOUT.SETTINGS))).toBe('SELECT ')
  })

  it('has one column for each thing that is in doubt', () => {
    const columns = (bits: number): number => askSql(about(bits)).split('(SELECT').length - 1
    for (const bit of Object.values(ABOUT)) {
      if (bit === ABOUT.SETTINGS) continue
      expect(askSql(about(bit))).toMatch(/^SELECT (EXISTS)?\(SELECT .*\)( c\))?$/)
      expect(columns(bit)).toBeLessThanOrEqual(2)
    }
    expect(EVERYTHING).toBe(Object.values(ABOUT).reduce((all, bit) => all | bit, 0))
  })
})

describe('The answer', () => {
  it('is read by the question that was asked', () => {
    const question = about(ABOUT.SETTINGS | ABOUT.LOCKS, 'a', 'b')
    expect(readAnswer(question, ['1', null, 't'])).toMatchObject({
      values: ['1', null],
      sources: undefined,
      temporary: false,
      cursors: false,
      locks: true,
      channels: [],
    })
  })

  it('tells everything in one row', () => {
    const row = ['1', '{"TimeZone" : "UTC"}', 't', 'f', 't', '["news", "Odd \\"one\\""]']
    const answer = readAnswer(about(EVERYTHING, 'a'), row)
    expect(answer).toMatchObject({
      values: ['1'],
      sources: new Map([['timezone', 'UTC']]),
      temporary: true,
      cursors: false,
      locks: true,
      channels: ['news', 'Odd "one"'],
    })
  })

  it('takes NULL for nothing at all', () => {
    const answer = readAnswer(about(EVERYTHING), [null, 'f', 'f', 'f', null])
    expect(answer.sources).toEqual(new Map())
    expect(answer.channels).toEqual([])
  })
})

describe('Raw values', () => {
  const question: Question = { about: EVERYTHING, names: ['a'], raw: true }

  it('are asked for as bytes of the server, and only values are', () => {
    const sql = askSql(question)
    expect(sql.split('pg_catalog.convert_to(')).toHaveLength(3)
    expect(sql).toMatch(/^SELECT pg_catalog\.encode\(pg_catalog\.convert_to\(/)
  })

  it('are what they would be without any encoding in between', () => {
    const hex = (text: string): string => Buffer.from(text).toString('hex')
    const answer = readAnswer(question, [hex('é'), hex('{"x": "ü"}'), 't', 'f', 'f', null])
    expect(answer.values).toEqual(['é'])
    expect(answer.sources).toEqual(new Map([['x', 'ü']]))
    expect(answer.temporary).toBe(true)
    expect(readAnswer(question, [null, null, 'f', 'f', 'f', null]).values).toEqual([null])
  })
})
