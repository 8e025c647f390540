/**
 * A client proves who it is, by one method. Rule: whether the user exists decides nothing before
 * the last step; a mock verifier goes the same way and fails there.
 */
import type { CredentialLookup, Verifier } from '../../auth/credential.ts'
import { md5Proves } from '../../auth/md5.ts'
import { SCRAM_SHA_256, SCRAM_SHA_256_PLUS } from '../../auth/scram-keys.ts'
import { ScramServer, type ScramVerdict } from '../../auth/scram-server.ts'
import {
  authenticationMd5,
  authenticationOk,
  authenticationSasl,
  authenticationSaslContinue,
  authenticationSaslFinal,
} from '../../wire/postgres/backend.ts'
import { ProtocolError } from '../../wire/postgres/protocol-error.ts'
import { readPassword, readSaslInitialResponse } from '../../wire/postgres/read.ts'
import type { AuthMethod } from './greet-step.ts'

/** 18 bytes are 24 characters of base64, as in Postgres. */
export const NONCE_BYTES = 18
const MD5_SALT_BYTES = 4

export type ProofStep =
  | { readonly kind: 'answer'; readonly bytes: Buffer }
  | { readonly kind: 'proved'; readonly bytes: Buffer }
  | { readonly kind: 'wrong' }
  /** It may be right by a password that is only now being looked for. */
  | { readonly kind: 'waiting'; readonly second: Promise<ProofStep> }

/**
 * The method to offer, or undefined when none may be used: `trust` needs a client on loopback, `cert`
 * one whose certificate fits the user. A user of whom only one stored form is
 * held is asked for that one where the configuration lets us, as Postgres does for its `md5`.
 */
export function chooseMethod(
  methods: readonly AuthMethod[],
  client: { readonly loopback: boolean; readonly certified: boolean },
  verifier: Verifier,
): AuthMethod | undefined {
  const usable = methods.filter((method) => {
    if (method === 'trust') return client.loopback
    return method !== 'cert' || client.certified
  })
  const first = usable[0]
  if (first === 'md5' && verifier.holds === 'scram') return 'scram-sha-256'
  if (first === 'scram-sha-256' && verifier.holds === 'md5' && usable.includes('md5')) return 'md5'
  return first
}

export interface ClientProofOptions {
  readonly method: 'scram-sha-256' | 'md5'
  readonly user: string
  readonly verifier: Verifier
  readonly lookup: CredentialLookup
  readonly random: (n: number) => Buffer
  /** Of the channel, where one may be bound; see `SecureChannel`. */
  readonly serverEndPoint: Buffer | undefined
}

export class ClientProof {
  #method: 'scram-sha-256' | 'md5'
  #user: string
  #verifier: Verifier
  #lookup: CredentialLookup
  #salt: Buffer | undefined
  #scram: ScramServer | undefined
  /** Mechanisms, best first. */
  #offered: string[] = []
  #bound = false
  #expects: 'password' | 'sasl-initial' | 'sasl-first' | 'sasl-final'
  /** What asks the client for its proof. */
  readonly request: Buffer

  constructor(options: ClientProofOptions) {
    const { method, user, verifier, lookup, random, serverEndPoint } = options
    this.#method = method
    this.#user = user
    this.#verifier = verifier
    this.#lookup = lookup
    if (method === 'md5') {
      this.#salt = random(MD5_SALT_BYTES)
      this.#expects = 'password'
      this.request = authenticationMd5(this.#salt)
    } else {
      this.#scram = new ScramServer({
        verifier: verifier.scram,
        others: (verifier.others ?? []).map(({ scram }) => scram),
        known: holds(verifier, 'scram'),
        nonce: random(NONCE_BYTES).toString('base64'),
        serverEndPoint,
      })
      this.#expects = 'sasl-initial'
      this.#offered =
        serverEndPoint === undefined ? [SCRAM_SHA_256] : [SCRAM_SHA_256_PLUS, SCRAM_SHA_256]
      this.request = authenticationSasl(this.#offered)
    }
  }

  /** How the client proves itself, as far as it has said so. */
  get name(): 'scram-sha-256' | 'scram-sha-256-plus' | 'md5' {
    return this.#bound ? 'scram-sha-256-plus' : this.#method
  }

  /** For the error about a message of another type. */
  get expected(): string {
    return this.#method === 'md5' ? 'password' : 'SASL'
  }

  /**
   * Takes the body of a `p` message.
   * @throws ProtocolError or WeirError when it is malformed
   */
  take(body: Buffer): ProofStep {
    switch (this.#expects) {
      case 'password':
        return this.#takeMd5(body)
      case 'sasl-initial': {
        const { mechanism, data } = readSaslInitialResponse(body)
        if (!this.#offered.includes(mechanism)) {
          throw new ProtocolError('client selected an invalid SASL authentication mechanism')
        }
        this.#bound = mechanism === SCRAM_SHA_256_PLUS
        if (data !== null) return this.#begin(data)
        this.#expects = 'sasl-first'
        return { kind: 'answer', bytes: authenticationSaslContinue(Buffer.alloc(0)) }
      }
      case 'sasl-first':
        return this.#begin(body)
      case 'sasl-final':
        return this.#finish(body)
    }
  }

  #takeMd5(body: Buffer): ProofStep {
    const response = Buffer.from(readPassword(body), 'utf8')
    const judge = (verifier: Verifier): ProofStep => {
      const { md5, others = [] } = verifier
      let right = false
      for (const stored of [md5, ...others.map((other) => other.md5)]) {
        if (md5Proves(stored, this.#salt!, response)) right = true
      }
      if (!right || !holds(verifier, 'md5')) return WRONG
      return { kind: 'proved', bytes: authenticationOk() }
    }
    return this.#twice(judge(this.#verifier), judge)
  }

  #begin(data: Buffer): ProofStep {
    const bytes = authenticationSaslContinue(this.#scram!.begin(data, this.#bound))
    this.#expects = 'sasl-final'
    return { kind: 'answer', bytes }
  }

  #finish(data: Buffer): ProofStep {
    const scram = this.#scram!
    const said = (verdict: ScramVerdict): ProofStep => {
      if (verdict.kind === 'wrong') return WRONG
      this.#lookup.learned?.(this.#user, verdict.verifier, verdict.clientKey)
      const bytes = Buffer.concat([authenticationSaslFinal(verdict.data), authenticationOk()])
      return { kind: 'proved', bytes }
    }
    return this.#twice(said(scram.finish(data)), (now) => {
      const verifiers = [now, ...(now.others ?? [])].map((one) => one.scram)
      return said(scram.judgeBy(verifiers, holds(now, 'scram')))
    })
  }

  /** What was wrong is judged once more by what is held when that was looked into. */
  #twice(first: ProofStep, judge: (now: Verifier) => ProofStep): ProofStep {
    if (first.kind !== 'wrong') return first
    const looking = this.#lookup.doubted?.(this.#user)
    if (looking === undefined) return first
    return { kind: 'waiting', second: looking.then(judge, () => first) }
  }
}

const WRONG: ProofStep = { kind: 'wrong' }

function holds(verifier: Verifier, what: 'scram' | 'md5'): boolean {
  return verifier.holds === 'both' || verifier.holds === what
}
