/**
 * Ends what lasts too long: a silent client, one that does nothing in its transaction, a request, half
 * a message, a whole session. Rule: one coarse deadline for all of it, armed for the earliest moment
 * at which anything could be over, so that activity itself costs nothing and nobody is cut too early.
 */
import type { Clock } from '../core/clock.ts'
import type { Deadline, TimerWheel } from '../core/timer-wheel.ts'
import type { Link } from '../net/link.ts'
import type { ClientConversation, Protocol } from '../protocol/contract.ts'
import type { CloseReason } from './close-reason.ts'
import type { RequestWatch } from './request-watch.ts'
import { STATEMENT_CANCELLED } from './session-errors.ts'
import { type AsServed, isDawdling } from './session-state.ts'

/** How long each may last, milliseconds; Infinity for ever. */
export interface Timeouts {
  readonly idleMs: number
  readonly idleInTransactionMs: number
  readonly statementMs: number
  readonly lifetimeMs: number
  readonly messageMs: number
}

export const NO_TIMEOUTS: Timeouts = {
  idleMs: Infinity,
  idleInTransactionMs: Infinity,
  statementMs: Infinity,
  lifetimeMs: Infinity,
  messageMs: Infinity,
}

/** A client, as far as time goes. */
export interface Watched {
  readonly link: Pick<Link, 'bytesRead' | 'write'>
  /** When it last did anything, monotonic milliseconds. */
  readonly lastActive: number
  /** Waiting, in a transaction, or owed an answer. */
  readonly busy: boolean
  /** By the server connection that it is lent now. */
  readonly served: AsServed | undefined
  /** It is not read from, because others are not ready for it. */
  readonly heldUp: boolean
  /** It was given half a message. */
  readonly midMessage: boolean
  /** What it listens to: such a client is silent because nobody has told it anything. */
  readonly channels: ReadonlySet<string>
  cancel(): Promise<void> | undefined
  cut(reason: CloseReason): void
  shutDown(reason: CloseReason): void
}

export interface SessionWatchRooms {
  readonly clock: Clock
  readonly wheel: TimerWheel
  readonly timeouts: Timeouts
  readonly protocol: Pick<Protocol, 'warning'>
}

/** What was cancelled must have ended by then. */
const CANCEL_MS = 5_000
/** Of a message is found out within so much of its time. */
const LOOKS = 4

type Said = Pick<ClientConversation, 'waitingBytes' | 'leftBytes'>
type Sent = Pick<RequestWatch, 'sentAt'>

/** It is its own deadline, for each client has one. */
export class SessionWatch implements Deadline {
  dueTick = -1
  previous: Deadline = this
  next: Deadline = this
  #rooms: SessionWatchRooms
  #client: Watched
  #said: Said
  #requests: Sent
  #beganAt = 0
  /** For `#newRequest`: what was worked on at the last look, and since when. */
  #sentAt = 0
  #answered: number | undefined
  #since = 0
  /** `#since` of the request that was cancelled. */
  #cancelled = 0
  #half: number | undefined
  #halfSince = 0
  #over = false

  constructor(rooms: SessionWatchRooms, client: Watched, said: Said, requests: Sent) {
    this.#rooms = rooms
    this.#client = client
    this.#said = said
    this.#requests = requests
  }

  begin(): void {
    this.#beganAt = this.#rooms.clock.monotonic()
    this.#arm(Infinity)
  }

  /** @param leftMs how long it takes at least until something under way is over */
  #arm(leftMs: number): void {
    const { wheel, timeouts } = this.#rooms
    const { idleMs, idleInTransactionMs, statementMs, lifetimeMs, messageMs } = timeouts
    const left = Math.min(leftMs, idleMs, idleInTransactionMs, statementMs, lifetimeMs)
    const next = Math.min(left, messageMs / LOOKS)
    if (next !== Infinity) wheel.arm(this, Math.max(100, next))
  }

  fire(): void {
    const now = this.#rooms.clock.monotonic()
    const left = [this.#life(now), this.#silence(now), this.#statement(now), this.#message(now)]
    if (!this.#over) this.#arm(Math.min(...left))
  }

  /** It goes at its next boundary, however long that takes. */
  #life(now: number): number {
    const left = this.#rooms.timeouts.lifetimeMs - (now - this.#beganAt)
    if (left > 0) return left
    if (!this.#over) this.#client.shutDown('lifetime')
    return Infinity
  }

  /** Who listens is silent for as long as it is told nothing. */
  #silence(now: number): number {
    const { idleMs, idleInTransactionMs } = this.#rooms.timeouts
    const { lastActive, busy, channels } = this.#client
    if (busy ? !this.#dawdles : channels.size > 0) return Infinity
    const left = (busy ? idleInTransactionMs : idleMs) - (now - lastActive)
    if (left <= 0) this.#cut(busy ? 'idle-in-transaction' : 'idle-timeout')
    return left
  }

  #cut(reason: CloseReason): void {
    if (!this.#over) this.#client.cut(reason)
  }

  /** Cancels what has run for too long, and cuts its client when that was of no use. */
  #statement(now: number): number {
    const { statementMs } = this.#rooms.timeouts
    if (statementMs === Infinity) return Infinity
    const news = this.#newRequest(now)
    if (this.#sentAt === 0) return Infinity
    const left = statementMs - (now - this.#since)
    if (left > 0 || news) return left
    if (this.#cancelled === this.#since) {
      if (left + CANCEL_MS <= 0) this.#cut('statement-timeout')
      return left + CANCEL_MS
    }
    if (this.#over) return left
    this.#cancelled = this.#since
    const client = this.#client
    // Between two halves of a message nothing may stand.
    if (!client.midMessage) client.link.write(this.#rooms.protocol.warning(STATEMENT_CANCELLED))
    void client.cancel()
    return CANCEL_MS
  }

  /**
   * True when another request is worked on than at the last look. Of those that were sent ahead of
   * others' answers nobody has noted when the node began with them: they count from this look, so
   * one is cut up to a whole timeout late, and none early.
   */
  #newRequest(now: number): boolean {
    const { sentAt } = this.#requests
    const answered = this.#client.served?.answered
    const sent = sentAt !== this.#sentAt
    const another = sent || answered !== this.#answered
    if (another) this.#since = sent ? sentAt : now
    this.#sentAt = sentAt
    this.#answered = answered
    return another
  }

  /** In a transaction in which nothing is under way. */
  get #dawdles(): boolean {
    const { served } = this.#client
    return served !== undefined && isDawdling(served)
  }

  #message(now: number): number {
    const { messageMs } = this.#rooms.timeouts
    if (messageMs === Infinity) return Infinity
    const half = this.#halfMessage()
    if (half === undefined || half !== this.#half) this.#halfSince = now
    this.#half = half
    if (half === undefined) return Infinity
    const left = messageMs - (now - this.#halfSince)
    if (left <= 0) this.#cut('message-timeout')
    return left
  }

  /**
   * While half a message is here, a number that stays the same as long as it is the same one: where
   * in all that the client has sent it begins, or ends. Undefined: there is none, or it waits for us.
   */
  #halfMessage(): number | undefined {
    const { waitingBytes, leftBytes } = this.#said
    const { link, busy, heldUp } = this.#client
    if (heldUp) return undefined
    if (leftBytes > 0) return link.bytesRead - waitingBytes + leftBytes
    if (waitingBytes === 0 || (busy && !this.#dawdles)) return undefined
    return link.bytesRead - waitingBytes
  }

  end(): void {
    this.#over = true
    this.#rooms.wheel.cancel(this)
  }
}
