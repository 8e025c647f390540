/**
 * One glance at a text: is it plainly one statement that changes nothing but data? Most are, and a
 * glance costs a tenth of reading their tokens. Rule: `true` is a proof, `false` only means that
 * somebody has to read the text.
 *
 * The proof: it begins with SELECT, UPDATE, DELETE or a word about transactions; without an opening
 * parenthesis it calls no function; without a semicolon before its end it is alone; a SELECT
 * without the letters INTO makes no table; and what an UPDATE changes is not the view of settings,
 * nor anything whose name takes a second look.
 */
const SEMICOLON = 0x3b
const PARENTHESIS = 0x28

/** First words by their letters in lower case; all that may come first. */
const FIRST_WORDS = ['update', 'select', 'delete', 'begin', 'commit', 'end', 'rollback'].map(
  (word) => Buffer.from(word),
)
const UPDATE = 0

/** Looks at the SQL in `bytes[start, end)`. */
export function isPlain(bytes: Uint8Array, start: number, end: number): boolean {
  if (!beginsPlainly(bytes, start, end)) return false
  let last = end
  while (last > start && (isSpace(bytes[last - 1]!) || bytes[last - 1] === SEMICOLON)) last--
  for (let i = start; i < last; i++) {
    const byte = bytes[i]!
    if (byte === PARENTHESIS || byte === SEMICOLON) return false
    // i n t o, in either case; a first word lies before it, so looking back stays inside
    if ((byte | 0x20) === 0x6f && i >= start + 3 && (bytes[i - 1]! | 0x20) === 0x74) {
      if ((bytes[i - 2]! | 0x20) === 0x6e && (bytes[i - 3]! | 0x20) === 0x69) return false
    }
  }
  return true
}

function beginsPlainly(bytes: Uint8Array, start: number, end: number): boolean {
  for (let w = 0; w < FIRST_WORDS.length; w++) {
    const word = FIRST_WORDS[w]!
    if (end - start < word.length) continue
    let i = 0
    while (i < word.length && (bytes[start + i]! | 0x20) === word[i]) i++
    if (i < word.length) continue
    if (start + i === end) return true
    const next = bytes[start + i]!
    if (next !== SEMICOLON && !isSpace(next)) return false
    return w !== UPDATE || updatesTable(bytes, start + i, end)
  }
  return false
}

/** `UPDATE app."orders" ...`: one name without s-e-t-t-i-n-g-s in it, then another word. */
function updatesTable(bytes: Uint8Array, from: number, end: number): boolean {
  let i = from
  while (i < end && isSpace(bytes[i]!)) i++
  const start = i
  while (i < end && isInName(bytes[i]!)) i++
  const length = i - start
  const only = length === ONLY.length && matchesAt(bytes, start, ONLY)
  if (length === 0 || only || !isSpace(bytes[i] ?? 0)) return false
  while (i < end && isSpace(bytes[i]!)) i++
  if (i === end || !isLetter(bytes[i]!)) return false
  // Anywhere in it, because an alias in quotes may stick to the name.
  for (let j = start; j <= start + length - SETTINGS.length; j++) {
    if (matchesAt(bytes, j, SETTINGS)) return false
  }
  return true
}

const ONLY = Buffer.from('only')
const SETTINGS = Buffer.from('settings')

function matchesAt(bytes: Uint8Array, at: number, word: Uint8Array): boolean {
  for (let i = 0; i < word.length; i++) if ((bytes[at + i]! | 0x20) !== word[i]) return false
  return true
}

function isLetter(byte: number): boolean {
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x7a
}

/** Letters, digits, `_`, `.` and `"`. */
function isInName(byte: number): boolean {
  return (
    isLetter(byte) ||
    (byte >= 0x30 && byte <= 0x39) ||
    byte === 0x5f ||
    byte === 0x2e ||
    byte === 0x22
  )
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)
}
