/**
 * The header with which a load balancer says for whom it speaks (PROXY protocol, versions 1 and 2, as
 * HAProxy's proxy-protocol.txt has them). Rule: pure and bounded; a byte that cannot belong to a header
 * is found as soon as it is there, and what stands behind the header is not looked at.
 *
 *   v1:  PROXY TCP4 203.0.113.7 192.0.2.1 51034 5432\r\n
 *   v2:  signature (12) | version, command | family, transport | length (2) | addresses | TLVs
 */
import { isIPv4, isIPv6, SocketAddress } from 'node:net'

/** The longest header of version 1, end of line included. */
const MOST_V1 = 107
/** Most behind the 16 bytes that begin version 2; some send certificates and ids of theirs along. */
const MOST_V2 = 4_096
const FIXED_V2 = 16

const V1 = Buffer.from('PROXY ')
const V2 = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a])

/** Type of the TLV that holds a checksum of the whole header. */
const TLV_CRC32C = 0x03

export interface ProxySource {
  readonly address: string
  readonly port: number
}

export type ProxyHeader =
  /** So far it may be one. */
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'junk'; readonly why: string }
  /** `source`: undefined when the sender speaks for itself, or does not know. */
  | { readonly kind: 'header'; readonly length: number; readonly source: ProxySource | undefined }

const INCOMPLETE: ProxyHeader = { kind: 'incomplete' }

/** Reads the header at the beginning of `bytes`. Never throws. */
export function readProxyHeader(bytes: Buffer): ProxyHeader {
  if (bytes.length === 0) return INCOMPLETE
  if (begins(bytes, V1)) return readV1(bytes)
  if (begins(bytes, V2)) return readV2(bytes)
  return junk('it begins with something else')
}

/** As far as both go they are the same. */
function begins(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length)
  return bytes.compare(signature, 0, length, 0, length) === 0
}

function readV1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, MOST_V1).indexOf('\r\n')
  if (end === -1) return bytes.length < MOST_V1 ? INCOMPLETE : junk('its line does not end')
  const header = (source: ProxySource | undefined): ProxyHeader => ({
    kind: 'header',
    length: end + 2,
    source,
  })
  const line = bytes.toString('latin1', V1.length, end)
  // What stands behind UNKNOWN has no meaning, whatever it looks like.
  if (line === 'UNKNOWN' || line.startsWith('UNKNOWN ')) return header(undefined)
  const [family, from = '', to = '', fromPort = '', toPort = '', ...more] = line.split(' ')
  const right = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : undefined
  if (right === undefined) return junk('its family is none of TCP4, TCP6 and UNKNOWN')
  if (more.length > 0 || !right(from) || !right(to) || from.includes('%')) {
    return junk('its addresses are none of that family')
  }
  const port = portOf(fromPort)
  if (port === undefined || portOf(toPort) === undefined) return junk('its ports are none')
  return header({ address: printed(from, family === 'TCP4' ? 'ipv4' : 'ipv6'), port })
}

function portOf(text: string): number | undefined {
  if (!/^(?:0|[1-9][0-9]{0,4})$/.test(text)) return undefined
  const port = Number(text)
  return port > 65_535 ? undefined : port
}

function readV2(bytes: Buffer): ProxyHeader {
  if (bytes.length < FIXED_V2) return INCOMPLETE
  const command = bytes[12]!
  // Version in the upper half. 0: the sender itself (a health check). 1: on behalf of somebody.
  if (command !== 0x20 && command !== 0x21) return junk('its version or command is unknown')
  const size = bytes.readUInt16BE(14)
  if (size > MOST_V2) return junk(`it is longer than ${MOST_V2} bytes`)
  const length = FIXED_V2 + size
  if (bytes.length < length) return INCOMPLETE
  const family = FAMILIES.get(bytes[13]!)
  if (family === undefined) return junk('its family or transport is none of a stream')
  if (size < family.bytes) return junk('its addresses are cut off')
  const fault = tlvFault(bytes.subarray(0, length), FIXED_V2 + family.bytes)
  if (fault !== undefined) return junk(fault)
  const source = command === 0x20 ? undefined : family.source?.(bytes)
  return { kind: 'header', length, source }
}

interface Family {
  /** What its addresses and ports take. */
  readonly bytes: number
  readonly source?: (header: Buffer) => ProxySource
}

const FAMILIES: ReadonlyMap<number, Family> = new Map<number, Family>([
  [0x00, { bytes: 0 }],
  [
    0x11,
    {
      bytes: 12,
      source: (header) => ({
        address: [...header.subarray(16, 20)].join('.'),
        port: header.readUInt16BE(24),
      }),
    },
  ],
  [
    0x21,
    {
      bytes: 36,
      source: (header) => ({
        address: printed(groups(header.subarray(16, 32)), 'ipv6'),
        port: header.readUInt16BE(48),
      }),
    },
  ],
  // A Unix socket over there; its path says nothing here.
  [0x31, { bytes: 216 }],
])

function groups(address: Buffer): string {
  return Array.from({ length: 8 }, (_, i) => address.readUInt16BE(2 * i).toString(16)).join(':')
}

/** In the one form that the system has for it too. */
function printed(address: string, family: 'ipv4' | 'ipv6'): string {
  return new SocketAddress({ address, family }).address
}

/** What is wrong with the list of type, length (2), value from `at` to the end; most have nothing. */
function tlvFault(header: Buffer, from: number): string | undefined {
  let at = from
  while (at < header.length) {
    if (header.length - at < 3) return 'a TLV of it is cut off'
    const size = header.readUInt16BE(at + 1)
    if (size > header.length - at - 3) return 'a TLV of it is cut off'
    if (header[at] === TLV_CRC32C) {
      if (size !== 4) return 'its checksum has a wrong length'
      if (crcWithout(header, at + 3) !== header.readUInt32BE(at + 3)) return 'its checksum is wrong'
    }
    at += 3 + size
  }
  return undefined
}

function crcWithout(header: Buffer, at: number): number {
  const blank = Buffer.from(header)
  blank.fill(0, at, at + 4)
  return crc32c(blank)
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let crc = n
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
})

/** CRC-32C (Castagnoli), RFC 3720. */
export function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}

function junk(why: string): ProxyHeader {
  return { kind: 'junk', why }
}
