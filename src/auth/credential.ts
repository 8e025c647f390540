/**
 * What the login machines may ask about a user, whoever answers (a secrets file today). Two sides:
 * a verifier checks a client's proof, a proof logs us in to a node. Rule: a lookup answers for every
 * name, known or not, so that asking never tells which names exist.
 */
import type { ScramKeys, ScramVerifier } from './scram-keys.ts'

export interface Verifier {
  /** Which of the two are real; the others are mocks that no password satisfies. */
  readonly holds: 'both' | 'scram' | 'md5' | 'neither'
  readonly scram: ScramVerifier
  /** Stored form, `md5` and 32 hex digits. */
  readonly md5: string
}

/** How we prove to a node that we are the user. */
export type Proof =
  | { readonly kind: 'password'; readonly password: string }
  | { readonly kind: 'md5-hash'; readonly hash: string }
  /** Fits only a node whose own verifier has this salt and count. */
  | {
      readonly kind: 'scram-keys'
      readonly keys: ScramKeys
      readonly salt: Buffer
      readonly iterations: number
    }

export interface CredentialLookup {
  /** At once where possible. A rejection means "could not look", not "no such user". */
  verifierOf(username: string): Verifier | Promise<Verifier>
  /** Told the ClientKey of a login that was proved against `verifier`. */
  learned?(username: string, verifier: ScramVerifier, clientKey: Buffer): void
}
