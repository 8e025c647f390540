/**
 * What the login machines may ask about a user, whoever answers (secrets in memory, or a question to
 * a node). Two sides: a verifier checks a client's proof, a proof logs us in to a node. Rule: a lookup
 * answers for every name, known or not, so that asking never tells which names exist.
 */
import type { ScramKeys, ScramVerifier } from './scram-keys.ts'

export interface Verifier {
  /** Which of the two are real; the others are mocks that no password satisfies. */
  readonly holds: 'both' | 'scram' | 'md5' | 'neither'
  readonly scram: ScramVerifier
  /** Stored form, `md5` and 32 hex digits. */
  readonly md5: string
  /**
   * Of other passwords that open the door as well, while a secret is being rotated: of the same salt
   * and count.
   */
  readonly others?: readonly Pick<Verifier, 'scram' | 'md5'>[]
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
  /**
   * Told that a proof was wrong: what is held of that user may be old. What is held once that was
   * looked into, for a second judgement; undefined when looking would not help.
   */
  doubted?(username: string): Promise<Verifier> | undefined
}

/** Where the logins towards nodes get what they prove themselves with. */
export interface ProofLookup {
  /** The best there is; undefined when nothing is held that could log in. */
  proofOf(username: string): Proof | undefined
  /** Another than those a node has refused; undefined when there is none, also after looking anew. */
  another?(username: string, refused: readonly Proof[]): Promise<Proof | undefined>
  /** A node has taken this one. */
  worked?(username: string, proof: Proof): void
}
