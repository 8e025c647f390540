/**
 * What a fuzzed peer was sent, judged as a strict peer would: whole messages, of the kinds that side
 * may send, each of the length it says. Rule: the first thing that a real driver would stumble over
 * is thrown as an error that says what it was.
 */
import { Parser } from 'pg-protocol/dist/parser'
import { BACKEND, FRONTEND, HEADER } from '../../src/wire/postgres/codes.ts'
import { readErrorFields } from '../../src/wire/postgres/read.ts'

export interface Frame {
  readonly type: number
  readonly body: Buffer
}

const BACKEND_TYPES = new Set<number>(Object.values(BACKEND))
const FRONTEND_TYPES = new Set<number>(Object.values(FRONTEND))

/** The messages in `bytes`; a last one that is not whole comes back in `rest`. */
export function framesOf(
  bytes: Buffer,
  from: 'client' | 'server',
): { frames: Frame[]; rest: Buffer } {
  const types = from === 'server' ? BACKEND_TYPES : FRONTEND_TYPES
  const frames: Frame[] = []
  let at = 0
  while (bytes.length - at >= HEADER) {
    const type = bytes[at]!
    if (!types.has(type)) throw new Error(`the ${from} sent a message of type ${type}`)
    const total = bytes.readInt32BE(at + 1) + 1
    if (total < HEADER) throw new Error(`the ${from} sent a message of length ${total - 1}`)
    if (bytes.length - at < total) break
    frames.push({ type, body: bytes.subarray(at + HEADER, at + total) })
    at += total
  }
  return { frames, rest: bytes.subarray(at) }
}

/** The messages in `bytes`, which must be whole. */
export function wholeFrames(bytes: Buffer, from: 'client' | 'server'): Frame[] {
  const { frames, rest } = framesOf(bytes, from)
  if (rest.length > 0) throw new Error(`the ${from} sent ${rest.length} bytes of half a message`)
  return frames
}

/** An error as every driver can read it: all three fields that the protocol demands, no torn text. */
export function checkError(body: Buffer): string {
  const fields = readErrorFields(body)
  if (!/^[0-9A-Z]{5}$/.test(fields.code)) throw new Error(`an error of code ${fields.code}`)
  if (fields.message === '') throw new Error('an error without a message')
  const letters = new Set<string>()
  for (let at = 0; at < body.length - 1; at = body.indexOf(0, at) + 1) {
    letters.add(String.fromCharCode(body[at]!))
  }
  for (const letter of 'SVCM') {
    if (!letters.has(letter)) throw new Error(`an error without field ${letter}`)
  }
  return fields.code
}

/** Goes through the parser of another driver. */
export function understood(bytes: Buffer): void {
  new Parser().parse(bytes, () => {})
}
