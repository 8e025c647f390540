/**
 * What a node's bytes mean: looks at five-byte headers, asks the ledger whose reply it is, and gives
 * out runs of messages with the same fate. Rule: only messages that change pooling are read whole;
 * rows and COPY data pass by unlooked at, however large.
 */
import { WeirError } from '../../core/errors.ts'
import { closeComplete, errorResponse, parseComplete } from '../../wire/postgres/backend.ts'
import { BACKEND, HEADER, STATUS } from '../../wire/postgres/codes.ts'
import { query, terminate } from '../../wire/postgres/frontend.ts'
import { ProtocolError } from '../../wire/postgres/protocol-error.ts'
import { readErrorFields, readParameterStatus } from '../../wire/postgres/read.ts'
import type { CancelKey, ServerConversation, ServerStep, TransactionStatus } from '../contract.ts'
import { ByteCursor } from './byte-cursor.ts'
import { cleanUp } from './clean-up.ts'
import { Ledger, OWED } from './ledger.ts'
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
  /** Statements sent by Weir itself, ahead of a client's Bind or Describe. */
  injected = 0
  readonly ledger = new Ledger()
  readonly prepared: PreparedBook
  readonly parameters: Map<string, string>
  readonly cancelKey: CancelKey | undefined
  #initQuery: string
  #in = new ByteCursor()
  /** Bytes of the current message that have not passed yet, and whether they are swallowed. */
  #left = 0
  #swallow = false
  #abandoned = false
  #boundary = false
  /** A table or view was changed in the transaction at hand. */
  #reshaped = false
  /** `DISCARD ALL` or `DEALLOCATE ALL` took the server's prepared statements away. */
  onDeallocated: (() => void) | undefined

  constructor(options: ServerConversationOptions) {
    this.parameters = options.parameters
    this.cancelKey = options.cancelKey
    this.prepared = new PreparedBook(options.preparedLimit, options.shapes)
    this.#initQuery = options.initQuery
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
      case BACKEND.COPY_DATA:
      case BACKEND.COPY_DONE:
      case BACKEND.COPY_OUT_RESPONSE:
      case BACKEND.COPY_BOTH_RESPONSE:
      case BACKEND.FUNCTION_CALL_RESPONSE:
      case BACKEND.NOTICE_RESPONSE:
        return this.#pass(total, ledger.head === OWED.QUIET)
      case BACKEND.ROW_DESCRIPTION:
      case BACKEND.NO_DATA:
        return this.#description(total)
      case BACKEND.PARAMETER_DESCRIPTION:
        return this.#pass(total, false)
      case BACKEND.COPY_IN_RESPONSE: {
        const step = this.#pass(total, ledger.head === OWED.QUIET)
        if (step !== undefined) return step
        ledger.copyStarted()
        return undefined
      }
      case BACKEND.COMMAND_COMPLETE:
        return this.#commandComplete(total)
      case BACKEND.EMPTY_QUERY_RESPONSE:
      case BACKEND.PORTAL_SUSPENDED: {
        const step = this.#pass(total, ledger.head === OWED.QUIET)
        if (step === undefined && ledger.head === OWED.EXECUTE) ledger.shift()
        return step
      }
      case BACKEND.PARSE_COMPLETE:
        return this.#parseComplete(total)
      case BACKEND.BIND_COMPLETE:
        if (ledger.head !== OWED.BIND) return this.#broken('an unexpected BindComplete')
        ledger.shift()
        return this.#pass(total, false)
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
        return this.#pass(total, false)
      case BACKEND.PARAMETER_STATUS:
        return this.#parameterStatus(total)
      default:
        return this.#broken(
          `an unexpected message of type ${JSON.stringify(String.fromCharCode(type))}`,
        )
    }
  }

  #description(total: number): ServerStep | undefined {
    const { head } = this.ledger
    if (head === OWED.DESCRIBE) this.ledger.shift()
    return this.#pass(total, head === OWED.QUIET)
  }

  #commandComplete(total: number): ServerStep | 'wait' | undefined {
    const cursor = this.#in
    if (cursor.available < total && total < READ_WHOLE_BYTES) return 'wait'
    const ledger = this.ledger
    const effect = effectOfTag(cursor.buffer, cursor.pos + HEADER, cursor.pos + total - 1)
    if (effect === 'deallocated') {
      this.prepared.clear()
      if (ledger.head !== OWED.QUIET && !this.#abandoned) this.onDeallocated?.()
    } else if (effect === 'reshaped' && !this.dirty) {
      // A pinned session's own temporary tables come and go all the time, and concern nobody.
      this.prepared.outdated()
      this.#reshaped = true
    }
    const step = this.#pass(total, ledger.head === OWED.QUIET)
    if (step !== undefined) return step
    ledger.copyIn = false
    if (ledger.head === OWED.EXECUTE) ledger.shift()
    return undefined
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
    ledger.shift()
    return undefined
  }

  #ready(total: number): ServerStep | 'wait' | undefined {
    const cursor = this.#in
    if (total !== 6) return this.#broken('a ReadyForQuery of wrong length')
    if (cursor.available < total) return 'wait'
    const ledger = this.ledger
    const head = ledger.head
    if (head < 0 || head > OWED.QUIET) return this.#broken('an unexpected ReadyForQuery')
    const step = this.#pass(total, head === OWED.QUIET)
    if (step !== undefined) return step
    const status = cursor.buffer[cursor.pos + HEADER]
    this.status =
      status === STATUS.IDLE ? 'idle' : status === STATUS.IN_TRANSACTION ? 'open' : 'failed'
    if (this.#reshaped && this.status === 'idle') {
      // Until the commit others went on preparing for the old shape.
      this.#reshaped = false
      this.prepared.outdated()
    }
    ledger.copyIn = false
    ledger.shift()
    cursor.pos += total
    this.#left = 0
    if (this.#swallow) cursor.dropRun()
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
      const { statement, clientName } = ledger.headUndo ?? {}
      ledger.fail()
      if (clientName !== undefined && fields.message.includes(`"${statement!.serverName}"`)) {
        cursor.pos += total
        cursor.dropRun()
        const message = fields.message.replace(statement!.serverName, () => clientName)
        this.bytes = errorResponse({ ...fields, message })
        return 'forward'
      }
    } else if (head === OWED.QUERY) ledger.copyIn = false
    return this.#pass(total, false)
  }

  #parameterStatus(total: number): ServerStep | 'wait' | undefined {
    const cursor = this.#in
    if (total > READ_WHOLE_BYTES) return this.#broken('a parameter of impossible length')
    if (cursor.available < total) return 'wait'
    const step = this.#pass(total, this.ledger.head === OWED.QUIET)
    if (step !== undefined) return step
    const { name, value } = readParameterStatus(cursor.body(total))
    this.parameters.set(name, value)
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
    if (this.#left > 0) this.#swallow = true
    this.#in.dropRun()
  }

  reclaim(): void {
    this.#abandoned = false
    if (this.quietError === undefined) this.dirty = false
  }

  cleanUp(): Buffer | undefined {
    this.quietError = undefined
    return cleanUp(this)
  }

  forgetState(): void {
    this.settings = new Map()
    this.settingsKey = ''
    this.prepared.clear()
  }

  initialise(): Buffer {
    return this.#initQuery === '' ? NOTHING : this.quietly(this.#initQuery)
  }

  /** Bytes that run `sql` with its reply swallowed. */
  quietly(sql: string): Buffer {
    this.ledger.push(OWED.QUIET)
    this.prepared.unnamed = undefined
    return query(sql)
  }
}
