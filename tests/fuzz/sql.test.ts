import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { classify } from '../../src/protocol/postgres/sql/classify.ts'
import { DIGEST_LIMIT, digest } from '../../src/protocol/postgres/sql/digest.ts'
import { Lexer, TOKEN, type TokenKind } from '../../src/protocol/postgres/sql/lexer.ts'
import { CORPUS } from '../unit/sql/corpus.ts'

const RUNS = { numRuns: 2_000 }

const bytes = fc.uint8Array({ maxLength: 300 }).map((b) => Buffer.from(b))
const corpus = fc.constantFrom(...CORPUS.map(([text]) => text))

/** Whether strings end in one place only, whatever the settings of the session. */
function isClear(text: string): boolean {
  const lexer = new Lexer(Buffer.from(text))
  while (lexer.next() !== TOKEN.END);
  return !lexer.ambiguous
}

/** Fragments glued together any way: mostly nonsense, but made of what a scanner trips over. */
const shards = fc
  .array(
    fc.oneof(
      corpus,
      fc.constantFrom(
        ..."' '' E' U&' U&\" \" \"\" $$ $a$ $1 -- /* */ \\ \\' ; ( ) . , \n \r 1e 0x .5 ::".split(
          ' ',
        ),
      ),
      fc.constantFrom(' ', '\n', 'a', 'é', 'SET', 'nextval', 'temp', 'BEGIN', 'ATOMIC', 'EXPLAIN'),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Buffer.from(parts.join('')))

interface Piece {
  kind: TokenKind
  text: string
}

function pieces(text: string): Piece[] {
  const lexer = new Lexer(Buffer.from(text, 'latin1'))
  const found: Piece[] = []
  while (lexer.next() !== TOKEN.END) {
    found.push({ kind: lexer.kind, text: text.slice(lexer.start, lexer.end) })
  }
  return found
}

describe('whatever bytes come', () => {
  it('tokens tile the text', () => {
    fc.assert(
      fc.property(fc.oneof(bytes, shards), (text) => {
        const lexer = new Lexer(text)
        let at = 0
        while (lexer.next() !== TOKEN.END) {
          expect(lexer.start).toBe(at)
          expect(lexer.end).toBeGreaterThan(at)
          expect(lexer.end).toBeLessThanOrEqual(text.length)
          at = lexer.end
        }
        expect(at).toBe(text.length)
        expect(lexer.next()).toBe(TOKEN.END)
      }),
      RUNS,
    )
  })

  it('classify and digest never throw and keep their bounds', () => {
    fc.assert(
      fc.property(fc.oneof(bytes, shards), (text) => {
        const seen = classify(text)
        if (seen.readOnly) expect(seen.effects.filter((e) => e !== 'set-local')).toEqual([])
        expect(new Set(seen.effects).size).toBe(seen.effects.length)
        expect(digest(text).length).toBeLessThanOrEqual(DIGEST_LIMIT)
      }),
      RUNS,
    )
  })
})

describe('what does not matter', () => {
  it('comments and white space between tokens change nothing', () => {
    const filler = fc.constantFrom(
      '',
      ' ',
      '\t ',
      '/**/',
      '/* SET x = 1; /* */ */',
      ' /* nextval( */ ',
    )
    fc.assert(
      fc.property(corpus, fc.array(filler, { minLength: 8, maxLength: 8 }), (text, fillers) => {
        const more = pieces(text)
          .map(
            (piece, i) =>
              `${piece.text}${piece.kind === TOKEN.COMMENT ? '\n' : ''}${fillers[i % 8]}`,
          )
          .join('')
        expect(classify(Buffer.from(more))).toEqual(classify(Buffer.from(text)))
      }),
      RUNS,
    )
  })

  it('comments to the end of the line change nothing', () => {
    fc.assert(
      fc.property(corpus, fc.nat(60), (text, where) => {
        const all = pieces(text)
        const at = where % (all.length + 1)
        // A line break between two strings would join them.
        fc.pre(all.slice(at).find((piece) => piece.kind !== TOKEN.SPACE)?.kind !== TOKEN.STRING)
        all.splice(at, 0, { kind: TOKEN.COMMENT, text: "\n-- it's nextval(; SET x\n" })
        const more = all.map((piece) => piece.text).join('')
        const before = pieces(text).slice(0, at).at(-1)
        fc.pre(before?.kind !== TOKEN.COMMENT && isClear(text))
        expect(classify(Buffer.from(more))).toEqual(classify(Buffer.from(text)))
      }),
      RUNS,
    )
  })

  it('the case of unquoted words changes nothing', () => {
    fc.assert(
      fc.property(corpus, fc.boolean(), (text, upper) => {
        const more = pieces(text)
          .map(({ kind, text: t }) => {
            if (kind !== TOKEN.WORD) return t
            return upper ? t.toUpperCase() : t.toLowerCase()
          })
          .join('')
        expect(classify(Buffer.from(more))).toEqual(classify(Buffer.from(text)))
      }),
      RUNS,
    )
  })

  it('strings hide everything', () => {
    const wrappers: ((text: string) => string)[] = [
      (t) => `'${t.replaceAll("'", "''")}'`,
      (t) => `E'${t.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`,
      (t) => `U&'${t.replaceAll("'", "''")}'`,
      (t) => `$weir$${t}$weir$`,
      (t) => `/* ${t.replaceAll('/*', '').replaceAll('*/', '')} */ ''`,
      (t) => `-- ${t.replace(/[\r\n]/g, ' ')}\n ''`,
      (t) => `"a${t.replaceAll('"', '""')}"`,
    ]
    const any = fc.oneof(
      corpus,
      shards.map((b) => b.toString()),
    )
    const plain = classify(Buffer.from("SELECT '' FROM t"))
    fc.assert(
      fc.property(any, fc.constantFrom(...wrappers), (text, wrap) => {
        const hidden = `SELECT ${wrap(text)} FROM t`
        fc.pre(!wrap(text).startsWith('/*') || !/[/*]\s*$|\*\//.test(text))
        fc.pre(isClear(hidden))
        expect(classify(Buffer.from(hidden))).toEqual(plain)
      }),
      RUNS,
    )
  })

  it('texts one after another have the effects of each', () => {
    const whole = CORPUS.map(([text]) => text).filter((text) => {
      const last = pieces(text).at(-1)
      return (
        isClear(text) && !text.includes('true"') && last?.text !== '-- nothing' && balanced(text)
      )
    })
    fc.assert(
      fc.property(fc.constantFrom(...whole), fc.constantFrom(...whole), (one, two) => {
        const seen = classify(Buffer.from(`${one};${two}`))
        const a = classify(Buffer.from(one))
        const b = classify(Buffer.from(two))
        expect([...seen.effects].sort()).toEqual([...new Set([...a.effects, ...b.effects])].sort())
        expect(seen.statements).toBe(a.statements + b.statements)
        expect(seen.readOnly).toBe(a.readOnly && b.readOnly)
      }),
      RUNS,
    )
  })
})

describe('a digest', () => {
  it('never shows a literal', () => {
    const word = fc.string({
      unit: fc.constantFrom(..."xyz '\\$;-*/"),
      minLength: 1,
      maxLength: 20,
    })
    const literal = fc.oneof(
      word.map((s) => `'SECRET${s.replaceAll("'", "''")}'`),
      word.map((s) => `E'SECRET${s.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`),
      word.map((s) => `$q$SECRET${s}$q$`),
      fc.constantFrom('4242', '42.42', '.4242', '4242e4242', '0x4242', '4_242'),
    )
    const glue = fc.constantFrom(' = ', ', ', ' + ', '(', ')', ' and a.b in (', '::text, ', ' -')
    fc.assert(
      fc.property(fc.array(fc.tuple(glue, literal), { maxLength: 12 }), (parts) => {
        const seen = digest(Buffer.from(`select ${parts.map((p) => p.join('')).join('')}`))
        expect(seen).not.toMatch(/SECRET|42/)
      }),
      RUNS,
    )
  })
})

function balanced(text: string): boolean {
  return [...text].filter((c) => c === '(').length === [...text].filter((c) => c === ')').length
}
