/**
 * What a greeting takes and what it says next. Rule: reasons are closed unions with their printed
 * form, the same for log, metric and console.
 */
import type { CertificateUser } from '../../auth/certificate-users.ts'
import type { CredentialLookup } from '../../auth/credential.ts'
import type { TokenFault, TokenJudge } from '../../auth/tokens.ts'
import type { UserRule } from '../../auth/user-rules.ts'
import type { EntryRefusal, GreetOptions } from '../contract.ts'

export type AuthMethod = 'scram-sha-256' | 'md5' | 'cert' | 'trust'

/** What a client is to send in clear, inside TLS: a token, or a token or its password. */
export type ClearMethod = 'iam' | 'password'

export interface CertificateRules {
  /** Whether there must be one, that fits the user, beside any other proof. */
  readonly required: boolean
  readonly users: readonly CertificateUser[]
}

export interface GreetingOptions {
  readonly secrets: CredentialLookup
  /** The first that may be used here is offered; `trust` may be used on loopback only. */
  readonly methods: readonly AuthMethod[]
  /** What holds for one user in place of `methods`; default `methods`, and no tokens. */
  readonly rules?: (user: string) => Pick<UserRule<AuthMethod>, 'methods' | 'iamAuth'>
  /** Who judges tokens; without one every token is refused. */
  readonly tokens?: TokenJudge | undefined
  /** The client's address is a loopback address, or it came over a Unix socket. */
  readonly loopback: boolean
  readonly tls: 'off' | 'allowed' | 'required'
  /** What a client must show of itself inside TLS; default nothing. */
  readonly certificates?: CertificateRules | undefined
  /** TLS is already up when the greeting begins. */
  readonly secure: boolean
  /** Longest message before login, in bytes. */
  readonly startupLimit: number
  /** Why nobody may come in now, asked before any proof; see the contract. */
  readonly admit?: GreetOptions['admit']
  /** That many unpredictable bytes; `crypto.randomBytes` outside tests. */
  readonly random: (n: number) => Buffer
}

export type RefusalReason =
  /** Not the start of any protocol we know. */
  | 'junk'
  | 'http'
  /** A TLS handshake where there is no TLS. */
  | 'direct-tls'
  /** Bytes sent in clear along with the request for TLS. */
  | 'tls-early-bytes'
  | 'tls-required'
  /** A client certificate is missing, cannot be verified, or does not fit the user. */
  | 'client-certificate'
  | 'unsupported-protocol'
  | 'startup-too-long'
  /** A startup parameter we must understand and do not. */
  | 'startup-parameter'
  | 'no-user'
  | EntryRefusal
  /** No configured method may be used for this client. */
  | 'auth-method'
  /** A wrong or malformed message where a proof was due. */
  | 'login-message'
  /** The proof was made for another TLS channel, or our offer to bind it was hidden. */
  | 'channel-binding'
  /** Wrong password or unknown user; never told apart. */
  | 'auth-failed'
  /** Could not look the user up. */
  | 'lookup-failed'
  /** What was sent as a token is none for this user here and now. */
  | `token-${TokenFault}`
  /** A password, where only a token will do. */
  | 'token-missing'
  /** Tokens are taken over TLS only. */
  | 'token-without-tls'
  /** A good token, of a user of whom we hold nothing. */
  | 'no-credentials'

export interface Authenticated {
  readonly kind: 'authenticated'
  readonly user: string
  readonly database: string
  /** Startup parameters without those named here, `options` and `_pq_.` ones. */
  readonly parameters: Map<string, string>
  /** 2 when both sides speak 3.2: cancel secrets may be long. */
  readonly protocolMinor: 0 | 2
  /** `database` for logical replication, another true value for physical, undefined for neither. */
  readonly replication: string | undefined
  /** Settings given by `options=-c name=value`. A startup parameter of the same name wins. */
  readonly options: Map<string, string>
  /** The value of `weir.endpoint`, wherever it was given. */
  readonly endpoint: string | undefined
  readonly method: AuthMethod | ClearMethod
  /** Bytes the client sent ahead; the session's first input. */
  readonly rest: Buffer
}

export interface Refused {
  readonly kind: 'refused'
  /** To be sent before closing; may be empty. */
  readonly bytes: Buffer
  readonly reason: RefusalReason
  /** For the log; holds no secret. */
  readonly message: string
}

export type GreetStep =
  /** Read more from the client. Nothing else should be read from it, so what is held stays bounded. */
  | { readonly kind: 'starved' }
  /** A lookup is running, or a proof is being judged; `onReady` will be called. */
  | { readonly kind: 'waiting' }
  | { readonly kind: 'answer'; readonly bytes: Buffer }
  /**
   * Start TLS, then call `secured()`. Comes in the same turn as the answer `S`. `early` is what
   * TLS must read first: empty, unless `direct` (the client began with its handshake, as
   * `sslnegotiation=direct` does; the ALPN must then be `postgresql`).
   */
  | { readonly kind: 'upgrade-tls'; readonly direct: boolean; readonly early: Buffer }
  | { readonly kind: 'cancel'; readonly pid: number; readonly secret: Buffer }
  | Authenticated
  | Refused
