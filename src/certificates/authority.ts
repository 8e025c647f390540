/**
 * A certificate authority for development and tests, and the certificates it issues: P-256 keys, all of
 * it by @peculiar/x509. Rule: what is issued can do one thing, be a server or be a client, and nothing
 * here is meant to guard a production.
 */
import 'reflect-metadata'
import { KeyObject, randomBytes, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import * as x509 from '@peculiar/x509'

type Crypto = NonNullable<Parameters<typeof x509.cryptoProvider.set>[0]>

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const DAY_MS = 86_400_000
/** Clocks of other machines may be behind. */
const EARLIER_MS = 3_600_000

/** A certificate and its private key, both PEM. */
export interface Pair {
  readonly certificate: string
  readonly key: string
}

export interface Authority extends Pair {
  readonly issuer: x509.X509Certificate
  readonly signingKey: webcrypto.CryptoKey
}

export interface Wanted {
  /** `server`: shown by whoever listens. `client`: shown by whoever connects. */
  readonly purpose: 'server' | 'client'
  readonly commonName: string
  /** Alternative names: addresses, e-mail addresses, and host names. */
  readonly names?: readonly string[]
  readonly days: number
}

function provider(): Crypto {
  return webcrypto as unknown as Crypto
}

/** Makes an authority of its own, valid from now for `days`. */
export async function makeAuthority(commonName: string, days: number): Promise<Authority> {
  const keys = await newKeys()
  const issuer = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serialNumber(),
      name: [{ CN: [commonName] }],
      ...validity(days),
      signingAlgorithm: ALGORITHM,
      keys: keys as never,
      extensions: [
        // It signs what it issues and no further authority.
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(
          x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
          true,
        ),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey as never, false, provider()),
      ],
    },
    provider(),
  )
  const key = privatePem(keys.privateKey)
  return { certificate: pem(issuer), key, issuer, signingKey: keys.privateKey }
}

/**
 * The authority whose certificate and key were written down before.
 * @throws Error when they are not PEM, or the key is of another kind
 */
export async function readAuthority(certificate: string, key: string): Promise<Authority> {
  const issuer = new x509.X509Certificate(certificate)
  const der = x509.PemConverter.decodeFirst(key)
  const signingKey = await webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign'])
  return { certificate: pem(issuer), key, issuer, signingKey }
}

/** Issues a certificate with a key of its own; never valid longer than the authority. */
export async function issue(authority: Authority, wanted: Wanted): Promise<Pair> {
  const { purpose, commonName, names = [], days } = wanted
  const keys = await newKeys()
  const { notBefore, notAfter } = validity(days)
  const end = authority.issuer.notAfter
  const usage =
    purpose === 'server' ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serialNumber(),
      subject: [{ CN: [commonName] }],
      issuer: authority.issuer.subject,
      notBefore,
      notAfter: notAfter > end ? end : notAfter,
      signingAlgorithm: ALGORITHM,
      publicKey: keys.publicKey as never,
      signingKey: authority.signingKey as never,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([usage]),
        ...(names.length === 0
          ? []
          : [new x509.SubjectAlternativeNameExtension(names.map(alternativeName))]),
        await x509.AuthorityKeyIdentifierExtension.create(authority.issuer, false, provider()),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey as never, false, provider()),
      ],
    },
    provider(),
  )
  return { certificate: pem(certificate), key: privatePem(keys.privateKey) }
}

/** A list of what the authority has revoked, good for `days` from now. */
export async function revoke(
  authority: Authority,
  certificates: readonly string[],
  days: number,
): Promise<string> {
  const { notBefore, notAfter } = validity(days)
  const crl = await x509.X509CrlGenerator.create(
    {
      issuer: authority.issuer.subject,
      thisUpdate: notBefore,
      nextUpdate: notAfter,
      signingAlgorithm: ALGORITHM,
      signingKey: authority.signingKey as never,
      entries: certificates.map((certificate) => ({
        serialNumber: new x509.X509Certificate(certificate).serialNumber,
        revocationDate: new Date(),
      })),
    },
    provider(),
  )
  return `${x509.PemConverter.encode(crl.rawData, 'X509 CRL')}\n`
}

function alternativeName(name: string): x509.JsonGeneralName {
  if (isIP(name) !== 0) return { type: 'ip', value: name }
  return { type: name.includes('@') ? 'email' : 'dns', value: name }
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(ALGORITHM, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair
}

/** Positive, and with nothing in front that would be cut off (RFC 5280 section 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x3f) | 0x40
  return bytes.toString('hex')
}

function validity(days: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now()
  return { notBefore: new Date(now - EARLIER_MS), notAfter: new Date(now + days * DAY_MS) }
}

function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem')}\n`
}

function privatePem(key: webcrypto.CryptoKey): string {
  return KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }) as string
}
