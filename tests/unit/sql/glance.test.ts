import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { classify } from '../../../src/protocol/postgres/sql/classify.ts'
import { isPlain } from '../../../src/protocol/postgres/sql/glance.ts'
import { CORPUS } from './corpus.ts'

const plain = (text: string): boolean => {
  const bytes = Buffer.from(`XX${text}YY`)
  return isPlain(bytes, 2, bytes.length - 2)
}

describe('a glance at a text', () => {
  it.each([
    'SELECT abalance FROM pgbench_accounts WHERE aid = 4711;',
    'update t set a = a + 1 where b = 2 ;\n',
    'BEGIN',
    'END;',
    'delete from t',
    'UPDATE app."orders" SET a = 1',
    'COMMIT AND CHAIN',
  ])('sees at once that nothing of the session changes: %s', (text) => {
    expect(plain(text)).toBe(true)
  })

  it.each([
    'SELECT set_config($1, $2, false)',
    'SELECT 1; SET a = 1',
    'select * INTO temp t from u',
    'SELECT * iNtO x',
    'SELECTED',
    "UPDATE pg_settings SET setting = '1'",
    "UPDATE pg_catalog.PG_Settings SET setting = '1'",
    "UPDATE \t pg_catalog . pg_settings SET setting = '1'",
    'UPDATE pg_settings"a" SET setting = 1',
    "UPDATE ONLY pg_settings SET setting = '1'",
    "UPDATE /**/ pg_settings SET setting = '1'",
    'UPDATE U&"pg\\005fsettings" SET setting = \'1\'',
    'UPDATE t',
    ' SELECT 1',
    '/* */ SELECT 1',
    'SET a = 1',
    'EXPLAIN SELECT 1',
    '',
    'sel',
  ])('leaves to the classifier what it cannot be sure of: %s', (text) => {
    expect(plain(text)).toBe(false)
  })

  it('never calls a text of the corpus plain that has an effect', () => {
    const seen = CORPUS.filter(([text]) => plain(text))
    expect(seen.length).toBeGreaterThan(10)
    for (const [text, effects] of seen) expect([text, effects]).toEqual([text, ''])
  })

  it('agrees with the classifier on whatever it calls plain', () => {
    const word = fc.constantFrom(
      ...['select', 'update', 'begin', 'end', 'into', 'temp', 'set', ';', '(', ')', "'", '"', '--'],
      ...['\n', ' ', 'nextval', 'pg_advisory_lock', '$$', '/*', '*/', 'x', '1', ',', 'listen'],
      ...[
        'pg_settings',
        'only',
        '.',
        'insert',
        'default',
        'pg_catalog',
        'delete',
        'commit',
        'call',
      ],
    )
    let sure = 0
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), fc.boolean(), (words, spaced) => {
        const text = words.join(spaced ? ' ' : '')
        if (!plain(text)) return
        sure++
        expect(classify(Buffer.from(text)).effects).toEqual([])
      }),
      { numRuns: 20_000, seed: 20_261_121 },
    )
    expect(sure).toBeGreaterThan(100)
  })
})
