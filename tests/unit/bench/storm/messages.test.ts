/** The instrument's own reading and writing of the protocol. */
import { describe, expect, it } from 'vitest'
import {
  ERROR,
  errorOf,
  MessageReader,
  password,
  query,
  READY,
  startup,
} from '../../../../src/bench/storm/messages.ts'

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(type, 'latin1')
  head.writeInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}

const error = Buffer.from('SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0')
const STREAM = Buffer.concat([
  message('R', Buffer.from([0, 0, 0, 0])),
  message('S', Buffer.from('server_version\x0018\0')),
  message('D', Buffer.alloc(3_000, 0x5a)),
  message('E', error),
  message('Z', Buffer.from('I')),
])

function found(pieces: readonly Buffer[]): [number, string][] {
  const reader = new MessageReader()
  const all: [number, string][] = []
  for (const piece of pieces) reader.push(piece, (type, body) => all.push([type, body.toString()]))
  return all
}

describe('The reader of messages', () => {
  it('finds the same ones however the stream is cut', () => {
    const whole = found([STREAM])
    expect(whole.map(([type]) => String.fromCharCode(type))).toEqual(['R', 'E', 'Z'])
    for (let at = 0; at <= STREAM.length; at++) {
      expect(found([STREAM.subarray(0, at), STREAM.subarray(at)]), `cut at ${at}`).toEqual(whole)
    }
    const single = [...STREAM].map((byte) => Buffer.from([byte]))
    expect(found(single)).toEqual(whole)
  })

  it('keeps nothing of a buffer that is used again', () => {
    const reader = new MessageReader()
    const shared = Buffer.alloc(8)
    const all: number[] = []
    const stream = message('Z', Buffer.from('I'))
    for (const piece of [stream.subarray(0, 3), stream.subarray(3)]) {
      piece.copy(shared)
      reader.push(shared.subarray(0, piece.length), (type) => all.push(type))
      shared.fill(0xff)
    }
    expect(all).toEqual([READY])
  })

  it('refuses what is not the protocol', () => {
    const bad = Buffer.from([ERROR, 0, 0, 0, 1])
    expect(() => found([bad])).toThrow('length 1')
    const long = Buffer.from([ERROR, 0x7f, 0, 0, 0])
    expect(() => found([long])).toThrow('where few are')
  })
})

describe('An error', () => {
  it('is told by its SQLSTATE and the server’s words', () => {
    expect(errorOf(error)).toEqual({ code: '53300', text: 'sorry, too many clients already' })
    expect(errorOf(Buffer.from('\0'))).toEqual({ code: 'other', text: '' })
  })
})

describe('What is sent', () => {
  it('has its length in it', () => {
    for (const bytes of [query('select 1'), password('secret\0')]) {
      expect(bytes.readInt32BE(1)).toBe(bytes.length - 1)
    }
    const first = startup('app', 'shop', 'weir storm')
    expect(first.readInt32BE(0)).toBe(first.length)
    expect(first.subarray(8).toString()).toBe(
      'user\0app\0database\0shop\0application_name\0weir storm\0client_encoding\0UTF8\0\0',
    )
  })
})
