/**
 * Our side of SCRAM-SHA-256 when a client logs in. It works from a verifier, so a login costs four
 * hashes and no PBKDF2. Rule: an exchange against a mock verifier does exactly the same work and
 * fails only at the very end, in the same words as a wrong password.
 *
 * With channel binding offered (SCRAM-SHA-256-PLUS), flag `p` goes with that mechanism alone, and `y`
 * betrays somebody in between who took it out of our offer.
 */
import { WeirError } from '../core/errors.ts'
import { sameBytes } from './equal.ts'
import { hmac, type ScramVerifier, sha256, xor } from './scram-keys.ts'
import {
  type ClientFinal,
  type ClientFirst,
  malformed,
  readClientFinal,
  readClientFirst,
} from './scram-message.ts'

export interface ScramServerOptions {
  readonly verifier: ScramVerifier
  /** Of other passwords that are right as well (rotation); of the same salt and count. */
  readonly others?: readonly ScramVerifier[]
  /** False for a user nobody knows: every proof fails, after the same work. */
  readonly known: boolean
  /** Our half of the nonce: printable, no comma, at least 18 random bytes' worth. */
  readonly nonce: string
  /**
   * Data of `tls-server-end-point` for the channel of this exchange, when SCRAM-SHA-256-PLUS was
   * offered; undefined when it was not.
   */
  readonly serverEndPoint?: Buffer | undefined
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
  #endPoint: Buffer | undefined
  #first: ClientFirst | undefined
  #serverFirst = ''
  #final: { readonly exchange: string; readonly proof: Buffer } | undefined
  #nonce = ''

  constructor(options: ScramServerOptions) {
    this.#verifier = options.verifier
    this.#others = options.others ?? []
    this.#known = options.known
    this.#ownNonce = options.nonce
    this.#endPoint = options.serverEndPoint
  }

  /**
   * Takes client-first, returns server-first.
   * @param bound the client chose SCRAM-SHA-256-PLUS
   * @throws WeirError 08P01 or 0A000 when the message is not one; 28000 when somebody in between has
   *   hidden from the client that we can bind channels
   */
  begin(data: Uint8Array, bound = false): Buffer {
    if (this.#first !== undefined) throw new Error('BUG: SCRAM exchange begun twice')
    if (bound && this.#endPoint === undefined) throw new Error('BUG: bound to an unknown channel')
    const first = readClientFirst(data)
    checkBinding(first, bound, this.#endPoint !== undefined)
    this.#first = first
    this.#nonce = first.nonce + this.#ownNonce
    const { salt, iterations } = this.#verifier
    this.#serverFirst = `r=${this.#nonce},s=${salt.toString('base64')},i=${iterations}`
    return Buffer.from(this.#serverFirst, 'utf8')
  }

  /**
   * Takes client-final and judges it.
   * @throws WeirError 08P01 when the message is not one, or belongs to another exchange; 28000 when it
   *   was made for another channel
   */
  finish(data: Uint8Array): ScramVerdict {
    const first = this.#first
    if (first === undefined) throw new Error('BUG: SCRAM exchange finished before it began')
    const final = readClientFinal(data)
    this.#checkChannel(first, final)
    if (final.nonce !== this.#nonce) {
      throw new WeirError('WEIR_SCRAM_NONCE', 'invalid SCRAM response', {
        sqlstate: '08P01',
        detail: 'Nonce does not match.',
      })
    }
    const exchange = `${first.bare},${this.#serverFirst},${final.withoutProof}`
    this.#final = { exchange, proof: final.proof }
    return this.judgeBy([this.#verifier, ...this.#others], this.#known)
  }

  /** Judges the proof once more, by what is held now; only verifiers of the salt we told can fit. */
  judgeBy(verifiers: readonly ScramVerifier[], known: boolean): ScramVerdict {
    if (this.#final === undefined) throw new Error('BUG: no SCRAM proof has come to be judged')
    const { exchange, proof } = this.#final
    const { salt, iterations } = this.#verifier
    let verdict: ScramVerdict = { kind: 'wrong' }
    for (const verifier of verifiers) {
      const { storedKey, serverKey } = verifier
      if (verifier.iterations !== iterations || !verifier.salt.equals(salt)) continue
      const clientKey = xor(proof, hmac(storedKey, exchange))
      const fits = sameBytes(sha256(clientKey), storedKey)
      const data = Buffer.from(`v=${hmac(serverKey, exchange).toString('base64')}`, 'utf8')
      if (fits && known) verdict = { kind: 'proved', data, clientKey, verifier }
    }
    return verdict
  }

  /** What the proof covers must be the header we saw and, if bound, the channel we are on. */
  #checkChannel(first: ClientFirst, final: ClientFinal): void {
    const header = Buffer.from(first.header, 'utf8')
    if (first.flag !== 'p') {
      if (sameBytes(final.channel, header)) return
      throw new WeirError(
        'WEIR_SCRAM_CHANNEL',
        'unexpected SCRAM channel-binding attribute in client-final-message',
        { sqlstate: '08P01' },
      )
    }
    if (sameBytes(final.channel, Buffer.concat([header, this.#endPoint!]))) return
    throw bindingError('SCRAM channel binding check failed')
  }
}

function bindingError(message: string, detail?: string): WeirError {
  return new WeirError('WEIR_SCRAM_BINDING', message, {
    sqlstate: '28000',
    ...(detail === undefined ? {} : { detail }),
  })
}

/** @param offered SCRAM-SHA-256-PLUS was among the mechanisms */
function checkBinding({ flag, binding }: ClientFirst, bound: boolean, offered: boolean): void {
  if (bound && flag !== 'p') throw malformed('The mechanism binds a channel, the message does not.')
  if (!bound && flag === 'p') {
    throw malformed('Channel binding was asked for with a mechanism that has none.')
  }
  if (bound && binding !== 'tls-server-end-point') {
    throw new WeirError(
      'WEIR_SCRAM_UNSUPPORTED',
      `unsupported SCRAM channel-binding type "${binding}"`,
      { sqlstate: '08P01' },
    )
  }
  if (flag === 'y' && offered) {
    throw bindingError(
      'SCRAM channel binding negotiation error',
      'The client could bind the channel and believes that we cannot, yet we have offered it: somebody in between has taken that out.',
    )
  }
}
