/**
 * The channel binding data `tls-server-end-point` (RFC 5929 section 4.1): a hash of the certificate the
 * server shows, by the hash of that certificate's own signature, where MD5 and SHA-1 become SHA-256.
 * Rule: both ends must come to the same hash, so a signature without one (Ed25519) gives no binding, as
 * in libpq and Postgres.
 *
 *   Certificate ::= SEQUENCE { tbsCertificate, SEQUENCE { signature OID, parameters }, signature }
 */
import { createHash } from 'node:crypto'

const SEQUENCE = 0x30
const OBJECT_ID = 0x06

/** By the bytes of the object identifier (RFC 8017 appendix C, RFC 5758 section 3.2), hex. */
const HASHES: Readonly<Record<string, string>> = {
  '2a864886f70d010104': 'sha256', // md5WithRSAEncryption
  '2a864886f70d010105': 'sha256', // sha1WithRSAEncryption
  '2a864886f70d01010e': 'sha224',
  '2a864886f70d01010b': 'sha256',
  '2a864886f70d01010c': 'sha384',
  '2a864886f70d01010d': 'sha512',
  '2a8648ce3d0401': 'sha256', // ecdsa-with-SHA1
  '2a8648ce3d040301': 'sha224',
  '2a8648ce3d040302': 'sha256',
  '2a8648ce3d040303': 'sha384',
  '2a8648ce3d040304': 'sha512',
}
const RSASSA_PSS = '2a864886f70d01010a'

/** The hash functions themselves, as RSASSA-PSS names them. */
const PSS_HASHES: Readonly<Record<string, string>> = {
  '2b0e03021a': 'sha256', // SHA-1
  '608648016503040201': 'sha256',
  '608648016503040202': 'sha384',
  '608648016503040203': 'sha512',
  '608648016503040204': 'sha224',
}

/** @returns the hash of the certificate `der`, or undefined when it has none or is not readable */
export function serverEndPoint(der: Uint8Array): Buffer | undefined {
  const hash = signatureHash(Buffer.from(der.buffer, der.byteOffset, der.byteLength))
  return hash === undefined ? undefined : createHash(hash).update(der).digest()
}

interface Element {
  readonly tag: number
  readonly content: Buffer
  /** Where the next one begins. */
  readonly end: number
}

function signatureHash(der: Buffer): string | undefined {
  const certificate = element(der, 0, SEQUENCE)
  const body = certificate && element(certificate.content, 0, SEQUENCE)
  const algorithm = body && element(certificate.content, body.end, SEQUENCE)
  const id = algorithm && element(algorithm.content, 0, OBJECT_ID)
  if (id === undefined) return undefined
  const name = id.content.toString('hex')
  if (name !== RSASSA_PSS) return HASHES[name]
  // [0] hashAlgorithm AlgorithmIdentifier DEFAULT sha1 (RFC 4055 section 3.1).
  const parameters = element(algorithm!.content, id.end, SEQUENCE)
  if (parameters === undefined) return undefined
  const first = element(parameters.content, 0)
  if (first === undefined || first.tag !== 0xa0) return 'sha256'
  const hashed = element(first.content, 0, SEQUENCE)
  const hash = hashed && element(hashed.content, 0, OBJECT_ID)
  return hash === undefined ? undefined : PSS_HASHES[hash.content.toString('hex')]
}

/** The DER element at `at`; undefined when there is none, it is cut short, or has another tag. */
function element(from: Buffer, at: number, tag?: number): Element | undefined {
  if (at + 2 > from.length || (tag !== undefined && from[at] !== tag)) return undefined
  let length = from[at + 1]!
  let start = at + 2
  if (length >= 0x80) {
    const bytes = length & 0x7f
    if (bytes === 0 || bytes > 4 || start + bytes > from.length) return undefined
    length = from.readUIntBE(start, bytes)
    start += bytes
  }
  const end = start + length
  if (end > from.length) return undefined
  return { tag: from[at]!, content: from.subarray(start, end), end }
}
