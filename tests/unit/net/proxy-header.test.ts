/** Headers of load balancers: both versions, every way they can be wrong, in pieces of any size. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crc32c, readProxyHeader } from '../../../src/net/proxy-header.ts'

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')

/** @param more TLVs behind the addresses */
function v2(command: number, family: number, addresses: Buffer, more = Buffer.alloc(0)): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(addresses.length + more.length)
  return Buffer.concat([SIGNATURE, Buffer.from([command, family]), length, addresses, more])
}

const IPV4 = Buffer.from([203, 0, 113, 7, 192, 0, 2, 1, 0xc7, 0x5a, 0x15, 0x38])
const IPV6 = Buffer.from(
  `20010db8${'0'.repeat(16)}00000000000000010000`.slice(0, 32).padEnd(32, '0') +
    'fe80000000000000000000000000000a' +
    'c75a1538',
  'hex',
)
const V1 = 'PROXY TCP4 203.0.113.7 192.0.2.1 51034 5432\r\n'

const sourceOf = (bytes: Buffer | string) => {
  const read = readProxyHeader(Buffer.from(bytes as string, 'latin1'))
  return read.kind === 'header' ? read.source : read.kind
}

describe('version 1', () => {
  it('names the client, and its length ends the header', () => {
    expect(readProxyHeader(Buffer.from(`${V1}rest`))).toEqual({
      kind: 'header',
      length: V1.length,
      source: { address: '203.0.113.7', port: 51_034 },
    })
    expect(sourceOf('PROXY TCP6 2001:DB8:0:0::1 ::1 1 65535\r\n')).toEqual({
      address: '2001:db8::1',
      port: 1,
    })
  })

  it('names nobody when the sender does not know', () => {
    expect(sourceOf('PROXY UNKNOWN\r\n')).toBeUndefined()
    expect(sourceOf('PROXY UNKNOWN whatever it says\r\n')).toBeUndefined()
  })

  it.each([
    'PROXY TCP4 203.0.113.7 192.0.2.1 51034\r\n',
    'PROXY TCP4 203.0.113.7 192.0.2.1 51034 5432 1\r\n',
    'PROXY TCP4 203.0.113.256 192.0.2.1 51034 5432\r\n',
    'PROXY TCP4 ::1 192.0.2.1 51034 5432\r\n',
    'PROXY TCP6 203.0.113.7 192.0.2.1 51034 5432\r\n',
    'PROXY TCP6 fe80::1%eth0 ::1 51034 5432\r\n',
    'PROXY TCP4 203.0.113.7 192.0.2.1 051034 5432\r\n',
    'PROXY TCP4 203.0.113.7 192.0.2.1 65536 5432\r\n',
    'PROXY TCP4 203.0.113.7 192.0.2.1 -1 5432\r\n',
    'PROXY TCP4  203.0.113.7 192.0.2.1 1 5432\r\n',
    'PROXY UDP4 203.0.113.7 192.0.2.1 1 5432\r\n',
    'PROXY UNKNOWNS\r\n',
    'PROXY \r\n',
    'proxy TCP4 203.0.113.7 192.0.2.1 51034 5432\r\n',
  ])('is junk when it is %j', (line) => {
    expect(sourceOf(line)).toBe('junk')
  })

  it('is given up when its line does not end within 107 bytes', () => {
    expect(sourceOf(`PROXY UNKNOWN ${'x'.repeat(92)}`)).toBe('incomplete')
    expect(sourceOf(`PROXY UNKNOWN ${'x'.repeat(93)}`)).toBe('junk')
    expect(sourceOf(`PROXY UNKNOWN ${'x'.repeat(91)}\r\n`)).toBeUndefined()
    expect(sourceOf(`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`)).toBe('junk')
  })
})

describe('version 2', () => {
  it('names the client of either family', () => {
    expect(sourceOf(v2(0x21, 0x11, IPV4))).toEqual({ address: '203.0.113.7', port: 51_034 })
    expect(sourceOf(v2(0x21, 0x21, IPV6))).toEqual({ address: '2001:db8::', port: 51_034 })
  })

  it('names nobody for a health check, an unknown family and a socket over there', () => {
    expect(sourceOf(v2(0x20, 0x11, IPV4))).toBeUndefined()
    expect(sourceOf(v2(0x20, 0x00, Buffer.alloc(0)))).toBeUndefined()
    expect(sourceOf(v2(0x21, 0x00, Buffer.alloc(0)))).toBeUndefined()
    expect(sourceOf(v2(0x21, 0x31, Buffer.alloc(216)))).toBeUndefined()
  })

  it('skips what else it holds, and takes it to its length', () => {
    const header = v2(0x21, 0x11, IPV4, Buffer.from([0x04, 0, 2, 9, 9, 0xea, 0, 1, 1]))
    expect(readProxyHeader(Buffer.concat([header, Buffer.from('rest')]))).toMatchObject({
      kind: 'header',
      length: header.length,
    })
  })

  it('checks its checksum where it has one', () => {
    // The value that RFC 3720, B.4 gives for 32 bytes of zeros.
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa)
    const header = v2(0x21, 0x11, IPV4, Buffer.from([0x03, 0, 4, 0, 0, 0, 0]))
    header.writeUInt32BE(crc32c(header), header.length - 4)
    expect(sourceOf(header)).toEqual({ address: '203.0.113.7', port: 51_034 })
    header[17] = 1
    expect(sourceOf(header)).toBe('junk')
    expect(sourceOf(v2(0x21, 0x11, IPV4, Buffer.from([0x03, 0, 3, 0, 0, 0])))).toBe('junk')
  })

  it('is junk when version, command, family, length or a TLV is wrong', () => {
    for (const command of [0x11, 0x22, 0x31, 0x00]) {
      expect(sourceOf(v2(command, 0x11, IPV4))).toBe('junk')
    }
    for (const family of [0x12, 0x22, 0x32, 0x41, 0xff]) {
      expect(sourceOf(v2(0x21, family, Buffer.alloc(216)))).toBe('junk')
    }
    expect(sourceOf(v2(0x21, 0x11, IPV4.subarray(1)))).toBe('junk')
    expect(sourceOf(v2(0x21, 0x21, IPV4))).toBe('junk')
    expect(sourceOf(v2(0x21, 0x11, IPV4, Buffer.from([4, 0])))).toBe('junk')
    expect(sourceOf(v2(0x21, 0x11, IPV4, Buffer.from([4, 0, 2, 1])))).toBe('junk')
    expect(sourceOf(v2(0x21, 0x11, Buffer.alloc(4_097)).subarray(0, 16))).toBe('junk')
  })
})

it('is incomplete at every cut, and never anything else', () => {
  for (const whole of [Buffer.from(V1), v2(0x21, 0x11, IPV4), v2(0x21, 0x21, IPV6)]) {
    for (let cut = 0; cut < whole.length; cut++) {
      expect(readProxyHeader(whole.subarray(0, cut)).kind).toBe('incomplete')
    }
    expect(readProxyHeader(whole).kind).toBe('header')
  }
})

it('never throws, and is decided by 4,112 bytes', () => {
  const start = fc.constantFrom(Buffer.from('PROXY '), SIGNATURE, Buffer.alloc(0))
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 300 }), (begin, rest) => {
      const bytes = Buffer.concat([begin, rest])
      const read = readProxyHeader(bytes)
      if (read.kind === 'header') expect(read.length).toBeLessThanOrEqual(bytes.length)
      const padded = Buffer.concat([bytes, Buffer.alloc(4_112)])
      expect(readProxyHeader(padded).kind).not.toBe('incomplete')
    }),
    { numRuns: 2_000 },
  )
})
