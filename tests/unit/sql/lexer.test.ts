import { describe, expect, it } from 'vitest'
import {
  Lexer,
  OTHER_READINGS,
  type Reading,
  TOKEN,
} from '../../../src/protocol/postgres/sql/lexer.ts'

const NAMES = Object.keys(TOKEN).map((name) => name.toLowerCase())

/** Tokens as `kind:text`, spaces left out. */
function tokens(text: string): string[] {
  const lexer = new Lexer(Buffer.from(text, 'latin1'))
  const found: string[] = []
  while (lexer.next() !== TOKEN.END) {
    if (lexer.kind === TOKEN.SPACE) continue
    found.push(`${NAMES[lexer.kind]}:${text.slice(lexer.start, lexer.end)}`)
  }
  return found
}

describe('the lexer', () => {
  const cases: [string, string[]][] = [
    ['a.b(c)', ['word:a', 'symbol:.', 'word:b', 'symbol:(', 'word:c', 'symbol:)']],
    ['"a""b"."c"', ['quoted:"a""b"', 'symbol:.', 'quoted:"c"']],
    [
      'U&"a" u&\'b\' u & c',
      ['unicode_quoted:U&"a"', "string:u&'b'", 'word:u', 'symbol:&', 'word:c'],
    ],
    ["'a''b' 'c'", ["string:'a''b'", "string:'c'"]],
    ["e'a\\'b' 'c'", ["string:e'a\\'b'", "string:'c'"]],
    ["e'a\\\\' b", ["string:e'a\\\\'", 'word:b']],
    ["E'a'\n 'b\\'c' d", ["string:E'a'\n 'b\\'c'", 'word:d']],
    ["E'a' 'b\\' c", ["string:E'a'", "string:'b\\'", 'word:c']],
    ['$$a$$ $x$b$$c$x$ $1 $', ['string:$$a$$', 'string:$x$b$$c$x$', 'param:$1', 'symbol:$']],
    ['a$b$c $é$d$é$', ['word:a$b$c', 'string:$é$d$é$']],
    ['$a-b$ c', ['symbol:$', 'word:a', 'symbol:-', 'word:b$', 'word:c']],
    [
      '1 1.5 .5 1. 1e5 1e-5 1e 1_000',
      [
        'number:1',
        'number:1.5',
        'number:.5',
        'number:1.',
        'number:1e5',
        'number:1e-5',
        'number:1',
        'word:e',
        'number:1_000',
      ],
    ],
    [
      '0x1F_ff 0o17 0b11 0xg 1..2',
      [
        'number:0x1F_ff',
        'number:0o17',
        'number:0b11',
        'number:0',
        'word:xg',
        'number:1',
        'symbol:.',
        'number:.2',
      ],
    ],
    ['a--b\nc /*d/*e*/f*/ g', ['word:a', 'comment:--b', 'word:c', 'comment:/*d/*e*/f*/', 'word:g']],
    ['a-/*b*/-c', ['word:a', 'symbol:-', 'comment:/*b*/', 'symbol:-', 'word:c']],
    ["'a", ["string:'a"]],
    ['/*a/**/', ['comment:/*a/**/']],
    ['$a$b$a', ['string:$a$b$a']],
    ["E'\\", ["string:E'\\"]],
  ]
  it.each(cases)('cuts %j', (text, expected) => {
    expect(tokens(text)).toEqual(expected)
  })

  it('says what was never closed', () => {
    for (const text of ["'a", "e'a\\'", '"a', 'U&"a', '$$a', '/*a', '/*/']) {
      const lexer = new Lexer(Buffer.from(text))
      lexer.next()
      expect([text, lexer.closed]).toEqual([text, false])
      lexer.next()
      expect(lexer.kind).toBe(TOKEN.END)
    }
  })

  it('finds the end of a long string among doubled quotes', () => {
    const long = `'${"x''y".repeat(1000)}'`
    expect(tokens(`${long} a`)).toEqual([`string:${long}`, 'word:a'])
    expect(tokens(`'${'x'.repeat(1000)}`)).toHaveLength(1)
  })
})

describe('a string with backslashes', () => {
  const read = (bytes: Buffer, reading?: Reading): [string[], boolean] => {
    const lexer = new Lexer(bytes, reading)
    const found: string[] = []
    while (lexer.next() !== TOKEN.END) {
      if (lexer.kind !== TOKEN.SPACE) found.push(bytes.toString('latin1', lexer.start, lexer.end))
    }
    return [found, lexer.ambiguous]
  }
  const escapes: Reading = { escapes: true, wide: 'no' }
  const sjis: Reading = { escapes: false, wide: 'sjis' }
  const other: Reading = { escapes: false, wide: 'other' }

  it('ends elsewhere without standard_conforming_strings, and says so', () => {
    const text = Buffer.from("'a\\' c'")
    expect(read(text)).toEqual([["'a\\'", 'c', "'"], true])
    expect(read(text, escapes)[0]).toEqual(["'a\\' c'"])
    expect(read(Buffer.from("'a\\n' N'b' x'c'"))[1]).toBe(false)
    expect(read(Buffer.from("N'b\\'"))[1]).toBe(true)
  })

  it('may have one as the second half of a character', () => {
    const text = Buffer.from("E'\x95\\' c'", 'latin1')
    expect(read(text)).toEqual([["E'\x95\\' c'"], true])
    for (const how of [sjis, other]) expect(read(text, how)[0]).toEqual(["E'\x95\\'", 'c', "'"])
    // A katakana of one byte in SJIS, half a character elsewhere.
    const kana = Buffer.from("E'\xb1\\' c'", 'latin1')
    expect(read(kana, sjis)[0]).toEqual(["E'\xb1\\' c'"])
    expect(read(kana, other)[0]).toEqual(["E'\xb1\\'", 'c', "'"])
  })

  it('is read in every way there is', () => {
    expect(OTHER_READINGS).toHaveLength(5)
    expect(OTHER_READINGS).toEqual(expect.arrayContaining([escapes, sjis, other]))
  })
})
