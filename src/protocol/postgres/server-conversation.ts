/**
 * One server connection's side after login: its books, and its bytes cut into messages by their
 * five-byte headers, each handled in `replies.ts` and given out in runs. Rule: whoever sends it
 * something writes into the ledger what comes back, whether a client asked or Weir itself.
 */
import type { WeirError } from '../../core/errors.ts'
import { closeComplete, parseComplete } from '../../wire/postgres/backend.ts'
import { HEADER } from '../../wire/postgres/codes.ts'
import { query, terminate } from '../../wire/postgres/frontend.ts'
import { ProtocolError } from '../../wire/postgres/protocol-error.ts'
import type { CancelKey, ServerConversation, ServerStep, TransactionStatus } from '../contract.ts'
import { cleanUp } from './clean-up.ts'
import { asideBytes } from './errands.ts'
import { KeptRequest } from './kept-request.ts'
import { type Answered, Ledger, OWED, type Undo } from './ledger.ts'
import { broken, type Replied } from './replied.ts'
import { Replies } from './replies.ts'
import { ReplyStream } from './reply-stream.ts'
import { PostgresRideReader } from './ride-reader.ts'
import { SecondTry } from './second-try.ts'
import { NOBODY, SenderMark } from './senders.ts'
import { PreparedBook, type Shapes } from './statements.ts'

const NOTHING = Buffer.alloc(0)

export interface ServerConversationOptions {
  readonly parameters: Map<string, string>
  readonly cancelKey: CancelKey | undefined
  /** How many prepared statements are kept on it. */
  readonly preparedLimit: number
  /** Shared by all server connections. */
  readonly shapes?: Shapes
  /** Run on a fresh connection and after every reset; `''` for none. */
  readonly initQuery: string
}

export class PostgresServerConversation implements ServerConversation, Replied {
  status: TransactionStatus = 'idle'
  error: WeirError | undefined
  line: ServerConversation['line']
  quietError: WeirError | undefined
  /** SQLSTATE of the last error reply; whoever reads it sets it back to undefined. */
  sign: string | undefined
  dirty = false
  settings: ReadonlyMap<string, string> = new Map()
  settingsKey = ''
  /** Since the last boundary outside a transaction settings may differ from `settings`. */
  coloured = false
  /** Since then something was rolled back. */
  rolledBack = false
  /** It holds what no reset takes away: only good for closing. */
  spoilt = false
  /** Whose currval and lastval it would tell. */
  sequencesOf: object | undefined
  /** Notifications that arrive are for whoever holds the lease. */
  notifications = false
  /** A transaction of what was sent last notifies its own client. */
  notifiesOwn = false
  /** In whose name it sends notifications. */
  readonly sender = new SenderMark()
  /** Statements sent by Weir itself, ahead of a client's Bind or Describe. */
  injected = 0
  readonly ledger = new Ledger()
  readonly secondTry = new SecondTry()
  readonly kept = new KeptRequest()
  readonly prepared: PreparedBook
  readonly parameters: Map<string, string>
  readonly cancelKey: CancelKey | undefined
  readonly initQuery: string
  #stream = new ReplyStream()
  #replies: Replies
  #rides: PostgresRideReader | undefined
  /** The server reports a new value of a setting, and the client is told. */
  onReported: ((name: string) => void) | undefined
  /** `DISCARD ALL` or `DEALLOCATE ALL` took the server's prepared statements away. */
  onDeallocated: (() => void) | undefined

  constructor(options: ServerConversationOptions) {
    this.parameters = options.parameters
    this.cancelKey = options.cancelKey
    this.prepared = new PreparedBook(options.preparedLimit, options.shapes)
    this.initQuery = options.initQuery
    this.#replies = new Replies(this, this.#stream)
  }

  get bytes(): Buffer {
    return this.#stream.bytes
  }

  get owing(): boolean {
    return !this.ledger.empty
  }

  get answered(): number {
    return this.ledger.answered
  }

  get unfinished(): boolean {
    return !this.ledger.copyIn && this.ledger.readyOwed > 0
  }

  get cancelTarget() {
    return this.#rides?.first === undefined ? this.ledger.cancelTarget : 'client'
  }

  /** True when it could be lent again as it is. */
  get clean(): boolean {
    return (
      !this.dirty &&
      this.status === 'idle' &&
      !this.ledger.batchOpen &&
      this.#stream.left === 0 &&
      this.ledger.empty
    )
  }

  get midMessage(): boolean {
    return this.#stream.left > 0 && !this.#stream.swallow
  }

  /** Whoever holds the lease was given something since the last boundary, or it was attached. */
  get gave(): boolean {
    return this.#stream.gave
  }

  /** A client begins to use it. */
  begins(): void {
    this.#stream.begin()
  }

  get farewell(): Buffer {
    return terminate()
  }

  push(chunk: Buffer): void {
    this.#stream.in.push(chunk)
  }

  keep(): void {
    this.#stream.in.keep()
  }

  markDirty(): void {
    this.dirty = true
  }

  next(): ServerStep {
    try {
      const step = this.error === undefined ? this.#next() : 'broken'
      return step === 'broken' ? this.#brokenBehindRun() : step
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      broken(this, error.message)
      return this.#brokenBehindRun()
    }
  }

  /**
   * What has passed is given out first. The client may have the beginning of its last message
   * already, and would take what it is told of the loss for the rest of it.
   */
  #brokenBehindRun(): ServerStep {
    return this.#stream.in.hasRun ? this.#stream.run() : 'broken'
  }

  #next(): ServerStep {
    const stream = this.#stream
    const replies = this.#replies
    const cursor = stream.in
    for (;;) {
      if (replies.boundary) {
        if (cursor.hasRun) return stream.run()
        replies.boundary = false
        stream.gave = false
        return 'boundary'
      }
      if (replies.heard) {
        if (cursor.hasRun) return stream.run()
        replies.heard = false
        return 'heard'
      }
      const fake = this.#fake()
      if (fake !== undefined) {
        if (cursor.hasRun) return stream.run()
        this.ledger.shift()
        if (stream.abandoned) continue
        return stream.give(fake)
      }
      if (stream.left > 0) {
        if (!stream.advance()) break
        continue
      }
      if (cursor.available < HEADER) break
      const type = cursor.buffer[cursor.pos]!
      const length = cursor.buffer.readUInt32BE(cursor.pos + 1)
      if (length < 4 || length > 0x4000_0000) {
        return broken(this, 'a message of impossible length')
      }
      const step = replies.message(type, length + 1)
      if (step === 'wait') break
      if (step !== undefined) return step
    }
    if (cursor.hasRun) return stream.run()
    return 'starved'
  }

  /** The client's conversation waits for what has come now: its session is told. */
  hear(): void {
    this.#replies.heard = true
  }

  /** The reply that Weir itself owes next, when it is its turn. */
  #fake(): Buffer | undefined {
    if (this.#stream.left > 0) return undefined
    const head = this.ledger.head
    if (head === OWED.PARSE_FAKED) return parseComplete()
    if (head === OWED.CLOSE_FAKED) return closeComplete()
    return undefined
  }

  get bare(): boolean {
    return this.clean && !this.coloured && !this.spoilt && this.sender.client === NOBODY
  }

  rides(): PostgresRideReader {
    this.#rides ??= new PostgresRideReader(this)
    return this.#rides
  }

  ridden(): void {
    // What was prepared meanwhile is of a batch that is over.
    this.ledger.closeBatch()
  }

  proceed(): void {
    this.#replies.proceeds = true
  }

  abandon(): void {
    this.notifiesOwn = false
    this.#replies.proceeds = false
    this.#stream.abandon()
    this.onDeallocated = undefined
    this.secondTry.reset()
    this.onReported = undefined
    this.notifications = false
  }

  reclaim(): void {
    this.#stream.abandoned = false
    if (this.quietError === undefined) this.dirty = false
  }

  cleanUp(): Buffer | undefined {
    if (this.spoilt) return undefined
    this.quietError = undefined
    return cleanUp(this)
  }

  forgetState(): void {
    this.settings = new Map()
    this.settingsKey = ''
    this.prepared.clear()
    this.coloured = false
    this.sequencesOf = undefined
  }

  initialise(): Buffer {
    return this.initQuery === '' ? NOTHING : this.quietly(this.initQuery)
  }

  /** Bytes that run `sql` with its reply swallowed. */
  quietly(sql: string): Buffer {
    this.ledger.push(OWED.QUIET)
    this.prepared.unnamed = undefined
    return query(sql)
  }

  /**
   * Bytes that run `sql` with its reply swallowed, error and all; its one row goes to `answer`.
   * `reports`: the client is told of reported settings that change.
   */
  silently(sql: string, answer?: Answered, reports = false): Buffer {
    let undo: Undo | undefined = answer && { answer, restore: () => answer(undefined, undefined) }
    if (reports) undo = { ...undo, reports: true }
    this.ledger.push(OWED.ASK, undo)
    this.prepared.unnamed = undefined
    return query(sql)
  }

  /**
   * As `silently`, also inside a batch of the client's; an error there is the batch's. `undone` is
   * called when it turns out not to have run.
   */
  aside(sql: string, undone?: () => void): Buffer {
    const { ledger } = this
    if (ledger.batchOpen) return asideBytes(ledger, sql, undone && { restore: undone })
    if (undone === undefined) return this.silently(sql)
    return this.silently(sql, (_row, status) => {
      if (status === undefined || status === 'failed') undone()
    })
  }
}
