import { expect, it } from 'vitest'
import { endingOf } from '../../../src/protocol/postgres/endings.ts'

const of = (text: string): unknown => {
  const ending = endingOf(Buffer.from(text))
  return typeof ending === 'object' ? `${ending.kind}${ending.chain ? ' and chain' : ''}` : ending
}

it.each([
  ['COMMIT', 'commit'],
  ['end work;', 'commit'],
  ['/* by the app */ rollback transaction', 'rollback'],
  ['abort and no chain', 'rollback'],
  ['commit work and chain', 'commit and chain'],
  ['rollback to a', 'savepoint'],
  ['rollback work to savepoint "b c"', 'savepoint'],
  [`prepare transaction 'x'`, 'prepare'],
  [' ; ', 'empty'],
  ['', 'empty'],
])('%j is %s', (text, kind) => {
  expect(of(text)).toBe(kind)
})

it.each([
  'select 1',
  'commit now',
  `commit prepared 'x'`,
  `rollback prepared 'x'`,
  'rollback and',
  'rollback and chain twice',
  'end if',
  'prepare transaction as select 1',
  '"commit"',
  'release a',
])('%j ends no transaction', (text) => {
  expect(of(text)).toBeUndefined()
})

it('says where the next statement begins', () => {
  const text = 'rollback; select 1'
  const ending = endingOf(Buffer.from(text))
  expect(ending).toMatchObject({ next: text.indexOf('select') })
  expect(endingOf(Buffer.from('rollback;'))).toMatchObject({ next: 9 })
})
