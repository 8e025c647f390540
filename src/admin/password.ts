/**
 * Passwords of admin users as they are kept: never in clear, and slow to try. Rule: two forms, our
 * scrypt line and the SCRAM verifier of Postgres; how long a check takes depends on the form's cost
 * alone, never on the password.
 */
import { randomBytes, scrypt } from 'node:crypto'
import { sameBytes } from '../auth/equal.ts'
import { decodeBase64, deriveKeys, parseVerifier, type ScramVerifier } from '../auth/scram-keys.ts'

interface Scrypt {
  /** log2 of N. */
  readonly logN: number
  readonly r: number
  readonly p: number
  readonly salt: Buffer
  readonly hash: Buffer
}

export interface PasswordVerifier {
  /** Equal costs take equal time. */
  readonly cost: string
  matches(password: string): Promise<boolean>
  /** One of the same cost that no password fits. */
  mock(): PasswordVerifier
}

const HASH_BYTES = 32
const SALT_BYTES = 16
/** 32 MiB and some tens of milliseconds for each try. */
const LOG_N = 15
const R = 8
const P = 1
/** A line that asks for more is a mistake: each try would hold up others. */
const MOST_LOG_N = 18
const MOST_R = 16
const MOST_P = 4
const LEAST_LOG_N = 14
const LEAST_ITERATIONS = 4096
const MOST_ITERATIONS = 1_000_000
/** Nobody's password is longer, and hashing must not be fed without end. */
export const LONGEST_PASSWORD = 1024

const LINE = /^scrypt\$(\d{1,2})\$(\d{1,2})\$(\d)\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)$/

/** The verifier in `text`; undefined when it is none, or one that is too weak or too slow. */
export function parsePassword(text: string): PasswordVerifier | undefined {
  const scram = parseVerifier(text)
  if (scram !== undefined) return ofScram(scram)
  const match = LINE.exec(text)
  if (match === null) return undefined
  const [logN, r, p] = [Number(match[1]), Number(match[2]), Number(match[3])]
  const salt = decodeBase64(match[4]!)
  const hash = decodeBase64(match[5]!)
  if (logN < LEAST_LOG_N || logN > MOST_LOG_N || r < 1 || r > MOST_R || p < 1 || p > MOST_P) {
    return undefined
  }
  if (salt === undefined || salt.length < SALT_BYTES || hash?.length !== HASH_BYTES) {
    return undefined
  }
  return ofScrypt({ logN, r, p, salt, hash })
}

/** A new line for `password`: `scrypt$15$8$1$SALT$HASH`, the last two in base64. */
export async function passwordLine(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const hash = await derive(password, { logN: LOG_N, r: R, p: P, salt })
  return ['scrypt', LOG_N, R, P, salt.toString('base64'), hash.toString('base64')].join('$')
}

function ofScrypt(one: Scrypt): PasswordVerifier {
  const { logN, r, p } = one
  return {
    cost: `scrypt ${logN} ${r} ${p}`,
    matches: async (password) => sameBytes(await derive(password, one), one.hash),
    mock: () => ofScrypt({ ...one, salt: randomBytes(SALT_BYTES), hash: randomBytes(HASH_BYTES) }),
  }
}

function ofScram(one: ScramVerifier): PasswordVerifier | undefined {
  const { iterations, salt, storedKey } = one
  if (iterations < LEAST_ITERATIONS || iterations > MOST_ITERATIONS) return undefined
  return {
    cost: `scram ${iterations}`,
    matches: async (password) =>
      sameBytes((await deriveKeys(password, salt, iterations)).storedKey, storedKey),
    mock: () =>
      ofScram({ ...one, salt: randomBytes(SALT_BYTES), storedKey: randomBytes(HASH_BYTES) })!,
  }
}

function derive(password: string, { logN, r, p, salt }: Omit<Scrypt, 'hash'>): Promise<Buffer> {
  const N = 2 ** logN
  return new Promise((resolve, reject) => {
    // Node refuses what needs more than its bound of 32 MiB unless told otherwise.
    const options = { N, r, p, maxmem: 128 * N * r * p + 1_048_576 }
    scrypt(password.normalize('NFKC'), salt, HASH_BYTES, options, (error, hash) => {
      if (error === null) resolve(hash)
      else reject(error)
    })
  })
}
