import { expect, it } from 'vitest'
import { after, FLOW, flowOf, plainFlow } from '../../../src/protocol/postgres/flow.ts'
import { classify } from '../../../src/protocol/postgres/sql/classify.ts'

const flow = (text: string): number => {
  const bytes = Buffer.from(text)
  return flowOf(classify(bytes), bytes)
}

it.each([
  ['select 1', FLOW.NONE],
  ['savepoint a', FLOW.NONE],
  ['rollback to a', FLOW.NONE],
  [`commit prepared 'x'`, FLOW.NONE],
  ['begin', FLOW.BEGINS],
  ['start transaction isolation level serializable; select 1', FLOW.BEGINS],
  ['commit', FLOW.ENDS | FLOW.COMMITS],
  ['end', FLOW.ENDS | FLOW.COMMITS],
  ['rollback', FLOW.ENDS | FLOW.ROLLS_BACK],
  ['abort', FLOW.ENDS | FLOW.ROLLS_BACK],
  ['rollback; insert into t values (1)', FLOW.ENDS],
  ['/* abort */ commit', FLOW.ENDS],
  [`prepare transaction 'x'`, FLOW.ENDS],
  ['commit and chain', FLOW.BEGINS | FLOW.ENDS | FLOW.STAYS],
  ['begin; insert into t values (1); commit', FLOW.BEGINS | FLOW.ENDS],
  ['commit; begin', FLOW.BEGINS | FLOW.ENDS | FLOW.STAYS],
])('%j', (text, expected) => {
  expect(flow(text)).toBe(expected)
})

it('tells of plain texts what it tells of all', () => {
  for (const text of [
    'begin',
    'BEGIN isolation level serializable',
    'commit',
    'end;',
    'ROLLBACK',
  ]) {
    const bytes = Buffer.from(`--${text}`)
    expect(plainFlow(bytes, 2, bytes.length), text).toBe(flow(text))
  }
  const back = Buffer.from('rollback to a')
  expect(plainFlow(back, 0, back.length)).toBe(FLOW.NONE)
})

it('follows how the transaction stands', () => {
  expect(after('idle', FLOW.BEGINS)).toBe('open')
  expect(after('failed', FLOW.BEGINS)).toBe('failed')
  expect(after('open', flow('commit'))).toBe('idle')
  expect(after('failed', flow('rollback'))).toBe('idle')
  expect(after('open', flow('commit; begin'))).toBe('open')
  expect(after('idle', FLOW.NONE)).toBe('idle')
})
