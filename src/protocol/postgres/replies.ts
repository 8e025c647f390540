/**
 * One message of a node at a time: whose reply it is, what it changes in the books, and whether the
 * client is told. Rule: only messages that change pooling are read whole; rows and COPY data pass by
 * unlooked at, however large.
 */
import { BACKEND, HEADER, STATUS } from '../../wire/postgres/codes.ts'
import type { ErrorFields } from '../../wire/postgres/error-fields.ts'
import { readDataRow, readErrorFields, readParameterStatus } from '../../wire/postgres/read.ts'
import type { ServerStep } from '../contract.ts'
import { bindCompleted, closeCompleted, parseCompleted } from './batch-replies.ts'
import { inClientWords } from './errands.ts'
import { type Ledger, OWED, type Undo } from './ledger.ts'
import { errorFrom } from './refusal.ts'
import { broken, type Replied } from './replied.ts'
import type { ReplyStream } from './reply-stream.ts'
import { shapeOf } from './result-shape.ts'
import { effectOfTag } from './tags.ts'

/** Messages that are read whole may be this long; nothing a server says of itself is longer. */
const READ_WHOLE_BYTES = 4 * 1_048_576
/** A server reports about fifteen of its settings, an extension perhaps a few more. */
const MOST_PARAMETERS = 1_000
/** Who says "cached plan must not change result type"; plancache.c of PostgreSQL. */
const PLAN_CHECK = 'RevalidateCachedQuery'
/** What a server may say at any time. */
const UNASKED: ReadonlySet<number> = new Set([
  BACKEND.NOTICE_RESPONSE,
  BACKEND.PARAMETER_STATUS,
  BACKEND.NOTIFICATION_RESPONSE,
  BACKEND.ERROR_RESPONSE,
])

export class Replies {
  /** The last reply owed has passed. */
  boundary = false
  /** What the client's side waits for has come. */
  heard = false
  /** The client has heard what it was to hear before the end of the answer at hand. */
  proceeds = false
  #server: Replied
  #stream: ReplyStream
  #ledger: Ledger
  /** A table or view was changed in the transaction at hand. */
  #reshaped = false
  /** Of the Query at hand: how many results it has given, and whether the next one is ours. */
  #results = 0
  #ours = false
  #row: readonly (string | null)[] | undefined
  /** The Query at hand has failed, or the client has been told what it is told instead. */
  #told = false

  constructor(server: Replied, stream: ReplyStream) {
    this.#server = server
    this.#stream = stream
    this.#ledger = server.ledger
  }

  /** Handles the message at the cursor; 'wait' when it must be read whole and has not arrived. */
  message(type: number, total: number): ServerStep | 'wait' | undefined {
    const ledger = this.#ledger
    const stream = this.#stream
    // No client can tell an answer that nobody asked for from the one to its next request.
    if (ledger.empty && !UNASKED.has(type)) return this.#unexpected(type)
    switch (type) {
      case BACKEND.DATA_ROW:
        if (ledger.head === OWED.ASK) return this.#answerRow(total)
        // Rows come by the thousand and share one fate.
        return stream.pass(stream.in.alike(type, total), this.#hushed())
      case BACKEND.COPY_DATA:
        return stream.pass(stream.in.alike(type, total), this.#hushed())
      case BACKEND.COPY_DONE:
      case BACKEND.COPY_OUT_RESPONSE:
      case BACKEND.COPY_BOTH_RESPONSE:
      case BACKEND.FUNCTION_CALL_RESPONSE:
      case BACKEND.NOTICE_RESPONSE:
        return stream.pass(total, this.#hushed())
      case BACKEND.ROW_DESCRIPTION:
      case BACKEND.NO_DATA:
        return this.#description(type, total)
      case BACKEND.PARAMETER_DESCRIPTION:
        return stream.pass(total, ledger.head === OWED.DESCRIBE_INJECTED)
      case BACKEND.COPY_IN_RESPONSE: {
        const step = stream.pass(total, this.#hushed())
        if (step === undefined) ledger.copyStarted()
        return step
      }
      case BACKEND.COMMAND_COMPLETE:
        return this.#commandComplete(total)
      case BACKEND.EMPTY_QUERY_RESPONSE:
      case BACKEND.PORTAL_SUSPENDED: {
        const step = stream.pass(total, this.#hushed())
        if (step === undefined && ledger.head === OWED.EXECUTE) ledger.executed()
        return step
      }
      case BACKEND.PARSE_COMPLETE:
        return parseCompleted(this.#server, stream, total)
      case BACKEND.BIND_COMPLETE:
        return bindCompleted(this.#server, stream, total)
      case BACKEND.CLOSE_COMPLETE:
        return closeCompleted(this.#server, stream, total)
      case BACKEND.READY_FOR_QUERY:
        return this.#ready(total)
      case BACKEND.ERROR_RESPONSE:
        return this.#errorResponse(total)
      case BACKEND.NOTIFICATION_RESPONSE:
        return stream.pass(total, !this.#server.notifications)
      case BACKEND.PARAMETER_STATUS:
        return this.#parameterStatus(total)
      default:
        return this.#unexpected(type)
    }
  }

  #unexpected(type: number): ServerStep {
    const letter = JSON.stringify(String.fromCharCode(type))
    return broken(this.#server, `an unexpected message of type ${letter}`)
  }

  /** What arrives now answers something that the client never asked. */
  #hushed(): boolean {
    const { head } = this.#ledger
    if (head === OWED.QUERY) {
      return this.#ours || this.#ledger.headUndo?.instead !== undefined
    }
    return head === OWED.QUIET || head === OWED.ASK || head === OWED.EXECUTE_INJECTED
  }

  #description(type: number, total: number): ServerStep | 'wait' | undefined {
    const ledger = this.#ledger
    const { head } = ledger
    if (head !== OWED.DESCRIBE && head !== OWED.DESCRIBE_INJECTED) {
      return this.#stream.pass(total, this.#hushed())
    }
    const described = ledger.headUndo?.described
    const cursor = this.#stream.in
    if (described !== undefined && cursor.available < total) {
      if (total > READ_WHOLE_BYTES) return broken(this.#server, 'a row of impossible width')
      return 'wait'
    }
    const step = this.#stream.pass(total, head === OWED.DESCRIBE_INJECTED)
    if (step !== undefined) return step
    ledger.shift()
    described?.(shapeOf(type === BACKEND.ROW_DESCRIPTION ? cursor.body(total) : undefined))
    return undefined
  }

  #answerRow(total: number): ServerStep | 'wait' | undefined {
    const cursor = this.#stream.in
    if (total > READ_WHOLE_BYTES) return broken(this.#server, 'an answer of impossible length')
    if (cursor.available < total) return 'wait'
    this.#row = readDataRow(cursor.body(total))
    return this.#stream.pass(total, true)
  }

  #commandComplete(total: number): ServerStep | 'wait' | undefined {
    const cursor = this.#stream.in
    if (cursor.available < total && total < READ_WHOLE_BYTES) return 'wait'
    const ledger = this.#ledger
    const server = this.#server
    const effect = effectOfTag(cursor.buffer, cursor.pos + HEADER, cursor.pos + total - 1)
    if (effect === 'deallocated' || effect === 'discarded') {
      server.prepared.clear()
      if (effect === 'discarded') {
        server.settings = new Map()
        server.settingsKey = ''
        server.sequencesOf = undefined
      }
      if (!this.#hushed() && !this.#stream.abandoned) server.onDeallocated?.()
    } else if (effect === 'rolled-back') {
      server.rolledBack = true
    } else if (effect === 'reshaped' && !server.dirty) {
      // A pinned session's own temporary tables come and go all the time, and concern nobody.
      server.prepared.outdated()
      this.#reshaped = true
    }
    const { head, headUndo } = ledger
    if (head === OWED.EXECUTE && headUndo?.instead !== undefined) {
      if (cursor.hasRun) return this.#stream.run()
      headUndo.accept?.()
      ledger.executed()
      return this.#stream.replace(total, headUndo.instead)
    }
    const step = this.#stream.pass(total, this.#hushed())
    if (step !== undefined) return step
    ledger.copyIn = false
    if (headUndo !== undefined && head !== OWED.ASK) {
      if (!this.#ours) headUndo.accept?.()
      if (head === OWED.QUERY && headUndo.ours !== undefined) {
        this.#ours = headUndo.ours.has(++this.#results)
      }
    }
    if (head === OWED.EXECUTE) ledger.executed()
    else if (head === OWED.EXECUTE_INJECTED) ledger.shift()
    return undefined
  }

  /** The Query at hand gives no more results. */
  #noMoreResults(): void {
    this.#results = 0
    this.#ours = false
  }

  /** Gives out what the client is told instead of results, once: ahead of what ends every query. */
  #tell(): ServerStep | undefined {
    const { head, headUndo } = this.#ledger
    const instead = head === OWED.QUERY ? headUndo?.instead : undefined
    if (instead === undefined || this.#told || this.#stream.abandoned) return undefined
    if (this.#stream.in.hasRun) return this.#stream.run()
    this.#told = true
    return this.#stream.give(instead)
  }

  #ready(total: number): ServerStep | 'wait' | undefined {
    const stream = this.#stream
    const cursor = stream.in
    if (total !== 6) return broken(this.#server, 'a ReadyForQuery of wrong length')
    if (cursor.available < total) return 'wait'
    const ledger = this.#ledger
    const head = ledger.head
    if (head < 0 || head > OWED.ASK) return broken(this.#server, 'an unexpected ReadyForQuery')
    const told = this.#tell() ?? this.#heldBack(cursor.buffer[cursor.pos + HEADER] === STATUS.IDLE)
    if (told !== undefined) return told
    if (this.#server.notifiesOwn && head <= OWED.FUNCTION) {
      const halt = this.#halts(cursor.buffer[cursor.pos + HEADER] === STATUS.IDLE)
      if (halt !== undefined) return halt
    }
    const ours = head === OWED.QUIET || head === OWED.ASK || this.#server.secondTry.due
    const step = stream.pass(total, ours)
    if (step !== undefined) return step
    this.#told = false
    if (head === OWED.QUERY) this.#noMoreResults()
    const server = this.#server
    const status = cursor.buffer[cursor.pos + HEADER]
    server.status =
      status === STATUS.IDLE ? 'idle' : status === STATUS.IN_TRANSACTION ? 'open' : 'failed'
    if (this.#reshaped && server.status === 'idle') {
      // Until the commit others went on preparing for the old shape.
      this.#reshaped = false
      server.prepared.outdated()
    }
    ledger.copyIn = false
    const answered = head === OWED.ASK ? ledger.headUndo?.answer : undefined
    ledger.shift()
    ledger.passed = 0
    ledger.answered++
    stream.advance()
    if (answered !== undefined) {
      const row = this.#row
      this.#row = undefined
      answered(row, server.status)
    }
    if (ledger.empty) {
      this.boundary = true
      if (server.status === 'idle') server.notifiesOwn = false
    }
    return undefined
  }

  /** The statement that was bound is not what it was, and preparing it again mends that. */
  #mayTryAgain({ code, routine }: ErrorFields, undo: Undo | undefined): boolean {
    const server = this.#server
    const { secondTry } = server
    if (!secondTry.armed || server.status !== 'idle' || undo?.statement === undefined) return false
    secondTry.armed = false
    if (this.#ledger.skipping) return false
    if (code === '26000') server.prepared.dropped(undo.statement)
    return code === '26000' || (code === '0A000' && routine === PLAN_CHECK)
  }

  /** The error held back is told after all, unless the batch can be played again. */
  #heldBack(idle: boolean): ServerStep | undefined {
    const { secondTry } = this.#server
    const { held } = secondTry
    if (held === undefined) return undefined
    if (this.#stream.in.hasRun) return this.#stream.run()
    secondTry.held = undefined
    if (idle && this.#ledger.length === 1 && !this.#stream.abandoned) {
      secondTry.due = true
      return undefined
    }
    if (this.#stream.abandoned) return undefined
    return this.#stream.give(held)
  }

  /** At the end of an answer outside a transaction: halts there once. */
  #halts(idle: boolean): ServerStep | undefined {
    if (!idle || this.#stream.abandoned) return undefined
    if (this.#stream.in.hasRun) return this.#stream.run()
    if (!this.proceeds) return 'halt'
    this.proceeds = false
    return undefined
  }

  #errorResponse(total: number): ServerStep | 'wait' | undefined {
    const stream = this.#stream
    const cursor = stream.in
    if (total > READ_WHOLE_BYTES)
      return broken(this.#server, 'an error message of impossible length')
    if (cursor.available < total) return 'wait'
    if (cursor.hasRun) return stream.run()
    const ledger = this.#ledger
    const server = this.#server
    const head = ledger.head
    const fields = readErrorFields(cursor.body(total))
    server.sign = fields.code
    const fatal = fields.severity === 'FATAL' || fields.severity === 'PANIC'
    if (head === OWED.ASK && !fatal) {
      this.#row = undefined
      ledger.headUndo?.refused?.(fields)
      return stream.pass(total, true)
    }
    if (fatal || head === OWED.QUIET) {
      const error = errorFrom('WEIR_SERVER_LOST', fields)
      cursor.pos += total
      cursor.dropRun()
      if (!fatal && ledger.length === 1) {
        // Nothing rides behind it: whoever waits for the boundary can deal with it.
        server.quietError = error
        server.dirty = true
        return undefined
      }
      server.error = error
      return 'broken'
    }
    // What its transaction had done is undone, also where no ROLLBACK will say so.
    server.rolledBack = true
    if (head >= OWED.PARSE) {
      if (fields.code === '0A000' && fields.routine === PLAN_CHECK) server.prepared.outdated()
      const undo = ledger.headUndo
      ledger.fail()
      if (head === OWED.BIND && this.#mayTryAgain(fields, undo)) {
        server.secondTry.held = inClientWords(fields, undo!) ?? Buffer.from(cursor.message(total))
        return stream.pass(total, true)
      }
      if (undo !== undefined) return this.#retold(total, undo, fields)
    } else if (head === OWED.QUERY) {
      ledger.copyIn = false
      this.#noMoreResults()
      this.#told = true
      const undo = ledger.headUndo
      undo?.failed?.()
      if (undo !== undefined) return this.#retold(total, undo, fields)
    }
    return stream.pass(total, false)
  }

  /** The error as the client is to read it. */
  #retold(total: number, undo: Undo, fields: ErrorFields): ServerStep | undefined {
    const told = undo.refusal ?? (undo.retell?.(fields) || inClientWords(fields, undo))
    return told === undefined ? this.#stream.pass(total, false) : this.#stream.replace(total, told)
  }

  #parameterStatus(total: number): ServerStep | 'wait' | undefined {
    const cursor = this.#stream.in
    if (total > READ_WHOLE_BYTES) return broken(this.#server, 'a parameter of impossible length')
    if (cursor.available < total) return 'wait'
    const { head, headUndo } = this.#ledger
    const quiet = head === OWED.QUIET || (head === OWED.ASK && headUndo?.reports !== true)
    const told = this.#tell()
    if (told !== undefined) return told
    const server = this.#server
    const { parameters } = server
    const { name, value } = readParameterStatus(cursor.body(total))
    if (parameters.size >= MOST_PARAMETERS && !parameters.has(name)) {
      return broken(server, 'more settings than any server has')
    }
    const step = this.#stream.pass(total, quiet)
    if (step !== undefined) return step
    parameters.set(name, value)
    if (!quiet && !this.#stream.abandoned) server.onReported?.(name)
    return undefined
  }
}
