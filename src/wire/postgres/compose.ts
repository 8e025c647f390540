/**
 * How a message is put together: its size is known before a byte is written, so a message is one
 * allocation. Rule: a string with a NUL inside is our own bug and throws, because on the wire it
 * would end there and the rest would be read as something else.
 */
import { HEADER } from './codes.ts'
import { byteLength, encodeInto } from './text.ts'

/** A whole message of `bodyLength` bytes after its header; the body is still to be written. */
export function frame(code: number, bodyLength: number): Buffer {
  const message = Buffer.allocUnsafe(HEADER + bodyLength)
  message[0] = code
  message.writeInt32BE(bodyLength + 4, 1)
  return message
}

/** Bytes `text` takes with its NUL. */
export function cstringLength(text: string): number {
  if (text.includes('\0')) throw new Error('BUG: a string for the wire contains NUL')
  return byteLength(text) + 1
}

/** Writes `text` and its NUL; returns the offset behind them. */
export function putCString(message: Buffer, at: number, text: string): number {
  const end = encodeInto(message, at, text)
  message[end] = 0
  return end + 1
}

/** Header only. */
export function emptyFrame(code: number): Buffer {
  return frame(code, 0)
}

/** Header and raw bytes. */
export function bytesFrame(code: number, body: Uint8Array): Buffer {
  const message = frame(code, body.length)
  message.set(body, HEADER)
  return message
}

/** Header and NUL-terminated strings, one after another. */
export function stringsFrame(code: number, ...strings: readonly string[]): Buffer {
  let length = 0
  for (const text of strings) length += cstringLength(text)
  const message = frame(code, length)
  let at = HEADER
  for (const text of strings) at = putCString(message, at, text)
  return message
}
