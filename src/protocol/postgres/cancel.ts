/**
 * A CancelRequest on its way to a node: in clear, or behind a request for TLS. Rule: what should go
 * over TLS never goes in clear, whatever the node answers, because the key in it lets anybody cancel;
 * and bytes that come with the answer are refused, as in a login.
 *
 *   ready ──in clear──> over          begin ──(direct: no question)──> handshake
 *                                     begin ──> asked ──S──> handshake ──secured()──> ready ──> over
 */
import { WeirError } from '../../core/errors.ts'
import { cancelRequest, sslRequest } from '../../wire/postgres/frontend.ts'
import type { CancelMachine, CancelStep, CancelWay } from '../aside.ts'
import type { CancelKey } from '../contract.ts'

const STARVED: CancelStep = { kind: 'starved' }
const YES = 0x53 // S

export class PostgresCancel implements CancelMachine {
  #key: CancelKey
  #direct: boolean
  #state: 'begin' | 'asked' | 'handshake' | 'ready' | 'over'
  #answer: number | undefined
  /** Bytes that came behind the answer, in clear. */
  #early = 0

  constructor(key: CancelKey, way: CancelWay) {
    this.#key = key
    this.#direct = way === 'direct'
    this.#state = way === 'clear' ? 'ready' : 'begin'
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0 || this.#state === 'ready' || this.#state === 'over') return
    const first = this.#answer === undefined
    if (first) this.#answer = chunk[0]
    this.#early += chunk.length - (first ? 1 : 0)
  }

  secured(): void {
    this.#state = 'ready'
  }

  next(): CancelStep {
    if (this.#early > 0) return this.#fail('received unencrypted data after SSL response')
    switch (this.#state) {
      case 'begin':
        if (this.#direct) {
          this.#state = 'handshake'
          return { kind: 'upgrade-tls' }
        }
        this.#state = 'asked'
        return { kind: 'send', bytes: sslRequest(), last: false }
      case 'asked':
        if (this.#answer === undefined) return STARVED
        if (this.#answer !== YES) return this.#fail('the node no longer speaks TLS')
        this.#state = 'handshake'
        return { kind: 'upgrade-tls' }
      case 'ready': {
        this.#state = 'over'
        const { pid, secret } = this.#key
        return { kind: 'send', bytes: cancelRequest(pid, secret), last: true }
      }
      case 'handshake':
      case 'over':
        return STARVED
      default:
        return this.#state satisfies never
    }
  }

  #fail(message: string): CancelStep {
    this.#state = 'over'
    this.#early = 0
    return {
      kind: 'failed',
      error: new WeirError('WEIR_CANCEL_FAILED', message, { sqlstate: '08P01' }),
    }
  }
}
