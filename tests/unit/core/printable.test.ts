/** Texts of strangers: nothing that a terminal or a reader of lines would obey gets through. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { plainJson, printable, shownJson } from '../../../src/core/printable.ts'

const EVIL = 'a\nb\r\x1b[31mred\x1b[0m\x07\x7f\x9b2J\u2028\u2029\u202eabc\u200b"\\n"'

/** Whatever moves, colours, rings, breaks lines or turns writing round. */
const OBEYED = /[\p{Cc}\p{Zl}\p{Zp}\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u

describe('printable', () => {
  test('shows control characters as the escapes they are', () => {
    expect(printable('a\nb\x1b[31m\x9b')).toBe('a\\u000ab\\u001b[31m\\u009b')
    expect(printable('Grüße 漢字 🙂')).toBe('Grüße 漢字 🙂')
  })

  test('leaves nothing to obey in any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => !OBEYED.test(printable(text))))
  })
})

describe('plainJson', () => {
  test('means what it meant, on one line', () => {
    const json = plainJson(JSON.stringify({ user: EVIL }))
    expect(json).not.toMatch(OBEYED)
    expect(JSON.parse(json)).toEqual({ user: EVIL })
  })

  test('does so with any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const json = plainJson(JSON.stringify([text]))
        return !OBEYED.test(json) && JSON.parse(json)[0] === JSON.parse(JSON.stringify(text))
      }),
    )
  })
})

describe('shownJson', () => {
  test('reads back with escapes in place of control characters, backslashes as they were', () => {
    const [read] = JSON.parse(shownJson(JSON.stringify(['a\nb \\n \x1b[1m "q" \\\n'])))
    expect(read).toBe('a\\nb \\n \\u001b[1m "q" \\\\n')
  })

  test('stays JSON and leaves nothing to obey, whatever is in it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (text, key) => {
        const read = JSON.parse(shownJson(JSON.stringify({ [key]: text })))
        return Object.entries(read).every(
          ([name, value]) => !OBEYED.test(name) && !OBEYED.test(String(value)),
        )
      }),
    )
  })
})
