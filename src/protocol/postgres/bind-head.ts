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
  /** Offsets of the NULs behind the two names. */
  readonly portalEnd: number
  readonly nameEnd: number
  /** The statement's name. */
  readonly name: string
}

/**
 * The names of the Bind of `total` bytes at `start`, of which the bytes up to `end` have arrived;
 * `wait` when they have not arrived yet. Throws ProtocolError when they cannot be right.
 */
export function readBindHead(
  buffer: Buffer,
  start: number,
  total: number,
  end: number,
): BindHead | 'wait' {
  const last = Math.min(start + total, end)
  const portalEnd = buffer.indexOf(0, start + HEADER)
  const nameEnd = portalEnd < 0 ? -1 : buffer.indexOf(0, portalEnd + 1)
  if (portalEnd < 0 || nameEnd < 0 || nameEnd >= last) {
    if (last < start + total && last - start < NAMES_BYTES) return 'wait'
    throw new ProtocolError('invalid string in message')
  }
  return { portalEnd, nameEnd, name: decode(buffer, portalEnd + 1, nameEnd) }
}

/**
 * The statement name of the Parse at `start`; undefined when it has not arrived yet. Throws
 * ProtocolError when it is longer than any name.
 */
export function readParseName(buffer: Buffer, start: number): string | undefined {
  const nameEnd = buffer.indexOf(0, start + HEADER)
  if (nameEnd >= 0) return decode(buffer, start + HEADER, nameEnd)
  if (buffer.length - start < NAMES_BYTES) return undefined
  throw new ProtocolError('invalid string in message')
}

/** The head of a Bind with another statement name: type, length, portal, name. */
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
  head[0] = FRONTEND.BIND
  head.writeUInt32BE(length - (nameEnd - portalEnd - 1) + name.length, 1)
  buffer.copy(head, HEADER, start + HEADER, portalEnd + 1)
  head.write(name, HEADER + portalBytes + 1, 'latin1')
  head[head.length - 1] = 0
  return head
}
