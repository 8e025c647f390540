/**
 * The parts of the contract that stand beside the conversations: following messages unread, listening
 * for many clients, carrying a cancel request. Rule: as in `contract.ts`, no sockets, promises or clocks.
 */
import type { WeirError } from '../core/errors.ts'

/**
 * Follows where the messages of one direction begin and end, and reads nothing else. For sessions
 * whose bytes pass unread.
 */
export interface MessageWatch {
  /** Follows the next `chunk`; the fields then speak of it. */
  push(chunk: Buffer): void
  /**
   * So many bytes of that chunk belong to messages that ended in it. All that comes behind a goodbye
   * is left out, and the goodbye too.
   */
  readonly whole: number
  /** True when that chunk ended inside a message. */
  readonly midMessage: boolean
  /** What the last whole message was: the client leaves, the server says why something failed. */
  readonly last: 'goodbye' | 'error' | 'other'
}

/** How a shared listener speaks on its server connection; one request at a time. */
export interface ListenerConversation {
  /** Bytes to send before all else; empty when nothing is needed. Their reply is swallowed. */
  opening(): Buffer
  /**
   * Bytes of one request: notifications of the channels `begin` from now on, no longer those of
   * `end`; all or nothing. The reply is swallowed; `quietError` of the server says what was refused.
   */
  change(begin: readonly string[], end: readonly string[]): Buffer
  /** What the server sent, in pieces of any size. */
  push(chunk: Buffer): void
  /** Reads one notification into the fields below; false when no whole one is at hand. */
  next(): boolean
  readonly channel: string
  /** All of it, as a client gets it, in memory nobody uses again. */
  readonly message: Buffer
  /** It listens no more. */
  close(): void
}

/**
 * What to do next to carry a cancel request to a node.
 *
 * - `send`: `last` says that this is the request itself. - `upgrade-tls`: speak TLS, then `secured`.
 * - `failed`: it cannot be sent as it should be, and was not.
 */
export type CancelStep =
  | { readonly kind: 'starved' }
  | { readonly kind: 'send'; readonly bytes: Buffer; readonly last: boolean }
  | { readonly kind: 'upgrade-tls' }
  | { readonly kind: 'failed'; readonly error: WeirError }

/** In clear, over TLS that is asked for, or over TLS from the first byte. */
export type CancelWay = 'clear' | 'asked' | 'direct'

/** One cancel request on a connection of its own; over after the last `send`, or `failed`. */
export interface CancelMachine {
  push(chunk: Buffer): void
  next(): CancelStep
  secured(): void
}
