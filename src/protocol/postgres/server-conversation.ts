/**
 * What a node's bytes mean: looks at five-byte headers, asks the ledger whose reply it is, and gives
 * out runs of messages with the same fate. Rule: only messages that change pooling are read whole;
 * rows and COPY data pass by unlooked at, however large.
 */
import { WeirError } from '../../core/errors.ts'
import { closeComplete, parseComplete } from '../../wire/postgres/backend.ts'
import { BACKEND, HEADER, STATUS } from '../../wire/postgres/codes.ts'
import type { ErrorFields } from '../../wire/postgres/error-fields.ts'
import { query, terminate } from '../../wire/postgres/frontend.ts'
import { ProtocolError } from '../../wire/postgres/protocol-error.ts'
import { readDataRow, readErrorFields, readParameterStatus } from '../../wire/postgres/read.ts'
import type { CancelKey, ServerConversation, ServerStep, TransactionStatus } from '../contract.ts'
import { ByteCursor } from './byte-cursor.ts'
import { cleanUp } from './clean-up.ts'
import { asideBytes, inClientWords } from './errands.ts'
import { type Answered, Ledger, OWED, type Undo } from './ledger.ts'
import { errorFrom } from './refusal.ts'
import { PreparedBook, type Shapes } from './statements.ts'
import { effectOfTag } from './tags.ts'

/** Messages that are read whole may be this long; nothing a server says of itself is longer. */
const READ_WHOLE_BYTES = 4 * 1_048_576
const NOTHING = Buffer.alloc(0)
/** Who says "cached plan must not change result type"; plancache.c of PostgreSQL. */
const PLAN_CHECK = 'RevalidateCachedQuery'

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

export class PostgresServerConversation implements ServerConversation {
  bytes: Buffer = NOTHING
  status: TransactionStatus = 'idle'
  error: WeirError | undefined
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
  /** Statements sent by Weir itself, ahead of a client's Bind or Describe. */
  injected = 0
  readonly ledger = new Ledger()
  readonly prepared: PreparedBook
  readonly parameters: Map<string, string>
  readonly cancelKey: CancelKey | undefined
  readonly initQuery: string
  #in = new ByteCursor()
  /** Bytes of the current message that have not passed yet, and whether they are swallowed. */
  #left = 0
  #swallow = false
  #abandoned = false
  #boundary = false
  /** A table or view was changed in the transaction at hand. */
  #reshaped = false
  /** Results of the client's own that the Query at hand has still to give; -1: all are. */
  #own = -1
  #row: readonly (string | null)[] | undefined
  /** The server reports a new value of a setting, and the client is told. */
  onReported: ((name: string) => void) | undefined
  /** `DISCARD ALL` or `DEALLOCATE ALL` took the server's prepared statements away. */
  onDeallocated: (() => void) | undefined

  constructor(options: ServerConversationOptions) {
    this.parameters = options.parameters
    this.cancelKey = options.cancelKey
    this.prepared = new PreparedBook(options.preparedLimit, options.shapes)
    this.initQuery = options.initQuery
  }

  get owing(): boolean {
    return !this.ledger.empty
  }

  get cancelTarget() {
    return this.ledger.cancelTarget
  }

  /** True when it could be lent again as it is. */
  get clean(): boolean {
    return (
      !this.dirty &&
      this.status === 'idle' &&
      !this.ledger.batchOpen &&
      this.#left === 0 &&
      this.ledger.empty
    )
  }

  get midMessage(): boolean {
    return this.#left > 0
  }

  get farewell(): Buffer {
    return terminate()
  }

  push(chunk: Buffer): void {
    this.#in.push(chunk)
  }

  keep(): void {
    this.#in.keep()
  }

  markDirty(): void {
    this.dirty = true
  }

  next(): ServerStep {
    try {
      return this.#next()
    } catch (error) {
      if (error instanceof ProtocolError) return this.#broken(error.message)
      throw error
    }
  }

  #next(): ServerStep {
    const cursor = this.#in
    for (;;) {
      if (this.#boundary) {
        if (cursor.hasRun) return this.#run()
        this.#boundary = false
        return 'boundary'
      }
      const fake = this.#fake()
      if (fake !== undefined) {
        if (cursor.hasRun) return this.#run()
        this.ledger.shift()
        if (this.#abandoned) continue
        this.bytes = fake
        return 'forward'
      }
      if (this.#left > 0) {
        const n = Math.min(this.#left, cursor.available)
        cursor.pos += n
        this.#left -= n
        if (this.#swallow) cursor.dropRun()
        if (this.#left > 0) break
        continue
      }
      if (cursor.available < HEADER) break
      const type = cursor.buffer[cursor.pos]!
      const length = cursor.buffer.readUInt32BE(cursor.pos + 1)
      if (length < 4 || length > 0x4000_0000) return this.#broken('a message of impossible length')
      const step = this.#message(type, length + 1)
      if (step === 'wait') break
      if (step !== undefined) return step
    }
    if (cursor.hasRun) return this.#run()
    return 'starved'
  }

  /** The reply that Weir itself owes next, when it is its turn. */
  #fake(): Buffer | undefined {
    if (this.#left > 0) return undefined
    const head = this.ledger.head
    if (head === OWED.PARSE_FAKED) return parseComplete()
    if (head === OWED.CLOSE_FAKED) return closeComplete()
    return undefined
  }

  #run(): ServerStep {
    this.bytes = this.#in.takeRun()
    return 'forward'
  }

  /** Lets the message pass to the client, or past it. */
  #pass(total: number, swallow: boolean): 'forward' | undefined {
    const cursor = this.#in
    const swallowed = swallow || this.#abandoned
    if (swallowed && cursor.hasRun) return this.#run() as 'forward'
    this.#left = total
    this.#swallow = swallowed
    return undefined
  }

  /** Handles one message; 'wait' when it must be read whole and has not arrived. */
  #message(type: number, total: number): ServerStep | 'wait' | undefined {
    const ledger = this.ledger
    switch (type) {
      case BACKEND.DATA_ROW:
        if (ledger.head === OWED.ASK) return this.#answerRow(total)
        return this.#pass(total, this.#hushed)
      case BACKEND.COPY_DATA:
      case BACKEND.COPY_DONE:
      case BACKEND.COPY_OUT_RESPONSE:
      case BACKEND.COPY_BOTH_RESPONSE:
      case BACKEND.FUNCTION_CALL_RESPONSE:
      case BACKEND.NOTICE_RESPONSE:
        return this.#pass(total, this.#hushed)
      case BACKEND.ROW_DESCRIPTION:
      case BACKEND.NO_DATA:
        return this.#description(total)
      case BACKEND.PARAMETER_DESCRIPTION:
        return this.#pass(total, false)
      case BACKEND.COPY_IN_RESPONSE: {
        const step = this.#pass(total, this.#hushed)
        if (step !== undefined) return step
        ledger.copyStarted()
        return undefined
      }
      case BACKEND.COMMAND_COMPLETE:
        return this.#commandComplete(total)
      case BACKEND.EMPTY_QUERY_RESPONSE:
      case BACKEND.PORTAL_SUSPENDED: {
        const step = this.#pass(total, this.#hushed)
        if (step === undefined && ledger.head === OWED.EXECUTE) ledger.shift()
        return step
      }
      case BACKEND.PARSE_COMPLETE:
        return this.#parseComplete(total)
      case BACKEND.BIND_COMPLETE: {
        const ours = ledger.head === OWED.BIND_INJECTED
        if (!ours && ledger.head !== OWED.BIND) return this.#broken('an unexpected BindComplete')
        const step = this.#pass(total, ours)
        if (step === undefined) ledger.shift()
        return step
      }
      case BACKEND.CLOSE_COMPLETE: {
        const head = ledger.head
        if (head !== OWED.CLOSE && head !== OWED.CLOSE_INJECTED) {
          return this.#broken('an unexpected CloseComplete')
        }
        const step = this.#pass(total, head === OWED.CLOSE_INJECTED)
        if (step !== undefined) return step
        const evicted = head === OWED.CLOSE_INJECTED ? ledger.headUndo?.statement : undefined
        if (evicted !== undefined) this.prepared.closed(evicted)
        ledger.shift()
        return undefined
      }
      case BACKEND.READY_FOR_QUERY:
        return this.#ready(total)
      case BACKEND.ERROR_RESPONSE:
        return this.#errorResponse(total)
      case BACKEND.NOTIFICATION_RESPONSE:
        return this.#pass(total, !this.notifications)
      case BACKEND.PARAMETER_STATUS:
        return this.#parameterStatus(total)
      default:
        return this.#broken(
          `an unexpected message of type ${JSON.stringify(String.fromCharCode(type))}`,
        )
    }
  }

  /** What arrives now answers something that the client never asked. */
  get #hushed(): boolean {
    const { head } = this.ledger
    if (head === OWED.QUERY) return this.#own === 0
    return head === OWED.QUIET || head === OWED.ASK || head === OWED.EXECUTE_INJECTED
  }

  #description(total: number): ServerStep | undefined {
    const step = this.#pass(total, this.#hushed)
    if (step === undefined && this.ledger.head === OWED.DESCRIBE) this.ledger.shift()
    return step
  }

  #answerRow(total: number): ServerStep | 'wait' | undefined {
    const cursor = this.#in
    if (total > READ_WHOLE_BYTES) return this.#broken('an answer of impossible length')
    if (cursor.available < total) return 'wait'
    this.#row = readDataRow(cursor.body(total))
    return this.#pass(total, true)
  }

  #commandComplete(total: number): ServerStep | 'wait' | undefined {
    const cursor = this.#in
    if (cursor.available < total && total < READ_WHOLE_BYTES) return 'wait'
    const ledger = this.ledger
    const effect = effectOfTag(cursor.buffer, cursor.pos + HEADER, cursor.pos + total - 1)
    if (effect === 'deallocated' || effect === 'discarded') {
      this.prepared.clear()
      if (effect === 'discarded') {
        this.settings = new Map()
        this.settingsKey = ''
        this.sequencesOf = undefined
      }
      if (!this.#hushed && !this.#abandoned) this.onDeallocated?.()
    } else if (effect === 'rolled-back') {
      this.rolledBack = true
    } else if (effect === 'reshaped' && !this.dirty) {
      // A pinned session's own temporary tables come and go all the time, and concern nobody.
      this.prepared.outdated()
      this.#reshaped = true
    }
    const step = this.#pass(total, this.#hushed)
    if (step !== undefined) return step
    ledger.copyIn = false
    const { head } = ledger
    if (head === OWED.EXECUTE || head === OWED.EXECUTE_INJECTED) ledger.shift()
    else if (head === OWED.QUERY && ledger.headUndo !== undefined) this.#oneOfOwn(ledger.headUndo)
    return undefined
  }

  #oneOfOwn({ own }: Undo): void {
    if (own === undefined) return
    this.#own = (this.#own < 0 ? own : this.#own) - 1
  }

  #parseComplete(total: number): ServerStep | undefined {
    const ledger = this.ledger
    const head = ledger.head
    if (head < OWED.PARSE || head > OWED.PARSE_UNNAMED_INJECTED) {
      return this.#broken('an unexpected ParseComplete')
    }
    const injected = head === OWED.PARSE_INJECTED || head === OWED.PARSE_UNNAMED_INJECTED
    const step = this.#pass(total, injected)
    if (step !== undefined) return step
    const undo = ledger.headUndo
    if (undo?.statement !== undefined && undo.batch !== undefined) {
      this.prepared.confirm(undo.statement, undo.batch)
    }
    undo?.accept?.()
    ledger.shift()
    return undefined
  }

  #ready(total: number): ServerStep | 'wait' | undefined {
    const cursor = this.#in
    if (total !== 6) return this.#broken('a ReadyForQuery of wrong length')
    if (cursor.available < total) return 'wait'
    const ledger = this.ledger
    const head = ledger.head
    if (head < 0 || head > OWED.ASK) return this.#broken('an unexpected ReadyForQuery')
    const step = this.#pass(total, head === OWED.QUIET || head === OWED.ASK)
    if (step !== undefined) return step
    if (head === OWED.QUERY) this.#own = -1
    const status = cursor.buffer[cursor.pos + HEADER]
    this.status =
      status === STATUS.IDLE ? 'idle' : status === STATUS.IN_TRANSACTION ? 'open' : 'failed'
    if (this.#reshaped && this.status === 'idle') {
      // Until the commit others went on preparing for the old shape.
      this.#reshaped = false
      this.prepared.outdated()
    }
    ledger.copyIn = false
    const answered = head === OWED.ASK ? ledger.headUndo?.answer : undefined
    ledger.shift()
    cursor.pos += total
    this.#left = 0
    if (this.#swallow) cursor.dropRun()
    if (answered !== undefined) {
      const row = this.#row
      this.#row = undefined
      answered(row, this.status)
    }
    if (ledger.empty) this.#boundary = true
    return undefined
  }

  #errorResponse(total: number): ServerStep | 'wait' | undefined {
    const cursor = this.#in
    if (total > READ_WHOLE_BYTES) return this.#broken('an error message of impossible length')
    if (cursor.available < total) return 'wait'
    if (cursor.hasRun) return this.#run()
    const ledger = this.ledger
    const head = ledger.head
    const fields = readErrorFields(cursor.body(total))
    this.sign = fields.code
    const fatal = fields.severity === 'FATAL' || fields.severity === 'PANIC'
    if (head === OWED.ASK && !fatal) {
      this.#row = undefined
      return this.#pass(total, true)
    }
    if (fatal || head === OWED.QUIET) {
      const error = errorFrom('WEIR_SERVER_LOST', fields)
      cursor.pos += total
      cursor.dropRun()
      if (!fatal && ledger.length === 1) {
        // Nothing rides behind it: whoever waits for the boundary can deal with it.
        this.quietError = error
        this.dirty = true
        return undefined
      }
      this.error = error
      return 'broken'
    }
    if (head >= OWED.PARSE) {
      if (fields.code === '0A000' && fields.routine === PLAN_CHECK) this.prepared.outdated()
      const undo = ledger.headUndo
      ledger.fail()
      if (undo !== undefined) return this.#retold(total, undo, fields)
    } else if (head === OWED.QUERY) {
      ledger.copyIn = false
      this.#own = -1
      if (ledger.headUndo !== undefined) return this.#retold(total, ledger.headUndo, fields)
    }
    return this.#pass(total, false)
  }

  /** The error as the client is to read it. */
  #retold(total: number, undo: Undo, fields: ErrorFields): ServerStep | undefined {
    const told = undo.refusal ?? inClientWords(fields, undo)
    if (told === undefined) return this.#pass(total, false)
    this.#in.pos += total
    this.#in.dropRun()
    if (this.#abandoned) return undefined
    this.bytes = told
    return 'forward'
  }

  #parameterStatus(total: number): ServerStep | 'wait' | undefined {
    const cursor = this.#in
    if (total > READ_WHOLE_BYTES) return this.#broken('a parameter of impossible length')
    if (cursor.available < total) return 'wait'
    const { head } = this.ledger
    const quiet = head === OWED.QUIET || head === OWED.ASK
    const step = this.#pass(total, quiet)
    if (step !== undefined) return step
    const { name, value } = readParameterStatus(cursor.body(total))
    this.parameters.set(name, value)
    if (!quiet && !this.#abandoned) this.onReported?.(name)
    return undefined
  }

  #broken(what: string): ServerStep {
    this.error = new WeirError('WEIR_SERVER_PROTOCOL', `the server sent ${what}`, {
      sqlstate: '08P01',
    })
    return 'broken'
  }

  abandon(): void {
    this.#abandoned = true
    this.onDeallocated = undefined
    this.onReported = undefined
    this.notifications = false
    if (this.#left > 0) this.#swallow = true
    this.#in.dropRun()
  }

  reclaim(): void {
    this.#abandoned = false
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

  /** Bytes that run `sql` with its reply swallowed, error and all; its one row goes to `answer`. */
  silently(sql: string, answer?: Answered): Buffer {
    const undo = answer && { answer, restore: () => answer(undefined, undefined) }
    this.ledger.push(OWED.ASK, undo)
    this.prepared.unnamed = undefined
    return query(sql)
  }

  /** As `silently`, also inside a batch of the client's; an error there is the batch's. */
  aside(sql: string): Buffer {
    return this.ledger.batchOpen ? asideBytes(this.ledger, sql) : this.silently(sql)
  }
}
