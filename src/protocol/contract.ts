/**
 * The contract of a protocol: all that the neutral rooms (server, session, listener) may know of
 * Postgres or MySQL. A conversation is a pull machine: bytes in by `push`, steps out by `next`; it
 * has no sockets, promises or clocks. Rule: a step's payload lies in the machine's own fields and is
 * valid until the next call of `next` (no allocation per step on the byte path).
 */
import type { LoginProof } from '../core/audit.ts'
import type { WeirError } from '../core/errors.ts'
import type { SecureChannel } from '../core/secure-channel.ts'
import type { CancelMachine, CancelWay, ListenerConversation, MessageWatch } from './aside.ts'
import type { RideServer, RideSource } from './ride.ts'

/** Why a session keeps its server connection past boundaries; log, metric and console print these. */
export const PIN_REASONS = [
  'configured',
  'replication',
  'settings',
  'sql-prepare',
  'discard',
  'listen',
  'temporary',
  'cursor-with-hold',
  'advisory-lock',
  'load',
  'sequence',
  'seed',
  'large-statement',
] as const
export type PinReason = (typeof PIN_REASONS)[number]

/**
 * - `idle`: no transaction. - `open`: inside one. - `failed`: inside one that can only be rolled back.
 */
export type TransactionStatus = 'idle' | 'open' | 'failed'

/**
 * What the client's bytes ask for next.
 *
 * - `starved`: nothing more can be done with the bytes at hand.
 * - `need-server`: the next message needs a server connection; nothing of it was consumed.
 * - `forward`: send `bytes` to the server connection.
 * - `answer`: send `bytes` to the client.
 * - `subscribe`: make sure that notifications of channel `subscription` arrive, then go on; nothing
 *   was consumed. Whoever cannot do that says `failRequest`.
 * - `goodbye`: the client said it is leaving.
 * - `broken`: the stream is no longer the protocol; `bytes` is what to tell the client, then close.
 */
export type ClientStep =
  | 'starved'
  | 'need-server'
  | 'forward'
  | 'answer'
  | 'subscribe'
  | 'yield'
  | 'goodbye'
  | 'broken'

/** One client's side of a conversation after login. */
export interface ClientConversation {
  readonly bytes: Buffer
  /**
   * Why the session must keep its server connection past boundaries, each with the normalised text
   * of the statement that gave the reason. True at a boundary after `settle` had nothing to send.
   */
  readonly pins: ReadonlyMap<PinReason, string>
  /** The server connection must not be given back: pinned, or its state is not known yet. */
  readonly holds: boolean
  /** The pins, and what may be one once it is known: all that would be lost with the connection. */
  readonly atRisk: readonly PinReason[]
  /**
   * Called at each boundary outside a transaction: bytes to send, which ask the server what this
   * client's statements have left behind or take it away, after which there will be another
   * boundary. Empty when all is known.
   */
  settle(): Buffer
  /** After `need-server`: the only one that can answer as this client expects, if it is to be had. */
  readonly wants: ServerConversation | undefined
  /** Which settings this client has; equal keys mean equal settings. */
  readonly settingsKey: string
  /** Of step `subscribe`: the channel. */
  readonly subscription: string
  /** Channels it listens to, which its session gets from the shared listener; true as `pins` is. */
  readonly channels: ReadonlySet<string>
  /** For requests that share a server connection with those of others. */
  readonly rides: RideSource
  /** Requests sent on so far, as `QueryRequests` counts them. */
  readonly requests: number
  push(chunk: Buffer): void
  next(): ClientStep
  /** Copies what was not consumed: the chunk's memory is about to be used again. */
  keep(): void
  /** How many bytes wait unconsumed. */
  readonly waitingBytes: number
  /**
   * Makes `server` the one that the next steps speak to; brings it to this client's settings first.
   * Returns the bytes to send ahead, empty when nothing differs.
   */
  attach(server: ServerConversation): Buffer
  detach(): void
  /** Of the message whose beginning was forwarded, so many bytes are still to come. */
  readonly leftBytes: number
  /** True when the bytes forwarded so far end at a message's end. */
  readonly atMessageEnd: boolean
  /**
   * The pending request cannot be served: its messages are thrown away up to where the protocol
   * resumes, and the client is told `error` (as steps from `next`). The session lives on.
   */
  failRequest(error: WeirError): void
  /** The server connection was lost, for this reason; says what becomes of the session. */
  serverLost(error: WeirError): ServerLoss
}

/**
 * How a client fared when its server connection was lost; a metric label.
 *
 * - `retried`: its request was sent again, and it knows nothing. - `unknown`: it was told that its
 *   request may have taken effect. - `transaction`: it lost its transaction. - `copy`: it lost a
 *   COPY. - `unsent`: it was told that its request was not carried out. - `partial`: it lost the
 *   rest of an answer. - `torn`: closed in the middle of a message. - `pinned`: closed, because
 *   session state was lost.
 */
export const LOST_OUTCOMES = [
  'retried',
  'unknown',
  'transaction',
  'copy',
  'unsent',
  'partial',
  'torn',
  'pinned',
] as const
export type LostOutcome = (typeof LOST_OUTCOMES)[number]

export interface ServerLoss {
  /** Undefined when nothing was lost. */
  readonly outcome: LostOutcome | undefined
  /** False when only closing is right. */
  readonly goesOn: boolean
  /** What to tell the client first. */
  readonly bytes: Buffer
}

/**
 * What a server's bytes mean.
 *
 * - `starved`: nothing more at hand. - `forward`: `bytes` go to whoever holds the lease.
 * - `boundary`: every reply owed has arrived; `status` says in what transaction state.
 * - `heard`: what the client's conversation waited for has come; it is to be pulled again.
 * - `halt`: a transaction has notified its own client, who is told that before the answer ends; goes
 *   on after `proceed`.
 * - `broken`: the stream cannot be trusted or the server said it is going; `error` says why.
 */
export type ServerStep = 'starved' | 'forward' | 'boundary' | 'heard' | 'halt' | 'broken'

/** One server connection's side after login, with the ledger of replies owed. */
export interface ServerConversation extends RideServer {
  readonly bytes: Buffer
  readonly status: TransactionStatus
  readonly error: WeirError | undefined
  push(chunk: Buffer): void
  next(): ServerStep
  keep(): void
  /** True when replies are owed. */
  readonly owing: boolean
  /** Counts up with every request that is answered. */
  readonly answered: number
  /** A request that its client had sent whole is not answered yet, and will be without more bytes. */
  readonly unfinished: boolean
  /** What a cancel request would hit now. */
  readonly cancelTarget: CancelTarget
  /** True when the bytes given out so far end inside a message. */
  readonly midMessage: boolean
  /** What a query of our own (settings, init query, clean-up) was answered, when that was an error. */
  readonly quietError: WeirError | undefined
  /** SQLSTATE of the last error reply; whoever reads it sets it back to undefined. */
  sign: string | undefined
  /** True when it could be lent again as it is: nothing owed, no transaction, no session's state. */
  readonly clean: boolean
  /** From now on it holds state that only a reset clears. */
  markDirty(): void
  /** Statements sent by Weir itself so that the server knows what a client prepared elsewhere. */
  readonly injected: number
  /** Which settings it has now; equal keys mean equal settings. */
  readonly settingsKey: string
  /** The client has been told what it was to be told before the end of the answer. */
  proceed(): void
  /** Replies are thrown away from here on (their client has left), until `reclaim`. */
  abandon(): void
  /** It has been cleaned and may serve another client. */
  reclaim(): void
  /**
   * Bytes that end whatever is going on and bring it back to clean: end an unfinished batch, roll
   * back, reset session state. Empty when it is clean already; undefined when only closing helps.
   */
  cleanUp(): Buffer | undefined
  /** Bytes that bring a fresh connection to its base state (the init query); empty when none. */
  initialise(): Buffer
  /** Where it is lent from: whether somebody waits there. */
  line?: { readonly crowded: boolean } | undefined
  /** Values the server reports, by parameter name. */
  readonly parameters: ReadonlyMap<string, string>
  /** What a cancel request must carry. */
  readonly cancelKey: CancelKey | undefined
  /** Bytes that say goodbye. */
  readonly farewell: Buffer
}

/**
 * What a cancel request would hit: what the client waits for, a query of our own that runs ahead of
 * it and must not fail, or nothing that the client would miss.
 */
export type CancelTarget = 'client' | 'weir' | 'nothing'

export interface CancelKey {
  readonly pid: number
  readonly secret: Buffer
}

/** Why a client was refused before its session began; a metric label. */
export type GreetRefusal = string

/** Who the client is, once it has proved it. */
export interface Introduction {
  readonly user: string
  readonly database: string
  /** Endpoint asked for by name, if any. */
  readonly endpoint: string | undefined
  readonly replication: string | undefined
  /** Settings asked for at start, by name, to be brought to server connections. */
  readonly settings: ReadonlyMap<string, string>
  /** Equal keys mean equal settings. */
  readonly settingsKey: string
  /** Bytes that came along with the last login message. */
  readonly rest: Buffer
}

export type GreetStep =
  | { readonly kind: 'starved' }
  /** An answer is being worked out; `onReady` will be called. */
  | { readonly kind: 'waiting' }
  | { readonly kind: 'answer'; readonly bytes: Buffer }
  /**
   * Speak TLS now. `direct`: the client began with its handshake, of which `early` was read already,
   * and must have named the protocol (ALPN).
   */
  | { readonly kind: 'upgrade-tls'; readonly direct: boolean; readonly early: Buffer }
  | { readonly kind: 'cancel'; readonly key: CancelKey }
  | { readonly kind: 'introduced'; readonly who: Introduction }
  | {
      readonly kind: 'refused'
      readonly bytes: Buffer
      readonly reason: GreetRefusal
      /** For the log; holds no secret. */
      readonly message: string
    }

/** The client side of login. */
export interface GreetingMachine {
  onReady: () => void
  /** The name the client gave, once it has; for the log of a refusal. */
  readonly user: string | undefined
  /** How the client was asked to prove itself, once that is decided; for the audit. */
  readonly proof: LoginProof | undefined
  /** The client has sent its proof, and was not told yet whether it is right. */
  readonly judging?: boolean
  push(chunk: Buffer): void
  next(): GreetStep
  /** The link is encrypted now, and this is known of it. */
  secured(channel: SecureChannel): void
}

export type ConnectStep =
  | { readonly kind: 'starved' }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'send'; readonly bytes: Buffer }
  | { readonly kind: 'upgrade-tls' }
  | { readonly kind: 'ready'; readonly conversation: ServerConversation; readonly rest: Buffer }
  /**
   * `error.retryable` false means that waiting will not mend it. `again`: the `attempt` to make on
   * another connection (there may be a newer password); resolves undefined when there is none.
   * `thisWay`: the rules of the node have no place for a connection with, or without, TLS.
   */
  | {
      readonly kind: 'failed'
      readonly error: WeirError
      readonly again?: Promise<unknown>
      readonly thisWay: boolean
    }

/** The login towards a node. */
export interface ConnectMachine {
  onReady: () => void
  push(chunk: Buffer): void
  next(): ConnectStep
  /** @param certificate what the node showed, DER */
  secured(certificate: Buffer | undefined): void
}

/** How a login towards a node is encrypted. */
export interface NodeEncryption {
  /** `prefer`: where the node has TLS. Whether its certificate is verified is for who makes the link. */
  readonly tls: 'disable' | 'prefer' | 'require'
  /** Begin with the handshake instead of asking for it. */
  readonly direct: boolean
  /** Whether a proof by SCRAM is bound to the certificate that the node showed. */
  readonly channelBinding: 'disable' | 'prefer' | 'require'
}

export type EntryRefusal =
  /** Not from that address. */
  | 'address'
  | 'connect-rate'
  /** Too many failed logins from there. */
  | 'auth-failures'
  | 'too-many-clients'
  | 'too-many-of-endpoint'
  | 'too-many-of-user'
  | 'too-many-of-source'
  /** Nothing can be written down of who comes in, and must be. */
  | 'audit'
  | 'draining'

export interface GreetOptions {
  readonly loopback: boolean
  readonly secure: boolean
  /** Where the client came from; undefined: a Unix socket. */
  readonly address?: string | undefined
  /** Why `user` may not come in, if so: asked before any proof, and again before one is answered. */
  admit?(user: string): { reason: EntryRefusal; error: WeirError } | undefined
}

export interface ConnectOptions {
  readonly user: string
  readonly database: string
  /** The link is a Unix socket. */
  readonly local: boolean
  readonly encryption: NodeEncryption
  /**
   * For this client alone: the login carries its own startup settings and replication mode, and what
   * is said afterwards passes unread. Undefined for a connection that may serve anybody.
   */
  readonly onBehalf?: Introduction | undefined
  /** What an earlier attempt said to try next; opaque to whoever hands it on. */
  readonly attempt?: unknown
}

/**
 * What becomes of session state.
 *
 * - `follow`: what can follow the client follows it; the rest pins until it is gone.
 * - `strict`: what would pin is refused.
 * - `aws`: pins on what RDS Proxy pins on, until the client leaves.
 * - `session`: pinned from the start.
 */
export type Pinning = 'follow' | 'strict' | 'aws' | 'session'

export interface SessionTerms {
  /** What the client takes for the number of its server process; undefined for no client. */
  readonly process?: number | undefined
  readonly pinning: Pinning
  /** What provably only reads is sent again when its server is lost. Default: it is not. */
  readonly retryReads?: boolean
  /** After a call of what cannot be seen through, the server is asked what it has changed. */
  readonly verify: boolean
}

/** What a protocol brings along; the composition root builds one. */
export interface Protocol {
  readonly name: string
  greet(options: GreetOptions): GreetingMachine
  connect(options: ConnectOptions): ConnectMachine
  /** Follows the messages that a client or a server sends. */
  watch(sender: 'client' | 'server'): MessageWatch
  /** A client's conversation after login. */
  converse(who: Introduction, terms: SessionTerms): ClientConversation
  /** Equal for clients of one endpoint whose welcome needs the same parameters. */
  welcomeKey(who: Introduction): string
  welcome(who: Introduction, parameters: ReadonlyMap<string, string>, key: CancelKey): Buffer
  /** A key for a new client, in the form its protocol version knows. */
  newCancelKey(pid: number, who: Introduction): CancelKey
  /** `dialect`: how the clients read text, see `dialect`. */
  listen(server: ServerConversation, dialect: string): ListenerConversation
  /** In which form a client reads text that others wrote; only equals can share a listener. */
  dialect(parameters: ReadonlyMap<string, string>): string
  /** The request to send over a fresh connection to cancel what runs on a server connection. */
  cancelRequest(key: CancelKey): Buffer
  /** Carries that request to a node; when not `clear`, over TLS or not at all. */
  cancel(key: CancelKey, way: CancelWay): CancelMachine
  /** Bytes that tell a client something it did not ask for. */
  warning(error: WeirError): Buffer
  /** The same for what is no reason to worry. */
  notice(error: WeirError): Buffer
  /** Bytes that tell a client why it is being closed. */
  refusal(error: WeirError): Buffer
}
