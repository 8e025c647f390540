/**
 * One logged-in connection to a node: pumps the node's bytes through its conversation to whoever
 * holds the lease. Rule: it serves one holder at a time, and goes back to its pool only through
 * `condition`, which says what is left to clean.
 */
import { messageOf, WeirError } from '../core/errors.ts'
import type { Link, Receiver } from '../net/link.ts'
import type { Condition, EvictReason, Member } from '../pool/member.ts'
import type { ServerConversation, TransactionStatus } from '../protocol/contract.ts'
import { Cancelling } from './cancelling.ts'

/** Who holds the lease and gets the replies. */
export interface Holder {
  /** Bytes for the client, valid until the end of this turn. Returns true when it should wait. */
  reply(bytes: Buffer): boolean
  /** What its client's conversation waited for has come: it is pulled again. */
  goOn?(): void
  /** Every reply owed has arrived. */
  boundary(status: TransactionStatus): void
  /**
   * The answer ends when the client has been told what it was notified of; then `goOn`. A holder
   * that tells nobody leaves it out.
   */
  halted?(): void
  /** Reads all that arrives itself, instead of the conversation. */
  arrived?(chunk: Buffer): void
  /** The connection is gone; the holder must not release it. */
  serverLost(error: WeirError): void
}

/** Where the time a node took for a request is noted, in milliseconds, and when it had answered. */
export interface Latency {
  record(ms: number, at: number): void
}

/** What the rest of the house wants to hear of a server connection. */
export interface ServerEvents {
  /** It died; `leased` says whether a holder was told too. */
  lost(connection: ServerConnection, error: WeirError, leased: boolean): void
  /** An error reply came by with this SQLSTATE. */
  sign(connection: ServerConnection, sqlstate: string): void
  /**
   * Sends a cancel request for it over a connection of its own. Resolves true when it has landed or
   * was never sent, false when it may still land later.
   */
  cancel(connection: ServerConnection): Promise<boolean>
}

/** The pool it was opened for and goes back to. */
export interface Home {
  release(connection: ServerConnection): void
  discard(connection: ServerConnection, reason: EvictReason): void
  /** It died while nobody held it. */
  lost(connection: ServerConnection): void
}

/**
 * So much of an answer is thrown away for a client that left (bytes). Postgres itself would long have
 * failed to send it, and have given up.
 */
const MOST_THROWN_AWAY = 1_048_576

export class ServerConnection implements Member {
  /** Set once, right after opening. */
  home: Home | undefined
  readonly id: number
  readonly node: string
  readonly link: Link
  readonly conversation: ServerConversation
  readonly encrypted: boolean
  /** Set by whoever counts; the holder records here what it had to wait for an answer. */
  latency: Latency | undefined
  /** Called once, when it is closed, destroyed or lost; nothing is read or written after. */
  onEnded: (() => void) | undefined
  #events: ServerEvents
  #holder: Holder | undefined
  #closed = false
  #cleaned: ((clean: boolean) => void) | undefined
  #finished: (() => void) | undefined
  /** How much had been read when its client left. */
  #readBefore = 0
  #cancelling: Cancelling
  /** Until `goOn`. */
  #halted = false
  /** How many boundaries it has passed; a cancel request is for what is owed before the next. */
  #boundaries = 0

  constructor(
    id: number,
    node: string,
    link: Link,
    conversation: ServerConversation,
    events: ServerEvents,
  ) {
    this.id = id
    this.node = node
    this.link = link
    this.conversation = conversation
    this.encrypted = link.encrypted
    this.#events = events
    this.#cancelling = new Cancelling(() => events.cancel(this))
    const receiver: Receiver = {
      data: (chunk) => this.#data(chunk),
      closed: (error) => this.#linkClosed(error),
      drained: () => this.onDrained?.(),
    }
    link.receiver = receiver
  }

  get closed(): boolean {
    return this.#closed
  }

  get holder(): Holder | undefined {
    return this.#holder
  }

  hold(holder: Holder): void {
    if (this.#holder !== undefined) throw new Error(`BUG: server connection ${this.id} is held`)
    this.#holder = holder
  }

  /** The holder lets go; the pool decides what becomes of the connection. */
  letGo(): void {
    this.#holder = undefined
    this.#halted = false
    this.link.resume()
  }

  #data(chunk: Buffer): void {
    try {
      const holder = this.#holder
      if (holder?.arrived !== undefined) {
        holder.arrived(chunk)
        return
      }
      this.conversation.push(chunk)
      this.pump()
    } catch (error) {
      // Our bug: this connection can no longer be trusted, all others can.
      this.#lost(
        new WeirError('WEIR_BUG', `internal error: ${messageOf(error)}`, {
          sqlstate: 'XX000',
          cause: error,
        }),
      )
    }
  }

  pump(): void {
    const conversation = this.conversation
    for (;;) {
      switch (conversation.next()) {
        case 'starved':
          conversation.keep()
          this.#noteSign()
          this.looked()
          return
        case 'forward':
          if (this.#holder?.reply(conversation.bytes) === true) this.link.pause()
          break
        case 'boundary':
          this.#boundary()
          break
        case 'heard':
          this.#holder?.goOn?.()
          break
        case 'halt':
          this.#halt()
          return
        case 'broken':
          this.#noteSign()
          this.broken(conversation.error)
          return
      }
      if (this.#closed) return
    }
  }

  /** Nothing is given out until `goOn`. */
  #halt(): void {
    this.conversation.keep()
    this.#noteSign()
    // More may have arrived while it was halted already.
    if (this.#halted) return
    this.#halted = true
    this.link.pause()
    const holder = this.#holder
    if (holder?.halted === undefined) this.goOn()
    else holder.halted()
  }

  goOn(): void {
    if (!this.#halted || this.#closed) return
    this.#halted = false
    this.conversation.proceed()
    this.link.resume()
    this.pump()
  }

  #noteSign(): void {
    const sign = this.conversation.sign
    if (sign === undefined) return
    this.conversation.sign = undefined
    this.signed(sign)
  }

  /** An error reply with this SQLSTATE has come by. */
  signed(sqlstate: string): void {
    this.#events.sign(this, sqlstate)
  }

  /** All that has arrived was read. */
  looked(): void {
    this.#cancelling.look()
    this.#lookFinished()
  }

  /** What was owed was answered; for a holder that reads by itself. */
  passed(): void {
    this.#boundaries++
  }

  /** What arrives cannot be trusted, or said that this is the end; the same. */
  broken(error: WeirError | undefined): void {
    this.#lost(
      error ??
        new WeirError('WEIR_SERVER_PROTOCOL', 'the server broke the protocol', {
          sqlstate: '08P01',
        }),
    )
  }

  #boundary(): void {
    this.#boundaries++
    const cleaned = this.#cleaned
    if (cleaned !== undefined) {
      this.#cleaned = undefined
      this.conversation.reclaim()
      cleaned(this.conversation.clean)
      return
    }
    this.#holder?.boundary(this.conversation.status)
  }

  #linkClosed(error: Error | undefined): void {
    this.#lost(
      new WeirError('WEIR_SERVER_LOST', error?.message ?? 'the server closed the connection', {
        sqlstate: '08006',
        cause: error,
      }),
    )
  }

  /** Set by the holder that paused its client because this link was full. */
  onDrained: (() => void) | undefined

  #lost(error: WeirError): void {
    if (this.#closed) return
    this.#closed = true
    const holder = this.#holder
    this.#holder = undefined
    this.link.destroy()
    this.#ended()
    const cleaned = this.#cleaned
    this.#cleaned = undefined
    this.#events.lost(this, error, holder !== undefined || cleaned !== undefined)
    cleaned?.(false)
    holder?.serverLost(error)
  }

  condition(): Condition {
    if (this.#closed) return 'broken'
    if (this.#cancelling.pending) return 'cancel-pending'
    if (this.#cancelling.unsure) return 'broken'
    if (this.conversation.clean) return 'clean'
    return this.conversation.unfinished ? 'unfinished' : 'dirty'
  }

  finished(): Promise<void> {
    this.conversation.abandon()
    this.#readBefore = this.link.bytesRead
    return new Promise((resolve) => {
      this.#finished = resolve
      this.#lookFinished()
    })
  }

  #lookFinished(): void {
    if (this.#finished === undefined) return
    const enough = this.link.bytesRead - this.#readBefore > MOST_THROWN_AWAY
    if (this.conversation.unfinished && !enough) return
    this.#finished()
    this.#finished = undefined
  }

  async reset(): Promise<boolean> {
    if (this.#closed) return false
    const conversation = this.conversation
    conversation.abandon()
    // What still runs now has had its time, or will be rolled back whatever comes of it.
    if (conversation.owing) await this.cancel()
    if (this.#closed || this.#cancelling.unsure) return false
    const bytes = conversation.cleanUp()
    if (bytes === undefined) return false
    if (bytes.length === 0 && conversation.clean) {
      conversation.reclaim()
      return true
    }
    this.link.write(bytes)
    return new Promise((resolve) => {
      this.#cleaned = resolve
    })
  }

  settled(): Promise<void> {
    return this.#cancelling.settled()
  }

  /** Asks the node to cancel what runs here for its client; resolves when that has had its effect. */
  cancel(): Promise<void> {
    const asked = this.#boundaries
    return this.#cancelling.request(() =>
      this.#boundaries === asked ? this.conversation.cancelTarget : 'nothing',
    )
  }

  #ended(): void {
    this.#cancelling.end()
    this.onEnded?.()
  }

  close(_reason: EvictReason): void {
    if (this.#closed) return
    this.#closed = true
    this.#holder = undefined
    this.link.write(this.conversation.farewell)
    this.link.end()
    this.#ended()
    this.#cleaned?.(false)
  }

  destroy(reason: EvictReason): void {
    if (this.#closed) return
    const holder = this.#holder
    this.#closed = true
    this.#holder = undefined
    this.link.destroy()
    this.#ended()
    this.#cleaned?.(false)
    holder?.serverLost(
      new WeirError('WEIR_SERVER_LOST', `the server connection was closed (${reason})`, {
        sqlstate: '57P01',
      }),
    )
  }
}
