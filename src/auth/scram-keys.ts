/**
 * The keys of SCRAM-SHA-256 (RFC 5802, RFC 7677) and how Postgres writes them down.
 *
 *   SaltedPassword = PBKDF2(password, salt, iterations)      the only slow step
 *     ClientKey = HMAC(SaltedPassword, "Client Key")    StoredKey = SHA256(ClientKey)
 *     ServerKey = HMAC(SaltedPassword, "Server Key")
 *
 * Rule: a verifier (StoredKey, ServerKey) checks a login but cannot make one; ClientKey can.
 */
import { createHash, createHmac, pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'
import { prepare } from './saslprep.ts'

export const SCRAM_SHA_256 = 'SCRAM-SHA-256'
/** The same, bound to the TLS channel (RFC 7677 section 4). */
export const SCRAM_SHA_256_PLUS = 'SCRAM-SHA-256-PLUS'
export const SCRAM_ITERATIONS = 4096
export const SCRAM_SALT_BYTES = 16
export const SCRAM_KEY_BYTES = 32
/** Part of a second of one core, which a bad node could ask for again and again. Nobody stores more. */
export const SCRAM_MAX_ITERATIONS = 1_000_000

/** What a server side needs: checks a proof and proves itself. */
export interface ScramVerifier {
  readonly iterations: number
  readonly salt: Buffer
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

/** What a client side needs, good for one (password, salt, iterations). */
export interface ScramKeys {
  readonly clientKey: Buffer
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

const pbkdf2Async = promisify(pbkdf2)

export function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'utf8').digest()
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

/** Lengths must agree; the shorter one would decide otherwise. */
export function xor(a: Uint8Array, b: Uint8Array): Buffer {
  if (a.length !== b.length) throw new Error(`BUG: xor of ${a.length} and ${b.length} bytes`)
  const out = Buffer.allocUnsafe(a.length)
  for (let i = 0; i < a.length; i++) out[i] = a[i]! ^ b[i]!
  return out
}

/** Runs PBKDF2 on the thread pool: about a millisecond for 4096 iterations. */
export async function deriveKeys(
  password: string,
  salt: Uint8Array,
  iterations: number,
): Promise<ScramKeys> {
  const salted = await pbkdf2Async(prepare(password), salt, iterations, SCRAM_KEY_BYTES, 'sha256')
  const clientKey = hmac(salted, 'Client Key')
  return { clientKey, storedKey: sha256(clientKey), serverKey: hmac(salted, 'Server Key') }
}

/** What `pg_authid.rolpassword` holds: `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`. */
export function formatVerifier(v: ScramVerifier): string {
  const base64 = (bytes: Buffer) => bytes.toString('base64')
  return `${SCRAM_SHA_256}$${v.iterations}:${base64(v.salt)}$${base64(v.storedKey)}:${base64(v.serverKey)}`
}

const VERIFIER = /^SCRAM-SHA-256\$(\d{1,8}):([^$:]+)\$([^$:]+):([^$:]+)$/

/** The verifier in `text`, or undefined when it is not one (and so is a plain password). */
export function parseVerifier(text: string): ScramVerifier | undefined {
  const match = VERIFIER.exec(text)
  if (match === null) return undefined
  const iterations = Number(match[1])
  const salt = decodeBase64(match[2]!)
  const storedKey = decodeBase64(match[3]!)
  const serverKey = decodeBase64(match[4]!)
  if (iterations < 1 || iterations > SCRAM_MAX_ITERATIONS) return undefined
  if (salt === undefined || salt.length === 0) return undefined
  if (storedKey?.length !== SCRAM_KEY_BYTES || serverKey?.length !== SCRAM_KEY_BYTES) {
    return undefined
  }
  return { iterations, salt, storedKey, serverKey }
}

/** Strict base64 with padding; Buffer.from alone would skip what it does not know. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}
