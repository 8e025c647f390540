import 'reflect-metadata'
import { createHash, generateKeyPairSync, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { describe, expect, it } from 'vitest'
import { serverEndPoint } from '../../../src/auth/tls-end-point.ts'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pkcs8 = rsa.privateKey.export({ type: 'pkcs8', format: 'der' })
const spki = rsa.publicKey.export({ type: 'spki', format: 'der' })

async function certificate(algorithm: { name: string; [more: string]: unknown }): Promise<Buffer> {
  const { subtle } = webcrypto
  const params = algorithm as unknown as webcrypto.RsaHashedImportParams
  const keys = algorithm.name.startsWith('RSA')
    ? {
        privateKey: await subtle.importKey('pkcs8', pkcs8, params, true, ['sign']),
        publicKey: await subtle.importKey('spki', spki, params, true, ['verify']),
      }
    : await subtle.generateKey(algorithm as unknown as webcrypto.EcKeyGenParams, true, [
        'sign',
        'verify',
      ])
  const made = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: '01',
      name: 'CN=localhost',
      notBefore: new Date(0),
      notAfter: new Date(1e12),
      signingAlgorithm: algorithm as never,
      keys: keys as never,
    },
    webcrypto as never,
  )
  return Buffer.from(made.rawData)
}

const hashed = (name: string, der: Buffer) => createHash(name).update(der).digest()

describe('the data of tls-server-end-point', () => {
  it.each([
    ['RSASSA-PKCS1-v1_5', 'SHA-1', 'sha256'],
    ['RSASSA-PKCS1-v1_5', 'SHA-256', 'sha256'],
    ['RSASSA-PKCS1-v1_5', 'SHA-384', 'sha384'],
    ['RSASSA-PKCS1-v1_5', 'SHA-512', 'sha512'],
    ['RSA-PSS', 'SHA-256', 'sha256'],
    ['RSA-PSS', 'SHA-384', 'sha384'],
    ['RSA-PSS', 'SHA-512', 'sha512'],
    ['ECDSA', 'SHA-256', 'sha256'],
    ['ECDSA', 'SHA-384', 'sha384'],
    ['ECDSA', 'SHA-512', 'sha512'],
  ])('of a certificate signed by %s with %s is its %s', async (name, hash, expected) => {
    const der = await certificate({ name, hash, namedCurve: 'P-256', saltLength: 32 })
    expect(serverEndPoint(der)).toEqual(hashed(expected, der))
  })

  it('does not exist for a signature without a hash of its own', async () => {
    expect(serverEndPoint(await certificate({ name: 'Ed25519' }))).toBeUndefined()
  })

  it('does not exist for what is no certificate, wherever it is cut', async () => {
    const der = await certificate({ name: 'ECDSA', hash: 'SHA-256', namedCurve: 'P-256' })
    for (let length = 0; length < der.length; length++) {
      expect(serverEndPoint(der.subarray(0, length))).toBeUndefined()
    }
    expect(serverEndPoint(Buffer.alloc(64, 0xff))).toBeUndefined()
  })
})
