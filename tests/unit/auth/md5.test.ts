import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { isMd5Hash, md5Hash, md5Proves, md5Response } from '../../../src/auth/md5.ts'

const hex = (data: string | Buffer) => createHash('md5').update(data).digest('hex')
const salt = Buffer.from([1, 0, 255, 128])

describe('the md5 method', () => {
  it('stores md5 of password and user', () => {
    expect(md5Hash('secret', 'joe')).toBe(`md5${hex('secretjoe')}`)
  })

  it('answers with md5 of the stored digits and the salt', () => {
    const inner = Buffer.concat([Buffer.from(hex('secretjoe')), salt])
    expect(md5Response(md5Hash('secret', 'joe'), salt)).toBe(`md5${hex(inner)}`)
  })

  it('takes the right answer and no other', () => {
    const stored = md5Hash('secret', 'joe')
    const right = md5Response(stored, salt)
    expect(md5Proves(stored, salt, Buffer.from(right))).toBe(true)
    expect(md5Proves(stored, Buffer.from([1, 2, 3, 4]), Buffer.from(right))).toBe(false)
    expect(md5Proves(stored, salt, Buffer.from(`${right}0`))).toBe(false)
    expect(md5Proves(stored, salt, Buffer.from('secret'))).toBe(false)
    expect(md5Proves(stored, salt, Buffer.alloc(0))).toBe(false)
  })

  it('knows a stored hash from a password', () => {
    expect(isMd5Hash(md5Hash('secret', 'joe'))).toBe(true)
    expect(isMd5Hash('md5')).toBe(false)
    expect(isMd5Hash(md5Hash('secret', 'joe').toUpperCase())).toBe(false)
  })
})
