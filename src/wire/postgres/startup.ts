/**
 * What the very first bytes of a connection are. Before login a message has no letter, only a
 * length and a code, and a stranger may send anything at all. Rule: never throws, never looks
 * past `limit`, and names what it saw, so the listener can count it and answer in kind.
 */
import {
  CANCEL_REQUEST_CODE,
  GSS_REQUEST_CODE,
  SECRET_MAX,
  SECRET_MIN,
  SSL_REQUEST_CODE,
  TLS_HANDSHAKE,
} from './codes.ts'
import { decode } from './text.ts'

export interface Startup {
  kind: 'startup'
  /** Bytes of the whole packet. */
  length: number
  major: number
  minor: number
  /** As sent, `_pq_.` options included; of a repeated name the last value. */
  params: Map<string, string>
}

export interface Cancel {
  kind: 'cancel'
  length: number
  pid: number
  /** 4 to 256 bytes; a copy, safe to keep. */
  secret: Buffer
}

export interface Junk {
  kind: 'junk'
  /** A sentence for an ErrorResponse. */
  why: string
  sqlstate: string
}

export type FirstPacket =
  | { kind: 'incomplete' }
  | { kind: 'ssl'; length: 8 }
  | { kind: 'gss'; length: 8 }
  | Cancel
  | Startup
  | { kind: 'direct-tls' }
  | { kind: 'http' }
  | Junk

const INCOMPLETE: FirstPacket = { kind: 'incomplete' }
const PROTOCOL_VIOLATION = '08P01'
const FEATURE_NOT_SUPPORTED = '0A000'

/** The first four bytes of an HTTP request; as a length each would be above a gigabyte. */
const HTTP_STARTS: ReadonlySet<string> = new Set([
  'GET ',
  'POST',
  'PUT ',
  'HEAD',
  'OPTI',
  'PRI ',
  'DELE',
  'PATC',
  'CONN',
  'TRAC',
])

/**
 * @param bytes everything received so far, the packet first
 * @param limit longest packet accepted, in bytes; PostgreSQL takes 10004
 */
export function readFirstPacket(bytes: Buffer, limit: number): FirstPacket {
  if (bytes.length === 0) return INCOMPLETE
  if (bytes[0] === TLS_HANDSHAKE) return { kind: 'direct-tls' }
  if (bytes.length < 4) return INCOMPLETE
  const length = bytes.readInt32BE(0)
  if (length < 8 || length > limit) {
    if (HTTP_STARTS.has(bytes.toString('latin1', 0, 4))) return { kind: 'http' }
    return junk('invalid length of startup packet')
  }
  if (bytes.length < length) return INCOMPLETE
  const packet = bytes.subarray(0, length)
  switch (packet.readUInt32BE(4)) {
    case SSL_REQUEST_CODE:
      return length === 8 ? { kind: 'ssl', length } : junk('invalid length of SSL request')
    case GSS_REQUEST_CODE:
      return length === 8 ? { kind: 'gss', length } : junk('invalid length of GSSENC request')
    case CANCEL_REQUEST_CODE:
      return readCancel(packet)
    default:
      return readStartup(packet)
  }
}

function readCancel(packet: Buffer): FirstPacket {
  const length = packet.length
  if (length < 12 + SECRET_MIN || length > 12 + SECRET_MAX) {
    return junk('invalid length of cancel request packet')
  }
  const secret = Buffer.from(packet.subarray(12))
  return { kind: 'cancel', length, pid: packet.readInt32BE(8), secret }
}

/** Layout and complaints as in ProcessStartupPacket, src/backend/tcop/backend_startup.c. */
function readStartup(packet: Buffer): FirstPacket {
  const length = packet.length
  const major = packet.readUInt16BE(4)
  const minor = packet.readUInt16BE(6)
  if (major !== 3) {
    return junk(
      `unsupported frontend protocol ${major}.${minor}: server supports 3.0 to 3.2`,
      FEATURE_NOT_SUPPORTED,
    )
  }
  const params = new Map<string, string>()
  let at = 8
  while (at < length && packet[at] !== 0) {
    const nameEnd = packet.indexOf(0, at)
    if (nameEnd < 0) return unterminated()
    const valueEnd = packet.indexOf(0, nameEnd + 1)
    if (valueEnd < 0) return unterminated()
    params.set(decode(packet, at, nameEnd), decode(packet, nameEnd + 1, valueEnd))
    at = valueEnd + 1
  }
  if (at !== length - 1) return unterminated()
  return { kind: 'startup', length, major, minor, params }
}

function unterminated(): Junk {
  return junk('invalid startup packet layout: expected terminator as last byte')
}

function junk(why: string, sqlstate = PROTOCOL_VIOLATION): Junk {
  return { kind: 'junk', why, sqlstate }
}
