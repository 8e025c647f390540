import { describe, expect, it } from 'vitest'
import { type CertificateUser, certificateFits } from '../../../src/auth/certificate-users.ts'
import type { PeerCertificate } from '../../../src/core/secure-channel.ts'

function peer(commonName: string | undefined, ...names: string[]): PeerCertificate {
  return { commonName, names, fingerprint: '', subject: '' }
}

const rule = (name: string, user?: string): CertificateUser => ({ name, user })

describe('without a list', () => {
  it('the common name is the user, as it stands', () => {
    expect(certificateFits(peer('alice'), 'alice', [])).toBe(true)
    expect(certificateFits(peer('Alice'), 'alice', [])).toBe(false)
    expect(certificateFits(peer('alice'), 'alicex', [])).toBe(false)
  })

  it('alternative names stand for nobody, nor does a missing common name', () => {
    expect(certificateFits(peer(undefined, 'alice'), 'alice', [])).toBe(false)
    expect(certificateFits(peer(undefined), 'undefined', [])).toBe(false)
  })
})

describe('with a list', () => {
  it('the common name alone no longer counts', () => {
    expect(certificateFits(peer('alice'), 'alice', [rule('bob', 'bob')])).toBe(false)
  })

  it.each([
    ['plain', rule('ops.example.com', 'ops'), 'ops.example.com', 'ops', true],
    ['plain, for another user', rule('ops.example.com', 'ops'), 'ops.example.com', 'root', false],
    ['plain, for any user', rule('ops.example.com'), 'ops.example.com', 'root', true],
    ['a star that becomes the user', rule('*@example.com', '*'), 'bob@example.com', 'bob', true],
    ['a star within the user', rule('*@example.com', 'app_*'), 'bob@example.com', 'app_bob', true],
    ['a star for one user', rule('*.jobs.internal', 'batch'), 'a.jobs.internal', 'batch', true],
    ['a star for nothing', rule('*@example.com', '*'), '@example.com', '', false],
    ['another ending', rule('*@example.com', '*'), 'bob@example.com.evil', 'bob', false],
    ['another beginning', rule('db-*', '*'), 'xdb-bob', 'bob', false],
    ['both ends overlapping', rule('aba*aba', '*'), 'ababa', '', false],
    ['a replacement pattern', rule('*@e', '*'), '$&@e', '$&', true],
    ['a name that would be a pattern', rule('a.c', 'u'), 'abc', 'u', false],
  ])('%s', (_, entry, name, user, expected) => {
    expect(certificateFits(peer('x', name), user, [entry])).toBe(expected)
    expect(certificateFits(peer(name), user, [entry])).toBe(expected)
  })
})
