/**
 * Our side of SCRAM-SHA-256 when logging in to a node. The slow step is outside: `challenge` says
 * which keys are needed, `respond` takes them. Rule: the login counts only after `verify` has seen
 * the node prove that it too knows the password; and what is said of channel binding in the first
 * message is said again under the proof, so that nobody between can have taken it out.
 */
import { WeirError } from '../core/errors.ts'
import { sameBytes } from './equal.ts'
import { hmac, type ScramKeys, xor } from './scram-keys.ts'
import { readServerFinal, readServerFirst, type ServerFirst } from './scram-message.ts'

/**
 * What we say of channel binding. `none`: we bind nothing. `unoffered`: we would, and the server did
 * not offer it; one that did knows then that somebody cut its offer out. A buffer: the data of
 * `tls-server-end-point`.
 */
export type ClientBinding = 'none' | 'unoffered' | Buffer

function headerOf(binding: ClientBinding): string {
  if (binding === 'none') return 'n,,'
  return binding === 'unoffered' ? 'y,,' : 'p=tls-server-end-point,,'
}

export class ScramClient {
  #bare: string
  #nonce: string
  #header: string
  #binding: ClientBinding
  #serverFirst = ''
  #challenge: ServerFirst | undefined
  #expected: Buffer | undefined

  /** @param nonce printable, no comma; @param username as text of the message, empty for Postgres */
  constructor(nonce: string, username = '', binding: ClientBinding = 'none') {
    this.#nonce = nonce
    this.#binding = binding
    this.#header = headerOf(binding)
    this.#bare = `n=${username},r=${nonce}`
  }

  /** client-first. */
  begin(): Buffer {
    return Buffer.from(this.#header + this.#bare, 'utf8')
  }

  /**
   * Takes server-first; the answer needs the keys of this salt and count.
   * @throws WeirError 08P01 when it is malformed or does not carry our nonce on
   */
  challenge(data: Uint8Array): { salt: Buffer; iterations: number } {
    if (this.#challenge !== undefined) throw new Error('BUG: SCRAM challenge taken twice')
    const first = readServerFirst(data)
    if (!first.nonce.startsWith(this.#nonce) || first.nonce.length === this.#nonce.length) {
      throw new WeirError('WEIR_SCRAM_NONCE', 'the server did not carry on our SCRAM nonce', {
        sqlstate: '08P01',
      })
    }
    this.#challenge = first
    this.#serverFirst = Buffer.from(data).toString('utf8')
    return { salt: first.salt, iterations: first.iterations }
  }

  /** client-final. */
  respond(keys: ScramKeys): Buffer {
    if (this.#challenge === undefined) throw new Error('BUG: SCRAM response before its challenge')
    const header = Buffer.from(this.#header, 'utf8')
    const data = typeof this.#binding === 'string' ? [] : [this.#binding]
    const channel = Buffer.concat([header, ...data]).toString('base64')
    const withoutProof = `c=${channel},r=${this.#challenge.nonce}`
    const exchange = `${this.#bare},${this.#serverFirst},${withoutProof}`
    const proof = xor(keys.clientKey, hmac(keys.storedKey, exchange))
    this.#expected = hmac(keys.serverKey, exchange)
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`, 'utf8')
  }

  /**
   * Takes server-final.
   * @throws WeirError when the node refuses, or cannot prove that it knows the password
   */
  verify(data: Uint8Array): void {
    if (this.#expected === undefined) throw new Error('BUG: SCRAM verified before the response')
    if (!sameBytes(readServerFinal(data), this.#expected)) {
      throw new WeirError(
        'WEIR_SCRAM_SIGNATURE',
        'the server could not prove that it knows the password',
        { sqlstate: '08P01' },
      )
    }
  }
}
