/**
 * One password of one user as it is held in memory: what checks a client and what logs in to a node.
 * PBKDF2 runs here, on the thread pool, never during a login. Rule: passwords of one user that are
 * right at the same time get one salt and count, because a client is told these before it says which
 * password it has.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Proof, Verifier } from './credential.ts'
import { isMd5Hash, md5Hash } from './md5.ts'
import { deriveKeys, parseVerifier, SCRAM_ITERATIONS, type ScramVerifier } from './scram-keys.ts'

export interface Held {
  readonly password: string
  /** No longer right from then on (wall clock, ms); Infinity for one that stays. */
  readonly until: number
  /** False: only nodes may know it yet, no client gets in with it. */
  readonly doors: boolean
  readonly verifier: Verifier
  proof: Proof | undefined
}

/** What is known of a password before it is held. */
export type Password = Pick<Held, 'password' | 'until' | 'doors'>

/** Salt and count, of which a client is told one pair. */
export type Salting = Pick<ScramVerifier, 'salt' | 'iterations'>

/** The pair that suits all of them: that of the first stored verifier, else `own`. */
export function saltingFor(passwords: readonly Password[], own: Buffer): Salting {
  for (const { password } of passwords) {
    const stored = parseVerifier(password)
    if (stored !== undefined) return stored
  }
  return { salt: own, iterations: SCRAM_ITERATIONS }
}

/**
 * Makes one ready for use.
 * @param mock stands in for what is not held
 */
export async function hold(
  username: string,
  given: Password,
  salting: Salting,
  mock: Verifier,
): Promise<Held> {
  const { password } = given
  const stored = parseVerifier(password)
  if (stored !== undefined) {
    return { ...given, verifier: { ...mock, holds: 'scram', scram: stored }, proof: undefined }
  }
  if (isMd5Hash(password)) {
    const proof = { kind: 'md5-hash', hash: password } as const
    return { ...given, verifier: { ...mock, holds: 'md5', md5: password }, proof }
  }
  const { salt, iterations } = salting
  const { storedKey, serverKey } = await deriveKeys(password, salt, iterations)
  const scram = { iterations, salt, storedKey, serverKey }
  const verifier = { holds: 'both', scram, md5: md5Hash(password, username) } as const
  return { ...given, verifier, proof: { kind: 'password', password } }
}

/** Whether `held` was made of this password with this salting. */
export function isHeldAs(
  held: Held,
  { password }: Password,
  { salt, iterations }: Salting,
): boolean {
  const { scram, holds } = held.verifier
  if (held.password !== password) return false
  return holds !== 'both' || (scram.iterations === iterations && scram.salt.equals(salt))
}

/** The verifier of the first, together with those of the others that a client may prove as well. */
export function joined(first: Held, others: readonly Held[]): Verifier {
  const { verifier } = first
  const fitting = others.flatMap(({ verifier: other, doors }) => {
    const { scram } = other
    const sameSalt =
      scram.iterations === verifier.scram.iterations && scram.salt.equals(verifier.scram.salt)
    // What one of them does not hold is a mock, which no password satisfies.
    return doors && sameSalt ? [{ scram, md5: other.md5 }] : []
  })
  return fitting.length === 0 ? verifier : { ...verifier, others: fitting }
}

export function sameProof(a: Proof, b: Proof): boolean {
  return isDeepStrictEqual(a, b)
}
