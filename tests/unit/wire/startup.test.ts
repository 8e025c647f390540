import { describe, expect, it } from 'vitest'
import { PROTOCOL_3_0, PROTOCOL_3_2 } from '../../../src/wire/postgres/codes.ts'
import * as frontend from '../../../src/wire/postgres/frontend.ts'
import { readFirstPacket } from '../../../src/wire/postgres/startup.ts'

const LIMIT = 10_004

/** A startup packet with this body after its length. */
function packet(body: string | number[]): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body, 'latin1') : Buffer.from(body)
  const message = Buffer.alloc(4 + bytes.length)
  message.writeInt32BE(message.length, 0)
  message.set(bytes, 4)
  return message
}

describe('the first packet', () => {
  it('is a startup with its parameters, the last of a repeated name winning', () => {
    const bytes = frontend.startupMessage(PROTOCOL_3_2, [
      ['user', 'alice'],
      ['_pq_.report', 'on'],
      ['user', 'bob'],
      ['options', ''],
    ])
    expect(readFirstPacket(bytes, LIMIT)).toEqual({
      kind: 'startup',
      length: bytes.length,
      major: 3,
      minor: 2,
      params: new Map([
        ['user', 'bob'],
        ['_pq_.report', 'on'],
        ['options', ''],
      ]),
    })
  })

  it('may have no parameters at all', () => {
    const first = readFirstPacket(frontend.startupMessage(PROTOCOL_3_0, []), LIMIT)
    expect(first).toMatchObject({ kind: 'startup', length: 9, params: new Map() })
  })

  it('leaves bytes behind it alone', () => {
    const bytes = frontend.startupMessage(PROTOCOL_3_0, [['user', 'a']])
    const more = Buffer.concat([bytes, frontend.query('select 1')])
    expect(readFirstPacket(more, LIMIT)).toEqual(readFirstPacket(bytes, LIMIT))
  })

  it('is a request for TLS or GSS', () => {
    expect(readFirstPacket(frontend.sslRequest(), LIMIT)).toEqual({ kind: 'ssl', length: 8 })
    expect(readFirstPacket(frontend.gssEncRequest(), LIMIT)).toEqual({ kind: 'gss', length: 8 })
  })

  it.each([4, 32, 256])('is a cancel request with a secret of %i bytes', (size) => {
    const secret = Buffer.alloc(size, 0xab)
    const bytes = frontend.cancelRequest(-9, secret)
    const first = readFirstPacket(bytes, LIMIT)
    expect(first).toEqual({ kind: 'cancel', length: bytes.length, pid: -9, secret })
    bytes.fill(0)
    expect(first).toHaveProperty('secret', secret)
  })

  it('is incomplete until its last byte is there', () => {
    const bytes = frontend.startupMessage(PROTOCOL_3_0, [['user', 'weir']])
    for (let n = 0; n < bytes.length; n++) {
      expect(readFirstPacket(bytes.subarray(0, n), LIMIT)).toEqual({ kind: 'incomplete' })
    }
  })

  it('is recognised as TLS by its first byte', () => {
    expect(readFirstPacket(Buffer.from([0x16]), LIMIT)).toEqual({ kind: 'direct-tls' })
  })

  it.each(['GET / HTTP/1.1', 'POST /', 'PUT /', 'HEAD /', 'OPTIONS *', 'PRI * HTTP/2.0'])(
    'is recognised as HTTP: %s',
    (line) => {
      expect(readFirstPacket(Buffer.from(line), LIMIT)).toEqual({ kind: 'http' })
      expect(readFirstPacket(Buffer.from(line.slice(0, 3)), LIMIT)).toEqual({ kind: 'incomplete' })
    },
  )

  const length = 'invalid length of startup packet'
  const layout = 'invalid startup packet layout: expected terminator as last byte'
  const cancel = 'invalid length of cancel request packet'
  const version = (n: string): string =>
    `unsupported frontend protocol ${n}: server supports 3.0 to 3.2`
  const bad: [string, Buffer, string, string][] = [
    ['a length below eight', Buffer.from([0, 0, 0, 7, 0, 3, 0]), length, '08P01'],
    ['a length above the limit', Buffer.from([0, 0, 0x27, 0x15]), length, '08P01'],
    ['a negative length', Buffer.from([0xff, 0xff, 0xff, 0xff]), length, '08P01'],
    ['another protocol', Buffer.from('SSH-2.0-OpenSSH'), length, '08P01'],
    ['no terminator', packet('\0\x03\0\0user\0weir\0'), layout, '08P01'],
    ['nothing after the version', packet('\0\x03\0\0'), layout, '08P01'],
    ['a name without a NUL', packet('\0\x03\0\0user'), layout, '08P01'],
    ['a name without a value', packet('\0\x03\0\0user\0'), layout, '08P01'],
    ['a value without a NUL', packet('\0\x03\0\0user\0weir'), layout, '08P01'],
    ['bytes after the terminator', packet('\0\x03\0\0user\0weir\0\0x'), layout, '08P01'],
    ['a cancel request without secret', packet([4, 210, 22, 46, 0, 0, 0, 1]), cancel, '08P01'],
    ['protocol 2', packet('\0\x02\0\0user'), version('2.0'), '0A000'],
    ['protocol 4', packet('\0\x04\0\x01user'), version('4.1'), '0A000'],
    ['a request nobody knows', packet([4, 210, 22, 49]), version('1234.5681'), '0A000'],
  ]
  it.each(bad)('is junk: %s', (_name, bytes, why, sqlstate) => {
    expect(readFirstPacket(bytes, LIMIT)).toEqual({ kind: 'junk', why, sqlstate })
  })

  it('does not look for a value beyond its own end', () => {
    const bytes = Buffer.concat([packet('\0\x03\0\0user\0weir'), Buffer.from('\0\0\0')])
    expect(readFirstPacket(bytes, LIMIT)).toMatchObject({ kind: 'junk', why: layout })
  })
})
