/**
 * Users of the secrets first, all others by a question to a node. Rule: a user of the secrets is never
 * looked up, so what the node says of that name cannot open the door to somebody else.
 */
import type { CredentialLookup, Proof, ProofLookup, Verifier } from './credential.ts'
import type { QueriedUsers } from './query-source.ts'
import type { ScramVerifier } from './scram-keys.ts'
import type { Secrets } from './secrets.ts'

export class UserLookup implements CredentialLookup, ProofLookup {
  #secrets: Secrets
  #queried: QueriedUsers

  constructor(secrets: Secrets, queried: QueriedUsers) {
    this.#secrets = secrets
    this.#queried = queried
  }

  verifierOf(username: string): Verifier | Promise<Verifier> {
    return this.#of(username).verifierOf(username)
  }

  learned(username: string, verifier: ScramVerifier, clientKey: Buffer): void {
    this.#of(username).learned(username, verifier, clientKey)
  }

  /** The secrets are looked at for every name, so that the time taken tells nobody which they hold. */
  doubted(username: string): Promise<Verifier> | undefined {
    if (!this.#secrets.has(username)) this.#queried.doubted(username)
    return this.#secrets.doubted(username)
  }

  proofOf(username: string): Proof | undefined {
    return this.#of(username).proofOf(username)
  }

  another(username: string, refused: readonly Proof[]): Promise<Proof | undefined> {
    return this.#of(username).another(username, refused)
  }

  worked(username: string, proof: Proof): void {
    this.#secrets.worked(username, proof)
  }

  #of(username: string): Secrets | QueriedUsers {
    return this.#secrets.has(username) ? this.#secrets : this.#queried
  }
}
