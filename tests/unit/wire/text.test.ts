import { describe, expect, it } from 'vitest'
import { byteLength, decode, encodeInto } from '../../../src/wire/postgres/text.ts'

const roundTrip = (bytes: Buffer): Buffer => {
  const text = decode(bytes, 0, bytes.length)
  const out = Buffer.alloc(byteLength(text))
  expect(encodeInto(out, 0, text)).toBe(out.length)
  return out
}

describe('text', () => {
  it('is UTF-8 where the bytes are', () => {
    const bytes = Buffer.from('größer 名前 😀')
    expect(decode(bytes, 0, bytes.length)).toBe('größer 名前 😀')
    expect(roundTrip(bytes)).toEqual(bytes)
  })

  it('keeps names apart that differ in one byte of another encoding', () => {
    const one = Buffer.from([0x73, 0xe4])
    const two = Buffer.from([0x73, 0xf6])
    expect(decode(one, 0, 2)).not.toBe(decode(two, 0, 2))
    expect(roundTrip(one)).toEqual(one)
  })

  it('keeps stray bytes among valid characters', () => {
    const bytes = Buffer.concat([
      Buffer.from('a😀'),
      Buffer.from([0xff, 0x80]),
      Buffer.from('ü'),
      Buffer.from([0xe2, 0x82]),
    ])
    expect(roundTrip(bytes)).toEqual(bytes)
  })
})
