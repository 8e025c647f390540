/**
 * What a login towards a node takes and what it says next. Rule: a failure keeps the node's own
 * SQLSTATE and words, and says of which kind it is, because "wrong password" and "too many
 * connections" ask for different patience.
 */
import type { Proof } from '../../auth/credential.ts'
import type { ScramKeySource } from '../../auth/scram-key-cache.ts'
import type { Severity } from '../../wire/postgres/error-fields.ts'
import type { NodeEncryption } from '../contract.ts'

export interface ConnectingOptions {
  readonly user: string
  /** What we hold to prove it; undefined suffices for a node that trusts us. */
  readonly proof: Proof | undefined
  readonly database: string
  /** Further startup parameters, `replication` and `options` included if wanted. */
  readonly parameters: Iterable<readonly [string, string]>
  readonly tls: NodeEncryption['tls']
  /** Begin with the TLS handshake instead of asking for it. Default false. */
  readonly direct?: boolean
  /** Default `prefer`. */
  readonly channelBinding?: NodeEncryption['channelBinding']
  /** TLS is up already, or the node is reached over a Unix socket. No TLS is asked for then. */
  readonly secureOrLocal: boolean
  readonly scramKeys: ScramKeySource
  /** That many unpredictable bytes; `crypto.randomBytes` outside tests. */
  readonly random: (n: number) => Buffer
  /** Ask for protocol 3.2 (long cancel secrets); the node may say 3.0. Default 0. */
  readonly minor?: 0 | 2
}

export interface ConnectFailed {
  readonly kind: 'failed'
  /**
   * `auth`: who we are was not accepted, or the node not by us. `rejected`: the node said no for
   * another reason. `protocol`: what came is not what the protocol allows.
   */
  readonly why: 'auth' | 'rejected' | 'protocol'
  /** The node itself said so. */
  readonly said: boolean
  readonly severity: Severity
  readonly code: string
  readonly message: string
  readonly detail: string | undefined
  readonly hint: string | undefined
}

export interface ConnectReady {
  readonly kind: 'ready'
  /** Every ParameterStatus the node sent. */
  readonly parameters: Map<string, string>
  /** Key for a CancelRequest; a node without one (some poolers) sends none. */
  readonly pid: number
  readonly secret: Buffer
  /** The protocol minor in force. */
  readonly minor: 0 | 2
  /** Bytes after ReadyForQuery; normally none. */
  readonly rest: Buffer
}

export type ConnectStep =
  | { readonly kind: 'starved' }
  /** Keys are being derived; `onReady` will be called. */
  | { readonly kind: 'waiting' }
  | { readonly kind: 'send'; readonly bytes: Buffer }
  /** Start TLS, then call `secured`. */
  | { readonly kind: 'upgrade-tls' }
  | ConnectReady
  | ConnectFailed
