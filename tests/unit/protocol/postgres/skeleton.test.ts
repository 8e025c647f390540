/** Texts of one skeleton are classified alike, so that one of them stands for all. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { classify } from '../../../../src/protocol/postgres/sql/classify.ts'
import { Skeleton } from '../../../../src/protocol/postgres/sql/skeleton.ts'

function skeletonOf(text: string | Uint8Array): string | undefined {
  const bytes = typeof text === 'string' ? Buffer.from(text) : Buffer.from(text)
  const skeleton = new Skeleton()
  if (!skeleton.read(bytes, 0, bytes.length)) return undefined
  return Buffer.from(skeleton.bytes.subarray(0, skeleton.length)).toString('latin1')
}

const WORDS = [
  'select',
  'from',
  'where',
  'a',
  't1',
  'e',
  'x',
  'b',
  'o',
  'n',
  'U&',
  '_',
  '"q"',
  '"q1"',
  '"',
  "'",
  "''",
  'nextval',
  'setval',
  'now',
  'delete',
  'update',
  'into',
  'for',
  'ab',
  'c',
  'xnow',
  'anow',
]
const SIGNS = ['(', ')', ',', ';', '=', '+', '-', '/', '*', '.', '?', ':', '::', '<', '|', '[', 'é']
const SPACES = [' ', ' ', ' ', '\n', '\t', '']

/** A piece of text, and another with nothing but its literals changed. */
type Pair = readonly [string, string]
const same = (text: string): Pair => [text, text]
const number = fc
  .tuple(fc.nat({ max: 99_999 }), fc.nat({ max: 99_999 }))
  .map(([a, b]): Pair => [`${a}`, `${b}`])
const inside = fc
  .array(fc.constantFrom('a', ' ', ';', '(', '"', '-', '-', '/', '*', '1', 'é', "''", 'nextval('), {
    maxLength: 6,
  })
  .map((parts) => parts.join(''))
const text = fc.tuple(inside, inside).map(([a, b]): Pair => [`'${a}'`, `'${b}'`])
const piece = fc.oneof(
  fc.constantFrom(...WORDS).map(same),
  fc.constantFrom(...SIGNS).map(same),
  fc.constantFrom(...SPACES).map(same),
  number,
  text,
  fc.constantFrom('0x', '0b', '1e', '1.', '.5', '1_0', '$1', '\\', '--', '/*').map(same),
)
const sentence = fc
  .array(fc.tuple(piece, fc.constantFrom(...SPACES)), { maxLength: 14 })
  .map((parts): Pair => {
    const of = (side: 0 | 1): string => parts.map(([pair, space]) => pair[side] + space).join('')
    return [of(0), of(1)]
  })
/** Made to read, mostly: random words seldom make a statement that rides. */
const statement = fc.tuple(
  fc.constantFrom('select ', 'SELECT a ', 'values (', 'show a', 'delete from t ', ''),
  sentence,
)

describe('two texts of the same skeleton', () => {
  it('are classified alike', () => {
    let alike = 0
    fc.assert(
      fc.property(statement, statement, ([head, [one, two]], [otherHead, [other]]) => {
        const texts = [head + one, head + two, otherHead + other, one, two]
        const seen = new Map<string, ReturnType<typeof classify>>()
        for (const each of texts) {
          const skeleton = skeletonOf(each)
          if (skeleton === undefined) continue
          const classified = classify(Buffer.from(each))
          const before = seen.get(skeleton)
          if (before !== undefined) {
            alike++
            expect(classified, each).toEqual(before)
          }
          seen.set(skeleton, classified)
        }
      }),
      { numRuns: 5_000 },
    )
    expect(alike).toBeGreaterThan(1_000)
  })

  it('are so whatever bytes they are made of', () => {
    const byte = fc.constantFrom(
      ...Buffer.from('\'"\\$-/*;?0159exbo_ Uu&(\n\0\x01').values(),
      0x81,
      0xff,
    )
    const bytes = fc.array(byte, { maxLength: 12 })
    fc.assert(
      fc.property(bytes, bytes, bytes, (head, one, two) => {
        const texts = [Buffer.from([...head, ...one]), Buffer.from([...head, ...two])]
        const [a, b] = texts.map(skeletonOf)
        if (a === undefined || a !== b) return
        expect(classify(texts[0]!)).toEqual(classify(texts[1]!))
      }),
      { numRuns: 20_000 },
    )
  })
})

describe('texts that differ only in literals', () => {
  it.each([
    ['select a from t where id = 1', 'select a from t where id = 23456'],
    ["select 'a'", "select 'bcd'"],
    ["select 'a--b;/*'", "select ''"],
    ['select 1.5', 'select 23.75'],
    ['select 1e5', 'select 3e5'],
    ["select E'a'", "select E'b'"],
    ["select 'it''s'", "select 'that''s'"],
    ['select a1, 5', 'select a1, 6'],
    ['select 1;', 'select 2'],
    ['select -1', 'select -2'],
  ])('have one: %s', (one, two) => {
    expect(skeletonOf(one)).toBeDefined()
    expect(skeletonOf(one)).toBe(skeletonOf(two))
  })
})

describe('texts that differ in more', () => {
  it.each([
    ['select a1', 'select a2'],
    ['select "a1"', 'select "a2"'],
    ["select 'a' 'b'", "select 'ab'"],
    ["select 'a''b'", "select 'ab'"],
    ['select é1', 'select é2'],
    ['select a ? b', 'select a 5 b'],
    ["select j ?setval('s', 1)", "select j 1setval('s', 1)"],
  ])('have different ones: %s', (one, two) => {
    expect(skeletonOf(one)).not.toBe(skeletonOf(two))
  })
})

it.each([
  ['a backslash', "select 'a\\'"],
  ['a backslash outside of strings', 'select \\ 1'],
  ['a dollar', 'select $$a$$'],
  ['a parameter', 'select $1'],
  ['a comment', 'select 1 -- x'],
  ['a comment in stars', 'select /* x */ 1'],
  ['two statements', 'select 1; select 2'],
  ['a string without an end', "select 'a"],
  ['a name without an end', 'select "a'],
  ['a zero byte', 'select \0'],
  ['a zero byte in a string', "select 'a\0'"],
  ['a number written otherwise', 'select 0xff'],
  ['nothing', ''],
  ['too much', `select '${'a'.repeat(3_000)}'`],
])('a text with %s has none', (_what, sql) => {
  expect(skeletonOf(sql)).toBeUndefined()
})
