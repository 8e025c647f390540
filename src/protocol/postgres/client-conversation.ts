/**
 * What a client's bytes ask for after login. Looks at headers, reads whole only what changes pooling
 * (Query, Parse, Bind's names, Describe, Close), and writes what is owed into the ledger of the
 * server connection it is attached to. Rule: `need-server` consumes nothing, so a request that never
 * got a server connection was never sent anywhere.
 */
import { WeirError } from '../../core/errors.ts'
import { closeComplete, parseComplete, readyForQuery } from '../../wire/postgres/backend.ts'
import { FRONTEND, HEADER } from '../../wire/postgres/codes.ts'
import { describe } from '../../wire/postgres/frontend.ts'
import { ProtocolError } from '../../wire/postgres/protocol-error.ts'
import { readParse, readTarget } from '../../wire/postgres/read.ts'
import type { ClientConversation, ClientStep, ServerConversation } from '../contract.ts'
import { readBindHead, readParseName, renamedBindHead } from './bind-head.ts'
import { ByteCursor } from './byte-cursor.ts'
import { ClientStatements } from './client-statements.ts'
import { isCopyMessage, isUnnamedPortal, limitOf } from './frontend-rules.ts'
import { OWED } from './ledger.ts'
import { Outbox } from './outbox.ts'
import { PinWatch } from './pin-watch.ts'
import { errorBytesOf, fatalBytes, lostReplies } from './refusal.ts'
import { PostgresServerConversation } from './server-conversation.ts'
import { bringSettings } from './settings.ts'
import { classify } from './sql/classify.ts'
import { isPlain } from './sql/glance.ts'
import type { Statements } from './statements.ts'

const NOTHING = Buffer.alloc(0)

export interface ClientConversationOptions {
  readonly settings: ReadonlyMap<string, string>
  readonly settingsKey: string
  /** Database, user and the settings that give a text its meaning, as one key. */
  readonly realm: string
  readonly statements: Statements
  /** Longest message that is read whole, bytes. */
  readonly inspectBytes: number
}

export class PostgresClientConversation implements ClientConversation {
  bytes: Buffer = NOTHING
  readonly pin = new PinWatch()
  /** Query, Execute and FunctionCall messages sent on so far. */
  requests = 0
  #options: ClientConversationOptions
  #statements: ClientStatements
  #in = new ByteCursor()
  #server: PostgresServerConversation | undefined
  #toServer = new Outbox()
  #toClient = new Outbox()
  /** Bytes of the current message not passed yet; thrown away instead of forwarded when `#drop`. */
  #left = 0
  #drop = false
  /** Throwing away what cannot be served: one Query or FunctionCall, or a batch up to its Sync. */
  #discarding: 'no' | 'request' | 'batch' = 'no'
  #readyAfterDrop = false
  #emit = (bytes: Buffer): void => {
    if (this.#in.hasRun) this.#toServer.push(this.#in.takeRun())
    this.#toServer.push(bytes)
  }

  constructor(options: ClientConversationOptions) {
    this.#options = options
    this.#statements = new ClientStatements(options.statements, options.realm)
  }

  get waitingBytes(): number {
    return this.#in.waiting
  }

  get atMessageEnd(): boolean {
    return this.#left === 0 || this.#drop
  }

  push(chunk: Buffer): void {
    this.#in.push(chunk)
  }

  keep(): void {
    this.#in.keep()
  }

  attach(server: ServerConversation): Buffer {
    if (!(server instanceof PostgresServerConversation)) throw new Error('BUG: foreign server')
    this.#server = server
    server.onDeallocated = () => this.#statements.clear()
    const { settings, settingsKey } = this.#options
    const sql = bringSettings(server, settings, settingsKey)
    return sql === '' ? NOTHING : server.quietly(sql)
  }

  detach(): void {
    if (this.#server !== undefined) this.#server.onDeallocated = undefined
    this.#server = undefined
  }

  next(): ClientStep {
    try {
      return this.#next()
    } catch (error) {
      if (error instanceof ProtocolError) return this.#broken(error.message)
      throw error
    }
  }

  #next(): ClientStep {
    const cursor = this.#in
    for (;;) {
      if (!this.#toServer.empty) {
        this.bytes = this.#toServer.take()
        return 'forward'
      }
      if (!this.#toClient.empty) {
        this.bytes = this.#toClient.take()
        return 'answer'
      }
      if (this.#left > 0) {
        const n = Math.min(this.#left, cursor.available)
        cursor.pos += n
        this.#left -= n
        if (this.#drop) cursor.dropRun()
        if (this.#left > 0) break
        if (this.#drop) this.#dropped()
        continue
      }
      if (cursor.available < HEADER) break
      const type = cursor.buffer[cursor.pos]!
      const length = cursor.buffer.readUInt32BE(cursor.pos + 1)
      const limit = limitOf(type)
      if (limit === 0) return this.#broken(`invalid frontend message type ${type}`)
      if (length < 4 || length > limit) return this.#broken('invalid message length')
      const step =
        this.#discarding === 'no'
          ? this.#message(type, length + 1)
          : this.#discard(type, length + 1)
      if (step === 'wait') break
      if (step !== undefined) return step
    }
    return cursor.hasRun ? this.#forwardRun() : this.#starved()
  }

  /** Nothing more to read. What Weir owes and nobody else will trigger is given out now. */
  #starved(): ClientStep {
    const server = this.#server
    if (server === undefined || !server.ledger.onlyFakes) return 'starved'
    if (server.next() !== 'forward') return 'starved'
    this.bytes = server.bytes
    return 'answer'
  }

  #broken(message: string): ClientStep {
    this.bytes = fatalBytes(new WeirError('WEIR_CLIENT_PROTOCOL', message, { sqlstate: '08P01' }))
    return 'broken'
  }

  #message(type: number, total: number): ClientStep | 'wait' | undefined {
    const cursor = this.#in
    const server = this.#server
    if (server === undefined) return this.#alone(type, total)
    if (server.ledger.copyIn && !isCopyMessage(type)) {
      // The server refuses it by itself and owes nothing more for it.
      if (type === FRONTEND.TERMINATE) return 'goodbye'
      this.#left = total
      return undefined
    }
    switch (type) {
      case FRONTEND.QUERY:
        return this.#query(server, total)
      case FRONTEND.PARSE:
        return this.#parse(server, total)
      case FRONTEND.BIND:
        return this.#bind(server, total)
      case FRONTEND.DESCRIBE:
      case FRONTEND.CLOSE:
        return this.#target(server, type, total)
      case FRONTEND.EXECUTE:
        server.ledger.openBatch()
        server.ledger.push(OWED.EXECUTE)
        this.requests++
        break
      case FRONTEND.SYNC:
        if (!server.ledger.copyIn) {
          server.ledger.push(OWED.SYNC)
          server.ledger.closeBatch()
        }
        break
      case FRONTEND.FUNCTION_CALL:
        server.ledger.push(OWED.FUNCTION)
        this.requests++
        server.ledger.closeBatch()
        break
      case FRONTEND.COPY_DONE:
      case FRONTEND.COPY_FAIL:
        server.ledger.copyEnded()
        break
      case FRONTEND.TERMINATE:
        return cursor.hasRun ? this.#forwardRun() : 'goodbye'
    }
    this.#left = total
    return undefined
  }

  /** What can be done without a server connection; everything else asks for one. */
  #alone(type: number, total: number): ClientStep | 'wait' | undefined {
    const cursor = this.#in
    switch (type) {
      case FRONTEND.TERMINATE:
        return 'goodbye'
      case FRONTEND.SYNC:
        this.#skip(total, true)
        return undefined
      case FRONTEND.FLUSH:
      case FRONTEND.COPY_DATA:
      case FRONTEND.COPY_DONE:
      case FRONTEND.COPY_FAIL:
        // Outside of a copy the server accepts and ignores these (postgres.c, PostgresMain).
        this.#skip(total, false)
        return undefined
      case FRONTEND.PARSE: {
        if (total > this.#options.inspectBytes) return 'need-server'
        if (cursor.available < total) return 'wait'
        const { name, text, types } = readParse(cursor.body(total))
        if (!this.#statements.parseAlone(name, text, types)) return 'need-server'
        this.#toClient.push(parseComplete())
        this.#skip(total, false)
        return undefined
      }
      case FRONTEND.CLOSE: {
        if (cursor.available < total) return 'wait'
        const { kind, name } = readTarget(cursor.body(total))
        if (kind === 'P' || name === '') return 'need-server'
        this.#statements.closeAlone(name)
        this.#toClient.push(closeComplete())
        this.#skip(total, false)
        return undefined
      }
      default:
        return 'need-server'
    }
  }

  #forwardRun(): ClientStep {
    this.bytes = this.#in.takeRun()
    return 'forward'
  }

  #query(server: PostgresServerConversation, total: number): ClientStep | 'wait' | undefined {
    const cursor = this.#in
    if (total > this.#options.inspectBytes) {
      if (this.pin.tell('unread-text', undefined)) return 'pin'
    } else {
      if (cursor.available < total) return 'wait'
      const start = cursor.pos + HEADER
      const end = cursor.pos + total - 1
      if (!isPlain(cursor.buffer, start, end)) {
        const text = cursor.buffer.subarray(start, end)
        if (this.pin.sees(classify(text).effects, text)) return 'pin'
      }
    }
    server.ledger.push(OWED.QUERY, this.#statements.dropUnnamed(server))
    this.requests++
    server.ledger.closeBatch()
    this.#left = total
    return undefined
  }

  #parse(server: PostgresServerConversation, total: number): ClientStep | 'wait' | undefined {
    const cursor = this.#in
    server.ledger.openBatch()
    if (total > this.#options.inspectBytes) {
      // Too long to keep for another server connection: it lives and dies on this one.
      const name = readParseName(cursor.buffer, cursor.pos)
      if (name === undefined) return 'wait'
      if (this.pin.tell('large-statement', undefined)) return 'pin'
      this.#statements.parseLarge(server, name)
      this.#left = total
      return undefined
    }
    if (cursor.available < total) return 'wait'
    const { name, text, types } = readParse(cursor.body(total))
    if (name === '') {
      this.#statements.parseUnnamed(server, text, types)
      this.#left = total
      return undefined
    }
    this.#statements.parseNamed(server, name, text, types, this.#emit)
    this.#leaveOut(total)
    return undefined
  }

  #bind(server: PostgresServerConversation, total: number): ClientStep | 'wait' | undefined {
    const cursor = this.#in
    const start = cursor.pos
    const head = readBindHead(cursor.buffer, start, total, cursor.end)
    if (head === 'wait') return 'wait'
    const { portalEnd, nameStart, nameEnd } = head
    const name = this.#statements.nameIn(cursor.buffer, nameStart, nameEnd)
    const statement = this.#statements.find(name)
    if (statement !== undefined) {
      if (this.pin.sees(statement.classification.effects, statement.text)) return 'pin'
    }
    server.ledger.openBatch()
    const serverName = this.#statements.bring(server, OWED.BIND, name, this.#emit)
    if (serverName === name) {
      this.#left = total
      return undefined
    }
    this.#emit(renamedBindHead(cursor.buffer, start, total - 1, portalEnd, nameEnd, serverName))
    cursor.pos = nameEnd + 1
    cursor.dropRun()
    this.#left = total - (nameEnd + 1 - start)
    return undefined
  }

  #target(
    server: PostgresServerConversation,
    type: number,
    total: number,
  ): ClientStep | 'wait' | undefined {
    const cursor = this.#in
    if (cursor.available < total) return 'wait'
    if (!isUnnamedPortal(cursor.buffer, cursor.pos, total)) {
      const { kind, name } = readTarget(cursor.body(total))
      if (kind === 'S') return this.#statement(server, type, total, name)
    }
    server.ledger.openBatch()
    server.ledger.push(type === FRONTEND.CLOSE ? OWED.CLOSE : OWED.DESCRIBE)
    this.#left = total
    return undefined
  }

  /** Describe or Close of a statement. */
  #statement(server: PostgresServerConversation, type: number, total: number, name: string) {
    server.ledger.openBatch()
    if (type === FRONTEND.CLOSE) {
      if (this.#statements.close(server, name) === 'answered') this.#leaveOut(total)
      else this.#left = total
      return undefined
    }
    const serverName = this.#statements.bring(server, OWED.DESCRIBE, name, this.#emit)
    if (serverName === name) {
      this.#left = total
      return undefined
    }
    this.#emit(describe('S', serverName))
    this.#leaveOut(total)
    return undefined
  }

  /** Goes on behind the message at hand, for which something else was sent, or nothing. */
  #leaveOut(total: number): void {
    const cursor = this.#in
    if (cursor.hasRun) this.#toServer.push(cursor.takeRun())
    cursor.pos += total
    cursor.dropRun()
  }

  /** Leaves a message out; the client is told ReadyForQuery after it when `ready`. */
  #skip(total: number, ready: boolean): void {
    this.#drop = true
    this.#readyAfterDrop = ready
    this.#left = total
  }

  #dropped(): void {
    this.#drop = false
    if (this.#readyAfterDrop) this.#toClient.push(readyForQuery('I'))
    this.#readyAfterDrop = false
  }

  #discard(type: number, total: number): ClientStep | undefined {
    if (type === FRONTEND.TERMINATE) return 'goodbye'
    const ends = this.#discarding === 'request' || type === FRONTEND.SYNC
    if (ends) this.#discarding = 'no'
    this.#skip(total, ends)
    return undefined
  }

  failRequest(error: WeirError): void {
    const type = this.#in.buffer[this.#in.pos]
    const alone = type === FRONTEND.QUERY || type === FRONTEND.FUNCTION_CALL
    this.#discarding = alone ? 'request' : 'batch'
    this.#toClient.push(errorBytes(error))
  }

  serverLost(error: WeirError): Buffer | undefined {
    const server = this.#server
    if (server === undefined) return NOTHING
    if (server.midMessage || !this.atMessageEnd) return undefined
    if (server.status !== 'idle' || server.ledger.copyIn) return undefined
    const replies = lostReplies(server.ledger, errorBytes(error))
    if (server.ledger.batchOpen) this.#discarding = 'batch'
    this.#toServer.clear()
    return replies
  }
}

function errorBytes(error: WeirError): Buffer {
  return errorBytesOf(error, 'ERROR')
}
