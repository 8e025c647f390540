import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { issue, makeAuthority } from '../../../src/certificates/authority.ts'
import { alternativeNames, peerOf } from '../../../src/net/peer-certificate.ts'

const authority = await makeAuthority('Test CA', 2)
async function shown(commonName: string, ...names: string[]) {
  const { certificate } = await issue(authority, { purpose: 'client', commonName, names, days: 1 })
  return peerOf(new X509Certificate(certificate))
}

describe('a client certificate', () => {
  it('gives its common name, its alternative names, and a fingerprint', async () => {
    const peer = await shown('alice', 'db.example.com', 'alice@example.com', '127.0.0.1')
    expect(peer).toMatchObject({
      commonName: 'alice',
      names: ['db.example.com', 'alice@example.com'],
      subject: 'CN=alice',
    })
    expect(peer.fingerprint).toMatch(/^[0-9a-f]{64}$/)
  })

  it.each(['ali\0ce', 'ali\nce', '\u001b[31malice', 'ali\u0085ce'])(
    'with the common name %j has none, and a subject that can be printed',
    async (commonName) => {
      const peer = await shown(commonName)
      expect(peer.commonName).toBeUndefined()
      expect(peer.subject).not.toMatch(/\p{Cc}/u)
    },
  )

  it('keeps a common name of other letters', async () => {
    expect((await shown('żółć, O=x')).commonName).toBe('żółć, O=x')
  })

  it('with two common names has none', async () => {
    const { certificate } = await issue(authority, {
      purpose: 'client',
      commonName: 'alice',
      days: 1,
    })
    const real = new X509Certificate(certificate)
    const two = { ...real.toLegacyObject(), subject: { CN: ['alice', 'root'] } }
    const forged = Object.assign(Object.create(real) as X509Certificate, {
      toLegacyObject: () => two,
    })
    for (const [name, value] of Object.entries({
      subjectAltName: undefined,
      fingerprint256: 'AA:BB',
      subject: 'CN=alice\nCN=root',
    })) {
      Object.defineProperty(forged, name, { value })
    }
    expect(peerOf(forged)).toMatchObject({
      commonName: undefined,
      fingerprint: 'aabb',
      subject: 'CN=alice, CN=root',
    })
  })

  it('has no alternative name that pretends to be two', async () => {
    expect((await shown('a', 'x, DNS:root')).names).toEqual(['x, DNS:root'])
  })
})

describe('alternative names as Node writes them', () => {
  it.each([
    ['', []],
    ['DNS:a, DNS:b', ['a', 'b']],
    ['IP Address:127.0.0.1, DNS:a', ['a']],
    ['othername:<unsupported>, email:a@b', ['a@b']],
    ['URI:"https://x/\\u002cDNS:root", DNS:b', ['https://x/,DNS:root', 'b']],
    ['DirName:"CN=x\\u002c DNS:root"', []],
    ['DNS:"broken', []],
    ['DNS:"a\\u0000b"', []],
  ])('%j', (text, names) => {
    expect(alternativeNames(text)).toEqual(names)
  })
})
