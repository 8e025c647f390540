/**
 * Strings to bytes and back, losing nothing. The wire does not say which encoding a name is in, so
 * bytes that are not UTF-8 must survive the way through a JavaScript string: two statement names
 * that differ in one Latin-1 byte are two names. Rule: `encode(decode(bytes))` is `bytes`.
 *
 *   valid UTF-8   -> the characters it means
 *   stray byte xx -> the lone surrogate U+DCxx, which no valid UTF-8 can produce
 */
import { isUtf8 } from 'node:buffer'

const ESCAPE_FIRST = 0xdc80
const ESCAPE_LAST = 0xdcff

/** Decodes `buf[start, end)`. */
export function decode(buf: Buffer, start: number, end: number): string {
  for (let i = start; i < end; i++) {
    if (buf[i]! >= 0x80) return decodeWide(buf, start, end)
  }
  return buf.toString('latin1', start, end)
}

/** How many bytes `text` takes. */
export function byteLength(text: string): number {
  if (isWellFormed(text)) return Buffer.byteLength(text)
  let length = 0
  for (const char of text) length += isEscape(char) ? 1 : Buffer.byteLength(char)
  return length
}

/** Writes `text` at `at`; returns the offset behind it. There must be room for `byteLength`. */
export function encodeInto(buf: Buffer, at: number, text: string): number {
  if (isWellFormed(text)) return at + buf.write(text, at)
  let next = at
  for (const char of text) {
    if (isEscape(char)) buf[next++] = char.charCodeAt(0) & 0xff
    else next += buf.write(char, next)
  }
  return next
}

/** In Node since 20, in TypeScript's library only since ES2024. */
function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed(): boolean }).isWellFormed()
}

function isEscape(char: string): boolean {
  const code = char.charCodeAt(0)
  return char.length === 1 && code >= ESCAPE_FIRST && code <= ESCAPE_LAST
}

function decodeWide(buf: Buffer, start: number, end: number): string {
  if (isUtf8(buf.subarray(start, end))) return buf.toString('utf8', start, end)
  let text = ''
  for (let i = start; i < end; ) {
    const length = sequenceLength(buf[i]!)
    if (i + length <= end && isUtf8(buf.subarray(i, i + length))) {
      text += buf.toString('utf8', i, i + length)
      i += length
    } else {
      text += String.fromCharCode(0xdc00 | buf[i]!)
      i++
    }
  }
  return text
}

function sequenceLength(lead: number): number {
  if (lead < 0xc0) return 1
  if (lead < 0xe0) return 2
  return lead < 0xf0 ? 3 : 4
}
