/**
 * A text of SQL without its literals, so that texts which differ only in these are known as one kind.
 * Rule: a text has a skeleton only where its literals can be told without doubt; whoever classifies
 * one text of a skeleton has classified them all, because no literal changes what a statement is.
 *
 *   select a from t where id = 42 and b = 'x'   ──>   select a from t where id = ? and b = ''
 */
const QUOTE = 0x27
const DOUBLE_QUOTE = 0x22
const BACKSLASH = 0x5c
const DOLLAR = 0x24
const SEMICOLON = 0x3b
const MINUS = 0x2d
const SLASH = 0x2f
const STAR = 0x2a
/** Stands for a number; no text with a skeleton has this byte outside of quoted names. */
const PLACE = 0x01

/** Longer texts have none. */
export const MOST_SKELETON_BYTES = 2_048

/** Filled by `read`, and valid until it is called again. */
export class Skeleton {
  readonly bytes = new Uint8Array(MOST_SKELETON_BYTES)
  length = 0
  /** 32 bits of all its bytes. */
  hash = 0

  /** Reads the SQL in `text[start, end)`; false when it has no skeleton. */
  read(text: Uint8Array, start: number, end: number): boolean {
    if (end - start > MOST_SKELETON_BYTES) return false
    const out = this.bytes
    let n = 0
    let hash = 0x811c9dc5
    let before = 0
    for (let i = start; i < end; i++) {
      let byte = text[i]!
      if (isDigit(byte) && !isInWord(before)) {
        while (i + 1 < end && isDigit(text[i + 1]!)) i++
        // 0x1f is a number where 1x1f is a number and a word.
        if (i + 1 < end && isRadix(text[i + 1]!)) return false
        byte = PLACE
      } else if (byte === QUOTE) {
        const last = endOfString(text, i + 1, end)
        if (last < 0) return false
        i = last
      } else if (byte === DOUBLE_QUOTE) {
        // What stands in a name is no literal.
        do {
          out[n++] = byte
          hash = Math.imul(hash ^ byte, 0x01000193)
          if (++i >= end) return false
          byte = text[i]!
          if (byte === 0) return false
        } while (byte !== DOUBLE_QUOTE)
      } else if (byte < 0x20 || byte === DOLLAR || byte === SEMICOLON || byte === BACKSLASH) {
        if (byte === SEMICOLON && isOnlySpace(text, i + 1, end)) break
        // Line ends and tabs are blanks; in other such bytes, and in $$, a literal could hide.
        if (byte !== 0x0a && byte !== 0x09 && byte !== 0x0d) return false
      } else if (byte === before && byte === MINUS) return false
      else if (byte === STAR && before === SLASH) return false
      out[n++] = byte
      hash = Math.imul(hash ^ byte, 0x01000193)
      before = byte
    }
    this.length = n
    this.hash = hash
    return n > 0
  }

  /** Whether `other` is the same. */
  is(other: Uint8Array): boolean {
    if (other.length !== this.length) return false
    const { bytes } = this
    for (let i = 0; i < other.length; i++) if (bytes[i] !== other[i]) return false
    return true
  }
}

/** Where the string that begins at `from` ends; -1 when that may depend on the session's settings. */
function endOfString(text: Uint8Array, from: number, end: number): number {
  for (let i = from; i < end; i++) {
    const byte = text[i]!
    if (byte === QUOTE) return i
    if (byte === BACKSLASH || byte === 0) return -1
  }
  return -1
}

function isOnlySpace(text: Uint8Array, from: number, end: number): boolean {
  for (let i = from; i < end; i++) {
    const byte = text[i]!
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x09 && byte !== 0x0d) return false
  }
  return true
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

function isRadix(byte: number): boolean {
  const letter = byte | 0x20
  return letter === 0x78 || letter === 0x6f || letter === 0x62
}

/** A digit behind it belongs to a name, a number written otherwise, or a string of another kind. */
function isInWord(byte: number): boolean {
  const letter = byte | 0x20
  return (
    (letter >= 0x61 && letter <= 0x7a) ||
    byte === 0x5f ||
    byte >= 0x80 ||
    byte === DOUBLE_QUOTE ||
    byte === QUOTE ||
    isDigit(byte)
  )
}
