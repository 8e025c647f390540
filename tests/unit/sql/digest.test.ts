import { describe, expect, it } from 'vitest'
import { DIGEST_LIMIT, digest } from '../../../src/protocol/postgres/sql/digest.ts'

const of = (text: string): string => digest(Buffer.from(text))

describe('a digest', () => {
  const cases: [string, string][] = [
    ['', ''],
    ['SELECT 1', 'SELECT $1'],
    ['  select\n\t*  from t ;  ', 'select * from t ;'],
    ["select 'a', E'b\\'c', $$d$$, x'ff', U&'e' -- f", 'select $1, $2, $3, $4, $5'],
    ['select/* secret 42 */1.5e-3', 'select $1'],
    ['where a = $2 and b = 7 and c = -0x1F', 'where a = $2 and b = $3 and c = -$4'],
    ['select "Größe" from "t 1"', 'select "Größe" from "t 1"'],
    ["alter role bob password 'geheim'", 'alter role bob password $1'],
    ["select 'never closed 42", 'select $1'],
    ['select "never closed 42', 'select $1'],
    ['select 1 /* never closed 42', 'select $1'],
    ['in (1,2,3)', 'in ($1,$2,$3)'],
    ["select 1, 'it\\'s a secret', 2", 'select $1, $2…'],
    ["select 'C:\\x', '\\d', a", 'select $1, $2, a'],
  ]
  it.each(cases)('of %j is %j', (text, expected) => {
    expect(of(text)).toBe(expected)
  })

  it('is the same for the same query with other values', () => {
    expect(of('select * from t where a = 1')).toBe(of('select * from t  where a = 2345'))
  })

  it('is bounded and says that it was cut', () => {
    const long = of(`select ${'a, '.repeat(500)} b`)
    expect(long).toHaveLength(DIGEST_LIMIT)
    expect(long.endsWith('…')).toBe(true)
    expect(of(`select ${'x'.repeat(10_000)}`)).toHaveLength(DIGEST_LIMIT)
    expect(of(`select ${'x'.repeat(DIGEST_LIMIT - 7)}`)).toHaveLength(DIGEST_LIMIT)
  })
})
