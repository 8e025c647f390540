/**
 * Our side of SCRAM-SHA-256 when a client logs in. It works from a verifier, so a login costs four
 * hashes and no PBKDF2. Rule: an exchange against a mock verifier does exactly the same work and
 * fails only at the very end, in the same words as a wrong password.
 *
 * Channel binding (SCRAM-SHA-256-PLUS) is not offered. Its place is `binding`: given the data of the
 * TLS channel, flag `p` would be wanted, `y` would betray a downgrade.
 */
import { WeirError } from '../core/errors.ts'
import { sameBytes } from './equal.ts'
import { hmac, type ScramVerifier, sha256, xor } from './scram-keys.ts'
import { type ClientFirst, malformed, readClientFinal, readClientFirst } from './scram-message.ts'

export interface ScramServerOptions {
  readonly verifier: ScramVerifier
  /** Of other passwords that are right as well (rotation); of the same salt and count. */
  readonly others?: readonly ScramVerifier[]
  /** False for a user nobody knows: every proof fails, after the same work. */
  readonly known: boolean
  /** Our half of the nonce: printable, no comma, at least 18 random bytes' worth. */
  readonly nonce: string
}

export type ScramVerdict =
  /**
   * `data` for AuthenticationSASLFinal; `clientKey` is what proved it and can log in elsewhere;
   * `verifier` the one that it fits.
   */
  | {
      readonly kind: 'proved'
      readonly data: Buffer
      readonly clientKey: Buffer
      readonly verifier: ScramVerifier
    }
  | { readonly kind: 'wrong' }

export class ScramServer {
  #verifier: ScramVerifier
  #others: readonly ScramVerifier[]
  #known: boolean
  #ownNonce: string
  #first: ClientFirst | undefined
  #serverFirst = ''
  #nonce = ''

  constructor(options: ScramServerOptions) {
    this.#verifier = options.verifier
    this.#others = options.others ?? []
    this.#known = options.known
    this.#ownNonce = options.nonce
  }

  /**
   * Takes client-first, returns server-first.
   * @throws WeirError 08P01 or 0A000 when the message is not one
   */
  begin(data: Uint8Array): Buffer {
    if (this.#first !== undefined) throw new Error('BUG: SCRAM exchange begun twice')
    const first = readClientFirst(data)
    if (first.flag === 'p') {
      throw malformed('Channel binding was asked for with a mechanism that has none.')
    }
    this.#first = first
    this.#nonce = first.nonce + this.#ownNonce
    const { salt, iterations } = this.#verifier
    this.#serverFirst = `r=${this.#nonce},s=${salt.toString('base64')},i=${iterations}`
    return Buffer.from(this.#serverFirst, 'utf8')
  }

  /**
   * Takes client-final and judges it.
   * @throws WeirError 08P01 when the message is not one, or belongs to another exchange
   */
  finish(data: Uint8Array): ScramVerdict {
    const first = this.#first
    if (first === undefined) throw new Error('BUG: SCRAM exchange finished before it began')
    const final = readClientFinal(data)
    if (!sameBytes(final.channel, Buffer.from(first.header, 'utf8'))) {
      throw new WeirError(
        'WEIR_SCRAM_CHANNEL',
        'unexpected SCRAM channel-binding attribute in client-final-message',
        { sqlstate: '08P01' },
      )
    }
    if (final.nonce !== this.#nonce) {
      throw new WeirError('WEIR_SCRAM_NONCE', 'invalid SCRAM response', {
        sqlstate: '08P01',
        detail: 'Nonce does not match.',
      })
    }
    const exchange = `${first.bare},${this.#serverFirst},${final.withoutProof}`
    let verdict: ScramVerdict = { kind: 'wrong' }
    for (const verifier of [this.#verifier, ...this.#others]) {
      const { storedKey, serverKey } = verifier
      const clientKey = xor(final.proof, hmac(storedKey, exchange))
      const fits = sameBytes(sha256(clientKey), storedKey)
      const data = Buffer.from(`v=${hmac(serverKey, exchange).toString('base64')}`, 'utf8')
      if (fits && this.#known) verdict = { kind: 'proved', data, clientKey, verifier }
    }
    return verdict
  }
}
