/**
 * Answers a node's demands for proof with what we hold. Rule: a password in clear goes only where
 * nobody listens; a SCRAM login counts only when the node has proved itself too, so an early
 * AuthenticationOk is refused; where channel binding is required nothing else counts as a proof; and
 * a node gets to ask once.
 */
import type { Proof } from '../../auth/credential.ts'
import { md5Hash, md5Response } from '../../auth/md5.ts'
import { type ClientBinding, ScramClient } from '../../auth/scram-client.ts'
import type { ScramKeySource } from '../../auth/scram-key-cache.ts'
import { SCRAM_SHA_256, type ScramKeys } from '../../auth/scram-keys.ts'
import { serverEndPoint } from '../../auth/tls-end-point.ts'
import { WeirError } from '../../core/errors.ts'
import { passwordMessage, saslInitialResponse, saslResponse } from '../../wire/postgres/frontend.ts'
import { ProtocolError } from '../../wire/postgres/protocol-error.ts'
import type { Authentication } from '../../wire/postgres/read.ts'
import type { ConnectingOptions } from './connect-step.ts'

/** 18 bytes are 24 characters of base64, as libpq sends. */
const NONCE_BYTES = 18

const PLUS = `${SCRAM_SHA_256}-PLUS`

/** TLS as a login finds it. */
export interface NodeChannel {
  /** What the node showed, DER. */
  readonly certificate: Buffer | undefined
}

export type NodeProofStep =
  | { readonly kind: 'send'; readonly bytes: Buffer }
  | { readonly kind: 'none' }
  | { readonly kind: 'done' }
  /** `respond` turns the keys into what to send. */
  | { readonly kind: 'waiting'; readonly keys: Promise<ScramKeys> }

export class NodeProof {
  #user: string
  #proof: Proof | undefined
  #keys: ScramKeySource
  #random: (n: number) => Buffer
  #secure: boolean
  #binding: NonNullable<ConnectingOptions['channelBinding']>
  #channel: NodeChannel | undefined
  #bound = false
  #phase: 'idle' | 'sent' | 'sasl-begun' | 'sasl-responded' | 'sasl-verified' = 'idle'
  #scram: ScramClient | undefined

  /**
   * @param secure nobody can listen: TLS, or a Unix socket
   * @param channel undefined without TLS
   */
  constructor(options: ConnectingOptions, secure: boolean, channel?: NodeChannel) {
    this.#user = options.user
    this.#proof = options.proof
    this.#keys = options.scramKeys
    this.#random = options.random
    this.#secure = secure
    this.#binding = options.channelBinding ?? 'prefer'
    this.#channel = channel
  }

  /** @throws ProtocolError, or WeirError when the demand cannot or must not be met */
  take(demand: Authentication): NodeProofStep {
    switch (demand.kind) {
      case 'ok':
        if (this.#phase === 'sasl-begun' || this.#phase === 'sasl-responded') {
          throw denied('the node skipped the end of the SCRAM exchange and proved nothing')
        }
        if (!this.#bound) this.#mustBind('the node let us in without it')
        return { kind: 'done' }
      case 'cleartext':
        this.#from('idle', 'sent')
        this.#mustBind('the node asks for the password in clear')
        return { kind: 'send', bytes: passwordMessage(this.#cleartext()) }
      case 'md5':
        this.#from('idle', 'sent')
        this.#mustBind('the node asks for md5')
        return { kind: 'send', bytes: passwordMessage(md5Response(this.#md5Hash(), demand.salt)) }
      case 'sasl':
        this.#from('idle', 'sasl-begun')
        return { kind: 'send', bytes: this.#begin(demand.mechanisms) }
      case 'sasl-continue':
        this.#from('sasl-begun', 'sasl-responded')
        return this.#continue(demand.data)
      case 'sasl-final':
        this.#from('sasl-responded', 'sasl-verified')
        this.#scram!.verify(demand.data)
        return { kind: 'none' }
      case 'unsupported':
        throw denied(`the node asks for authentication type ${demand.code}, which is not supported`)
      default:
        return demand satisfies never
    }
  }

  /** The message that carries our proof. */
  respond(keys: ScramKeys): Buffer {
    return saslResponse(this.#scram!.respond(keys))
  }

  #from(expected: string, next: 'sent' | 'sasl-begun' | 'sasl-responded' | 'sasl-verified'): void {
    if (this.#phase !== expected) {
      throw new ProtocolError('the node sent an authentication request out of turn')
    }
    this.#phase = next
  }

  #held(): Proof {
    if (this.#proof !== undefined) return this.#proof
    throw denied(
      `the node asks for a password of user "${this.#user}", and none is held`,
      'Add the user to the secrets; if only a SCRAM verifier is held, the user must log in first.',
    )
  }

  #cleartext(): string {
    const proof = this.#held()
    if (!this.#secure) {
      throw denied(
        'the node asks for the password in clear over an open connection',
        'Use TLS towards the node, or SCRAM on it.',
      )
    }
    if (proof.kind === 'password') return proof.password
    throw denied('the node asks for the password in clear, and only a stored form is held')
  }

  #md5Hash(): string {
    const proof = this.#held()
    if (proof.kind === 'md5-hash') return proof.hash
    if (proof.kind === 'password') return md5Hash(proof.password, this.#user)
    throw denied('the node asks for md5, and only SCRAM keys are held')
  }

  #begin(mechanisms: readonly string[]): Buffer {
    const binding = this.#bindingFor(mechanisms)
    this.#bound = typeof binding !== 'string'
    const mechanism = this.#bound ? PLUS : SCRAM_SHA_256
    if (!mechanisms.includes(mechanism)) {
      throw denied('the node offers no SASL mechanism known here')
    }
    if (this.#held().kind === 'md5-hash') {
      throw denied(
        'the node asks for SCRAM, and only an md5 hash is held',
        'Give the secret as a password, or set password_encryption of that user on the node to md5.',
      )
    }
    this.#scram = new ScramClient(this.#random(NONCE_BYTES).toString('base64'), '', binding)
    return saslInitialResponse(mechanism, this.#scram.begin())
  }

  /** @throws WeirError when it must be bound and cannot, or an offer is there that cannot be */
  #bindingFor(mechanisms: readonly string[]): ClientBinding {
    const offered = mechanisms.includes(PLUS)
    if (this.#channel === undefined) {
      if (offered) throw denied('the node offers channel binding on a connection without TLS')
      this.#mustBind('the connection has no TLS')
      return 'none'
    }
    if (this.#binding === 'disable') return 'none'
    const { certificate } = this.#channel
    const data = certificate === undefined ? undefined : serverEndPoint(certificate)
    if (data === undefined) {
      this.#mustBind('the certificate of the node has a signature without a hash')
      return 'none'
    }
    if (offered) return data
    this.#mustBind('the node does not offer it')
    return 'unoffered'
  }

  #mustBind(but: string): void {
    if (this.#binding !== 'require') return
    throw denied(
      `channel binding is required, but ${but}`,
      'It needs TLS and scram-sha-256 on the node; or set tls.nodesChannelBinding to prefer.',
    )
  }

  #continue(data: Buffer): NodeProofStep {
    const { salt, iterations } = this.#scram!.challenge(data)
    const proof = this.#held()
    if (proof.kind === 'scram-keys') {
      if (proof.iterations !== iterations || !proof.salt.equals(salt)) {
        throw denied(
          'the SCRAM keys held fit another salt than the node has',
          'The user must log in again with the password that the node has now; a secret that is a verifier must be a copy of what the node holds.',
        )
      }
      return { kind: 'send', bytes: this.respond(proof.keys) }
    }
    if (proof.kind !== 'password') throw new Error('BUG: SCRAM begun without a password')
    const keys = this.#keys.keysFor(proof.password, salt, iterations)
    if (keys instanceof Promise) return { kind: 'waiting', keys }
    return { kind: 'send', bytes: this.respond(keys) }
  }
}

function denied(message: string, hint?: string): WeirError {
  const options = { sqlstate: '28000' }
  return new WeirError(
    'WEIR_NODE_AUTH',
    message,
    hint === undefined ? options : { ...options, hint },
  )
}
