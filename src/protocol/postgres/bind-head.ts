/**
 * The head of a Bind: portal and statement name. A Bind may carry a gigabyte of parameters, so only
 * its names are looked at and only they are rewritten; the rest streams through.
 */
import { FRONTEND, HEADER } from '../../wire/postgres/codes.ts'
import { ProtocolError } from '../../wire/postgres/protocol-error.ts'
import { decode } from '../../wire/postgres/text.ts'

/** Two names must fit into this much; identifiers are 63 bytes long, protocol names rarely more. */
const NAMES_BYTES = 16_384

export interface BindHead {
  /** Offset of the NUL behind the portal's name. */
  readonly portalEnd: number
  /** The statement's name lies in [nameStart, nameEnd); a NUL follows. */
  readonly nameStart: number
  readonly nameEnd: number
}

/**
 * Where the names are in the Bind of `total` bytes at `start`, of which the bytes up to `end` have
 * arrived; `wait` when they have not arrived yet. Throws ProtocolError when they cannot be right.
 */
export function readBindHead(
  buffer: Buffer,
  start: number,
  total: number,
  end: number,
): BindHead | 'wait' {
  const last = Math.min(start + total, end)
  let portalEnd = start + HEADER
  while (portalEnd < last && buffer[portalEnd] !== 0) portalEnd++
  let nameEnd = portalEnd + 1
  while (nameEnd < last && buffer[nameEnd] !== 0) nameEnd++
  if (nameEnd >= last) {
    if (last < start + total && last - start < NAMES_BYTES) return 'wait'
    throw new ProtocolError('invalid string in message')
  }
  return { portalEnd, nameStart: portalEnd + 1, nameEnd }
}

/** That head with another statement name (ours are ASCII): type, length, portal, name. */
export function renamedBindHead(
  buffer: Buffer,
  start: number,
  length: number,
  portalEnd: number,
  nameEnd: number,
  name: string,
): Buffer {
  const portalBytes = portalEnd - (start + HEADER)
  const head = Buffer.allocUnsafe(HEADER + portalBytes + 1 + name.length + 1)
  const newLength = length - (nameEnd - portalEnd - 1) + name.length
  head[0] = FRONTEND.BIND
  head[1] = newLength >>> 24
  head[2] = newLength >>> 16
  head[3] = newLength >>> 8
  head[4] = newLength
  let at = HEADER
  // Byte by byte: names are so short that a call to copy them would cost more.
  for (let i = start + HEADER; i <= portalEnd; i++) head[at++] = buffer[i]!
  for (let i = 0; i < name.length; i++) head[at++] = name.charCodeAt(i)
  head[at] = 0
  return head
}

/**
 * The statement name of the Parse at `start`, of which the bytes up to `end` are here; undefined when it has not arrived yet. Throws
 * ProtocolError when it is longer than any name.
 */
export function readParseName(buffer: Buffer, start: number, end: number): string | undefined {
  const nameEnd = buffer.indexOf(0, start + HEADER)
  if (nameEnd >= 0 && nameEnd < end) return decode(buffer, start + HEADER, nameEnd)
  if (end - start < NAMES_BYTES) return undefined
  throw new ProtocolError('invalid string in message')
}
