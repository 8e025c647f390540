/**
 * Names with escapes, `U&"d\0061ta"`, which may spell any name at all. Rule: what does not decode is
 * no name that PostgreSQL would accept either.
 */
import { hashStep } from './lexer.ts'
import { quotedCode, W } from './words.ts'

/** The code of `U&"..."` at `text[start, end)`, as long as no UESCAPE follows. */
export function unicodeCode(text: Uint8Array, start: number, end: number): number {
  const inside = Buffer.from(text.subarray(start + 3, end - 1)).toString('utf8')
  const name = unescaped(inside.replaceAll('""', '"'), '\\')
  if (name === undefined) return W.QUOTED
  const bytes = Buffer.from(name)
  let hash = 0
  for (const byte of bytes) hash = hashStep(hash, byte)
  return quotedCode(bytes, 0, bytes.length, hash)
}

/** Behind the escape character `by`: four hexadecimal digits, a plus sign and six, or it again. */
export function unescaped(inside: string, by: string): string | undefined {
  const parts = inside.split(by)
  let name = parts[0]!
  for (let i = 1; i < parts.length; i++) {
    const part = parts[i]!
    if (part === '' && i + 1 < parts.length) {
      name += by + parts[++i]!
      continue
    }
    const digits = /^(?:\+(?<six>[0-9a-f]{6})|(?<four>[0-9a-f]{4}))(?<rest>.*)$/is.exec(
      part,
    )?.groups
    const point = Number.parseInt(digits?.six ?? digits?.four ?? '', 16)
    if (!(point > 0 && point <= 0x10ffff)) return undefined
    // Halves of surrogate pairs join because the string is UTF-16.
    name += point > 0xffff ? String.fromCodePoint(point) : String.fromCharCode(point)
    name += digits?.rest ?? ''
  }
  return name
}
