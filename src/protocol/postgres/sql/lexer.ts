/**
 * SQL text into tokens, as PostgreSQL's own scanner cuts it (src/backend/parser/scan.l). Where a
 * string ends may depend on settings of the session; `ambiguous` says so (see `Reading`).
 * Rule: never throws, never allocates per token, and the tokens tile the text: each starts where
 * the last one ended, whatever the bytes are. What is never closed runs to the end of the text.
 */

export const TOKEN = {
  END: 0,
  SPACE: 1,
  COMMENT: 2,
  /** Unquoted name or keyword; `hash` is set. */
  WORD: 3,
  /** `"name"`, quotes included; `hash` is that of the inside. */
  QUOTED: 4,
  /** `U&"name"`: what it is called is not to be seen without decoding. */
  UNICODE_QUOTED: 5,
  /** Every kind of string constant, prefix, quotes or dollar tags included. */
  STRING: 6,
  NUMBER: 7,
  /** `$1` */
  PARAM: 8,
  /** One byte that is none of the above. */
  SYMBOL: 9,
} as const

export type TokenKind = (typeof TOKEN)[keyof typeof TOKEN]

const QUOTE = 0x27 // '
const DOUBLE_QUOTE = 0x22 // "
const DOLLAR = 0x24 // $
const AMPERSAND = 0x26 // &
const STAR = 0x2a // *
const PLUS = 0x2b // +
const DASH = 0x2d // -
const DOT = 0x2e // .
const SLASH = 0x2f // /
const BACKSLASH = 0x5c // \
const UNDERSCORE = 0x5f // _
const LF = 0x0a
const CR = 0x0d

const SPACE_BIT = 1
const DIGIT_BIT = 2
/** May start a word or a dollar tag: letters, underscore, every byte above 127. */
const START_BIT = 4
/** May go on in a word: the above, digits and the dollar sign. */
const PART_BIT = 8

const CLASS = new Uint8Array(256)
for (const byte of [0x20, 0x09, LF, 0x0b, 0x0c, CR]) CLASS[byte] = SPACE_BIT
for (let byte = 0x30; byte <= 0x39; byte++) CLASS[byte] = DIGIT_BIT | PART_BIT
for (let byte = 0x80; byte <= 0xff; byte++) CLASS[byte] = START_BIT | PART_BIT
for (let byte = 0x61; byte <= 0x7a; byte++) {
  CLASS[byte] = START_BIT | PART_BIT
  CLASS[byte - 0x20] = START_BIT | PART_BIT
}
CLASS[UNDERSCORE] = START_BIT | PART_BIT
CLASS[DOLLAR] = PART_BIT

/** One step of a name's hash; letters hash alike in both cases. */
export function hashStep(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + (byte | 0x20)) | 0
}

/**
 * How backslashes in strings are read. `escapes`: in plain strings too, as with
 * standard_conforming_strings off. `wide`: the second byte of a character may be a backslash, as in
 * the client encodings SJIS (`sjis`), BIG5, GBK, UHC, JOHAB and GB18030 (`other`).
 */
export interface Reading {
  readonly escapes: boolean
  readonly wide: 'no' | 'sjis' | 'other'
}

const USUAL: Reading = { escapes: false, wide: 'no' }

/** All there are but the usual one, which is that of a server and a client left alone. */
export const OTHER_READINGS: readonly Reading[] = [
  { escapes: true, wide: 'no' },
  { escapes: false, wide: 'sjis' },
  { escapes: true, wide: 'sjis' },
  { escapes: false, wide: 'other' },
  { escapes: true, wide: 'other' },
]

/** From here on a native search for the closing quote is faster than our own loop. */
const LONG_STRING = 64

export class Lexer {
  readonly text: Uint8Array
  /** The current token is `text[start, end)`. */
  start = 0
  end = 0
  kind: TokenKind = TOKEN.END
  hash = 0
  /** False when the current string, quoted name or comment ran into the end of the text. */
  closed = true
  /** Another reading would have cut one of the tokens so far in another place. */
  ambiguous = false
  readonly #reading: Reading

  constructor(text: Uint8Array, reading: Reading = USUAL) {
    this.text = text
    this.#reading = reading
  }

  /** Moves to the next token; `END` for ever once the text is used up. */
  next(): TokenKind {
    const text = this.text
    const at = this.end
    this.start = at
    if (at >= text.length) {
      this.kind = TOKEN.END
      return TOKEN.END
    }
    const kind = this.#scan(text, at, text[at]!)
    this.kind = kind
    return kind
  }

  #scan(text: Uint8Array, at: number, byte: number): TokenKind {
    const what = CLASS[byte]!
    if ((what & START_BIT) !== 0) return this.#wordOrPrefix(text, at, byte)
    if (what === SPACE_BIT) {
      let i = at + 1
      while (i < text.length && CLASS[text[i]!] === SPACE_BIT) i++
      this.end = i
      return TOKEN.SPACE
    }
    if ((what & DIGIT_BIT) !== 0) return this.#number(text, at)
    switch (byte) {
      case QUOTE:
        return this.#plainString(text, at + 1)
      case DOUBLE_QUOTE:
        return this.#quoted(text, at + 1)
      case DOLLAR:
        return this.#dollar(text, at)
      case DASH:
        if (text[at + 1] === DASH) {
          this.closed = true
          this.end = endOfLine(text, at + 2)
          return TOKEN.COMMENT
        }
        break
      case SLASH:
        if (text[at + 1] === STAR) return this.#blockComment(text, at + 2)
        break
      case DOT:
        if ((CLASS[text[at + 1] ?? 0]! & DIGIT_BIT) !== 0) return this.#number(text, at)
        break
    }
    // PostgreSQL joins operator characters into one operator; nobody here needs them joined, and
    // one at a time finds a comment that starts inside such a run just where it does.
    this.end = at + 1
    return TOKEN.SYMBOL
  }

  #wordOrPrefix(text: Uint8Array, at: number, byte: number): TokenKind {
    const next = text[at + 1]
    if (next === QUOTE) {
      switch (byte | 0x20) {
        case 0x65: // e
          return this.#escapeString(text, at + 2)
        case 0x6e: // n
          return this.#plainString(text, at + 2)
        case 0x62: // b
        case 0x78: // x
          return this.#string(text, at + 2)
      }
    } else if (next === AMPERSAND && (byte | 0x20) === 0x75 /* u */) {
      if (text[at + 2] === QUOTE) return this.#string(text, at + 3)
      if (text[at + 2] === DOUBLE_QUOTE) {
        this.#quoted(text, at + 3)
        return TOKEN.UNICODE_QUOTED
      }
    }
    const length = text.length
    let hash = hashStep(0, byte)
    let i = at + 1
    for (; i < length; i++) {
      const part = text[i]!
      if (CLASS[part]! < PART_BIT) break
      hash = hashStep(hash, part)
    }
    this.end = i
    this.hash = hash
    return TOKEN.WORD
  }

  #plainString(text: Uint8Array, from: number): TokenKind {
    return this.#reading.escapes ? this.#escapeString(text, from) : this.#string(text, from)
  }

  /** From behind the opening quote. A doubled quote does not end it; a backslash means nothing. */
  #string(text: Uint8Array, from: number): TokenKind {
    const long = from + LONG_STRING
    for (let i = from; i < text.length; i++) {
      if (text[i] !== QUOTE) {
        if (i < long) continue
        i = text.indexOf(QUOTE, i)
        if (i < 0) break
      }
      if (text[i - 1] === BACKSLASH) this.ambiguous = true
      if (text[i + 1] !== QUOTE) {
        this.end = i + 1
        this.closed = true
        return TOKEN.STRING
      }
      i++
    }
    return this.#open(TOKEN.STRING)
  }

  /** E'...': a backslash takes the next byte with it, in continuation lines too. */
  #escapeString(text: Uint8Array, from: number): TokenKind {
    let i = from
    for (; i < text.length; i++) {
      const byte = text[i]
      if (byte === BACKSLASH) {
        if (text[i - 1]! >= 0x80) this.ambiguous = true
        i++
      }
      if (byte! >= 0x81 && this.#isLead(byte!)) i++
      if (byte !== QUOTE) continue
      if (text[i + 1] === QUOTE) {
        i++
        continue
      }
      const again = continuation(text, i + 1)
      if (again < 0) {
        this.end = i + 1
        this.closed = true
        return TOKEN.STRING
      }
      i = again
    }
    return this.#open(TOKEN.STRING)
  }

  /** Whether the next byte belongs to the same character. */
  #isLead(byte: number): boolean {
    switch (this.#reading.wide) {
      case 'no':
        return false
      case 'sjis':
        return byte <= 0x9f || byte >= 0xe0 // between them are characters of one byte
      case 'other':
        return true
    }
  }

  #quoted(text: Uint8Array, from: number): TokenKind {
    let hash = 0
    for (let i = from; i < text.length; i++) {
      const byte = text[i]!
      if (byte === DOUBLE_QUOTE) {
        if (text[i + 1] !== DOUBLE_QUOTE) {
          this.end = i + 1
          this.hash = hash
          this.closed = true
          return TOKEN.QUOTED
        }
        i++
      }
      hash = hashStep(hash, byte)
    }
    this.hash = 0
    return this.#open(TOKEN.QUOTED)
  }

  #dollar(text: Uint8Array, at: number): TokenKind {
    let i = at + 1
    if ((CLASS[text[i] ?? 0]! & DIGIT_BIT) !== 0) {
      this.end = digits(text, i)
      return TOKEN.PARAM
    }
    if ((CLASS[text[i] ?? 0]! & START_BIT) !== 0) {
      while (i < text.length && text[i] !== DOLLAR && (CLASS[text[i]!]! & PART_BIT) !== 0) i++
    }
    if (text[i] !== DOLLAR) {
      this.end = at + 1
      return TOKEN.SYMBOL
    }
    const tagLength = i + 1 - at
    for (i++; i + tagLength <= text.length; i++) {
      if (text[i] === DOLLAR && sameBytes(text, at, i, tagLength)) {
        this.end = i + tagLength
        this.closed = true
        return TOKEN.STRING
      }
    }
    return this.#open(TOKEN.STRING)
  }

  /** Block comments nest. */
  #blockComment(text: Uint8Array, from: number): TokenKind {
    let depth = 1
    for (let i = from; i + 1 < text.length; i++) {
      const byte = text[i]
      if (byte === STAR && text[i + 1] === SLASH) {
        i++
        if (--depth > 0) continue
        this.end = i + 1
        this.closed = true
        return TOKEN.COMMENT
      }
      if (byte === SLASH && text[i + 1] === STAR) {
        i++
        depth++
      }
    }
    return this.#open(TOKEN.COMMENT)
  }

  /**
   * Decimal, real, and since PostgreSQL 16 `0x1f`, `0o17`, `0b11` and `1_000`. Letters behind a
   * number start a word of their own, as they did up to PostgreSQL 14 (`select 1from t`).
   */
  #number(text: Uint8Array, at: number): TokenKind {
    if (text[at] === 0x30 && isRadix(text[at + 1]) && isHexDigit(text[at + 2])) {
      let i = at + 3
      while (isHexDigit(text[i]) || (text[i] === UNDERSCORE && isHexDigit(text[i + 1]))) i++
      this.end = i
      return TOKEN.NUMBER
    }
    let i = text[at] === DOT ? at : digits(text, at)
    if (text[i] === DOT && text[i + 1] !== DOT) i = digits(text, i + 1)
    if (((text[i] ?? 0) | 0x20) === 0x65 /* e */) {
      const sign = text[i + 1] === DASH || text[i + 1] === PLUS ? 1 : 0
      const exponent = i + 1 + sign
      if ((CLASS[text[exponent] ?? 0]! & DIGIT_BIT) !== 0) i = digits(text, exponent)
    }
    this.end = i
    return TOKEN.NUMBER
  }

  #open(kind: TokenKind): TokenKind {
    this.end = this.text.length
    this.closed = false
    return kind
  }
}

function digits(text: Uint8Array, from: number): number {
  let i = from
  for (; i < text.length; i++) {
    if ((CLASS[text[i]!]! & DIGIT_BIT) !== 0) continue
    const grouped = text[i] === UNDERSCORE && i > from
    if (!grouped || (CLASS[text[i + 1] ?? 0]! & DIGIT_BIT) === 0) break
  }
  return i
}

function endOfLine(text: Uint8Array, from: number): number {
  let i = from
  while (i < text.length && text[i] !== LF && text[i] !== CR) i++
  return i
}

/**
 * Two string constants with a line break between them are one. Offset of the second's opening
 * quote if one follows `from` that way, else -1. Comments to the end of a line may stand between.
 */
function continuation(text: Uint8Array, from: number): number {
  let broken = false
  let i = from
  for (; i < text.length; i++) {
    const byte = text[i]!
    if (byte === LF || byte === CR) broken = true
    else if (byte === DASH && text[i + 1] === DASH) i = endOfLine(text, i + 2) - 1
    else if (CLASS[byte] !== SPACE_BIT) break
  }
  return broken && text[i] === QUOTE ? i : -1
}

function sameBytes(text: Uint8Array, a: number, b: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (text[a + i] !== text[b + i]) return false
  return true
}

function isRadix(byte: number | undefined): boolean {
  const letter = (byte ?? 0) | 0x20
  return letter === 0x78 || letter === 0x6f || letter === 0x62 // x, o, b
}

function isHexDigit(byte: number | undefined): boolean {
  if (byte === undefined) return false
  const letter = byte | 0x20
  return (CLASS[byte]! & DIGIT_BIT) !== 0 || (letter >= 0x61 && letter <= 0x66)
}
