/**
 * A client proves who it is by what it sends in clear inside TLS: a token, or its password. Rule: this
 * is asked for over TLS only, what was sent is held no longer than it is judged, and a wrong password
 * takes the work of a right one, whether the user exists or not.
 */
import type { CredentialLookup, Verifier } from '../../auth/credential.ts'
import { sameBytes } from '../../auth/equal.ts'
import { md5Hash } from '../../auth/md5.ts'
import { deriveKeys } from '../../auth/scram-keys.ts'
import { looksLikeToken } from '../../auth/token-text.ts'
import type { TokenJudge } from '../../auth/tokens.ts'
import { authenticationCleartext, authenticationOk } from '../../wire/postgres/backend.ts'
import { readPassword } from '../../wire/postgres/read.ts'
import { refuseProof, refuseToken, refuseUnknownBearer } from './greet-refusal.ts'
import type { Refused } from './greet-step.ts'

export interface ClearProofOptions {
  readonly user: string
  readonly verifier: Verifier
  readonly lookup: CredentialLookup
  /** Undefined where no keys are configured: every token is refused. */
  readonly tokens: TokenJudge | undefined
  /** Whether a password is as good. */
  readonly password: boolean
}

export type ClearVerdict =
  | { readonly kind: 'proved'; readonly method: 'iam' | 'password'; readonly bytes: Buffer }
  | { readonly kind: 'refused'; readonly refused: Refused }

export class ClearProof {
  #options: ClearProofOptions
  #verdict: ClearVerdict | undefined
  #failure: unknown
  /** Id of the key that the token was signed with, or says it was. */
  tokenKey: string | undefined
  /** What asks the client for its proof. */
  readonly request = authenticationCleartext()
  /** For the error about a message of another type. */
  readonly expected = 'password'

  constructor(options: ClearProofOptions) {
    this.#options = options
  }

  /**
   * Takes the body of a `p` message and begins to judge it; `done` is called in a later turn.
   * @throws ProtocolError when it is malformed
   */
  take(body: Buffer, done: () => void): void {
    const sent = readPassword(body)
    const judging = looksLikeToken(sent) ? this.#judgeToken(sent) : this.#judgePassword(sent)
    void judging
      .then(
        (verdict) => {
          this.#verdict = verdict
        },
        (error: unknown) => {
          this.#failure = error
        },
      )
      .then(done)
  }

  /** Undefined while it is being judged. Throws what went wrong on our side. */
  get verdict(): ClearVerdict | undefined {
    if (this.#failure !== undefined) throw this.#failure
    return this.#verdict
  }

  async #judgeToken(sent: string): Promise<ClearVerdict> {
    const { user, verifier, tokens } = this.#options
    if (tokens === undefined) {
      return no(refuseToken(user, 'unknown-key', 'no access keys are configured'))
    }
    const verdict = await tokens.judge(sent, user)
    this.tokenKey = verdict.accessKeyId
    if (verdict.kind === 'refused') return no(refuseToken(user, verdict.fault, verdict.detail))
    // Who holds a key for this name may know that nothing is held for it.
    if (verifier.holds === 'neither') return no(refuseUnknownBearer(user))
    return { kind: 'proved', method: 'iam', bytes: authenticationOk() }
  }

  async #judgePassword(sent: string): Promise<ClearVerdict> {
    const { user, verifier, lookup, password } = this.#options
    if (!password) return no(refuseToken(user, 'missing', 'a password instead of a token'))
    if (sent === '') return no(refuseProof(user))
    const stored = Buffer.from(md5Hash(sent, user))
    const fits = async ({ holds, others = [], ...first }: Verifier): Promise<boolean> => {
      const { salt, iterations } = first.scram
      const { clientKey, storedKey } = await deriveKeys(sent, salt, iterations)
      const byScram = holds === 'both' || holds === 'scram'
      let right = false
      for (const { scram, md5 } of [first, ...others]) {
        const sameKey = sameBytes(storedKey, scram.storedKey)
        const sameHash = sameBytes(stored, Buffer.from(md5))
        if (byScram && sameKey) {
          right = true
          lookup.learned?.(user, scram, clientKey)
        }
        if (holds === 'md5' && sameHash) right = true
      }
      return right
    }
    const proved = { kind: 'proved', method: 'password', bytes: authenticationOk() } as const
    if (await fits(verifier)) return proved
    // What is held may be old; what is newer may have another salt.
    const now = await lookup.doubted?.(user)
    return now !== undefined && (await fits(now)) ? proved : no(refuseProof(user))
  }
}

function no(refused: Refused): ClearVerdict {
  return { kind: 'refused', refused }
}
