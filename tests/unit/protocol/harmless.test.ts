import { expect, it } from 'vitest'
import { isHarmless } from '../../../src/protocol/postgres/harmless.ts'
import { Statements } from '../../../src/protocol/postgres/statements.ts'
import { frontendBytes } from '../../support/message-text.ts'

const statements = new Statements()
const TYPES = Buffer.alloc(2)
const prepared = {
  find: (name: string) => {
    if (name === 'reads') return statements.own(Buffer.from('select n from t'), TYPES)
    if (name === 'writes') return statements.own(Buffer.from('delete from t'), TYPES)
    return name === 'large' ? statements.opaque('large') : undefined
  },
}

const harmless = (lines: readonly string[], reads = true): boolean =>
  isHarmless(Buffer.concat(lines.map(frontendBytes)), prepared, reads)
const query = (text: string): string[] => [`Query ${JSON.stringify(text)}`]
const batch = (...texts: string[]): string[] => [
  ...texts.flatMap((text) => [
    `Parse "" ${JSON.stringify(text)} []`,
    'Bind "" "" []',
    'Execute "" 0',
  ]),
  'Sync',
]
const run = (name: string): string[] => [`Bind "" "${name}" []`, 'Execute "" 0', 'Sync']

it.each([
  ['a read', query('select n from t where n > 1')],
  ['two reads', query('select 1; show work_mem')],
  ['a BEGIN', query('begin isolation level serializable')],
  ['a batch that reads', batch('select 1')],
  ['a statement prepared before', run('reads')],
  ['a transaction that reads', batch('begin', 'select 1', 'commit')],
  ['a batch that runs nothing', ['Parse "s" "delete from t" []', 'Describe S "s"', 'Sync']],
])('%s may be sent again', (_what, lines) => {
  expect(harmless(lines)).toBe(true)
})

it.each([
  ['a write', query('update t set n = 1')],
  ['a write behind a read', query('select 1; delete from t')],
  ['a function that nobody knows', query('select pay(1)')],
  ['a row lock', query('select n from t for update')],
  ['a write in a transaction', batch('begin', 'delete from t')],
  ['a whole transaction in one text', query('begin; delete from t; commit')],
  ['a prepared transaction', batch('begin', 'select 1', `prepare transaction 'x'`)],
  ['a statement that writes', run('writes')],
  ['a statement too long to know', run('large')],
  ['a statement of which nothing is known', run('strange')],
  ['a portal bound before', ['Execute "p" 0', 'Sync']],
])('%s is not', (_what, lines) => {
  expect(harmless(lines)).toBe(false)
})

it('sends no read again where that is turned off, but what only begins', () => {
  expect(harmless(query('select 1'), false)).toBe(false)
  expect(harmless(batch('select 1'), false)).toBe(false)
  expect(harmless(query('begin'), false)).toBe(true)
})
