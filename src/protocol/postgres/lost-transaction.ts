/**
 * A transaction whose server connection was lost, as its client goes on to see it: failed until it
 * is rolled back, as PostgreSQL does it (postgres.c, IsAbortedTransactionBlockState), without a
 * server. Rule: nothing is ever sent to a server here, and a COMMIT is answered as if the
 * transaction had failed only when the client was told so before.
 *
 *   40001 (told)  ──>  25P02 to everything  ──>  ROLLBACK or COMMIT: tag ROLLBACK, over
 */
import type { WeirError } from '../../core/errors.ts'
import {
  bindComplete,
  closeComplete,
  commandComplete,
  emptyQueryResponse,
  noData,
  parseComplete,
} from '../../wire/postgres/backend.ts'
import { BACKEND, FRONTEND, HEADER } from '../../wire/postgres/codes.ts'
import { bytesFrame } from '../../wire/postgres/compose.ts'
import { readBindNames, readExecute, readParse, readTarget } from '../../wire/postgres/read.ts'
import type { Desk } from './desk.ts'
import type { Discarding } from './discarding.ts'
import { type Ending, endingOf } from './endings.ts'
import { after, flowOf } from './flow.ts'
import { NO_CHAIN, SAVEPOINT_LOST, STILL_FAILED } from './lost-errors.ts'
import { errorBytesOf } from './refusal.ts'
import { queryBytes } from './shelf.ts'
import { classify } from './sql/classify.ts'

/** What becomes of a message, which is left out. */
export interface LostReply {
  readonly answer?: Buffer
  /** ReadyForQuery comes behind it. */
  readonly ready?: boolean
  /** What follows up to Sync is thrown away. */
  readonly discards?: boolean
  /** Of a Query: where in its text the statements begin that have nothing to do with this any more. */
  readonly rest?: number
}

const NOTHING: LostReply = {}
const READY: LostReply = { ready: true }

export class LostTransaction {
  /** The client knows that it cannot be committed. */
  #told: boolean
  /** It is over: the client's next message needs a server connection as any does. */
  ended = false
  #desk: Desk
  #error: WeirError
  #portals = new Map<string, Ending | 'empty'>()

  /** `error`: what to tell the client first, unless it was `told`. */
  constructor(desk: Desk, error: WeirError, told: boolean) {
    this.#desk = desk
    this.#error = error
    this.#told = told
  }

  /** The message of `total` bytes at the cursor; `wait` when all of it is needed. */
  message(type: number, total: number): LostReply | 'wait' {
    const desk = this.#desk
    const { in: cursor } = desk
    switch (type) {
      case FRONTEND.SYNC:
        return READY
      case FRONTEND.FLUSH:
      case FRONTEND.COPY_DATA:
      case FRONTEND.COPY_DONE:
      case FRONTEND.COPY_FAIL:
        return NOTHING
    }
    const request = type === FRONTEND.QUERY || type === FRONTEND.FUNCTION_CALL
    if (total > desk.inspectBytes) return this.#refused(request)
    if (cursor.available < total) return 'wait'
    const body = cursor.body(total)
    switch (type) {
      case FRONTEND.QUERY:
        desk.requests++
        return {
          ready: true,
          ...this.#query(cursor.buffer.subarray(cursor.pos + HEADER, cursor.pos + total - 1)),
        }
      case FRONTEND.PARSE:
        return this.#parse(body)
      case FRONTEND.BIND:
        return this.#bind(body)
      case FRONTEND.DESCRIBE:
        return this.#describe(body)
      case FRONTEND.EXECUTE:
        desk.requests++
        return this.#execute(body)
      case FRONTEND.CLOSE:
        return this.#close(body)
      default:
        return this.#refused(request)
    }
  }

  /**
   * Answers the message of `total` bytes at the cursor. `skip`: it is to be left out, and with
   * `skip-ready` ReadyForQuery told behind it. `read`: the rest of it is at the cursor now.
   */
  answer(
    type: number,
    total: number,
    discarding: Discarding,
  ): 'wait' | 'skip' | 'skip-ready' | 'read' {
    const reply = this.message(type, total)
    if (reply === 'wait') return 'wait'
    const { in: cursor, toClient } = this.#desk
    if (reply.answer !== undefined) toClient.push(reply.answer)
    if (reply.discards) discarding.rest(new Map())
    if (reply.rest === undefined) return reply.ready === true ? 'skip-ready' : 'skip'
    const rest = queryBytes(cursor.body(total).subarray(reply.rest, total - HEADER - 1))
    cursor.pos += total
    cursor.dropRun()
    cursor.unread(rest)
    return 'read'
  }

  #query(text: Buffer): LostReply {
    this.#desk.statements.loseUnnamed()
    const ending = endingOf(text)
    if (ending === 'empty') return { answer: emptyQueryResponse() }
    if (ending === undefined) return this.#refused(true)
    const { next } = ending
    const behind = next < text.length ? text.subarray(next) : undefined
    const reply = this.#end(ending, behind)
    return this.ended && behind !== undefined && reply.discards !== true
      ? { ...reply, ready: false, rest: next }
      : { ...reply, discards: false }
  }

  /** `behind`: what the same text goes on with. */
  #end({ kind, chain }: Ending, behind?: Buffer): LostReply {
    const commits = kind === 'commit' || kind === 'prepare'
    if (commits && !this.#told) {
      // It ends here as when a COMMIT fails, unless what follows belongs to the next transaction.
      const follows =
        behind !== undefined && after('idle', flowOf(classify(behind), behind)) !== 'idle'
      this.ended = !chain && !follows
      return this.#refused(false)
    }
    if (kind === 'savepoint') return this.#refused(false, SAVEPOINT_LOST)
    if (chain) return this.#refused(false, NO_CHAIN)
    this.ended = true
    return { answer: commandComplete('ROLLBACK') }
  }

  #refused(request: boolean, error = STILL_FAILED): LostReply {
    const told = this.#told ? error : this.#error
    this.#told = true
    return { answer: errorBytesOf(told, 'ERROR'), ...(request ? READY : { discards: true }) }
  }

  #parse(body: Buffer): LostReply {
    const { name, text, types } = readParse(body)
    const { statements } = this.#desk
    const ending = endingOf(text)
    const several = ending !== 'empty' && ending !== undefined && ending.next < text.length
    if (ending === undefined || several || statements.names.has(name)) return this.#refused(false)
    statements.adopt(name, text, types)
    return { answer: parseComplete() }
  }

  #bind(body: Buffer): LostReply {
    const { portal, statement } = readBindNames(body)
    const ending = this.#ending(statement)
    if (ending === undefined) return this.#refused(false)
    this.#portals.set(portal, ending)
    return { answer: bindComplete() }
  }

  #ending(name: string): Ending | 'empty' | undefined {
    const statement = this.#desk.statements.find(name)
    return statement === undefined || statement.opaque ? undefined : endingOf(statement.text)
  }

  #describe(body: Buffer): LostReply {
    const { kind, name } = readTarget(body)
    const known = kind === 'P' ? this.#portals.has(name) : this.#ending(name) !== undefined
    if (!known) return this.#refused(false)
    return { answer: kind === 'P' ? noData() : Buffer.concat([noParameters(), noData()]) }
  }

  #execute(body: Buffer): LostReply {
    const ending = this.#portals.get(readExecute(body).portal)
    if (ending === undefined) return this.#refused(false)
    return ending === 'empty' ? { answer: emptyQueryResponse() } : this.#end(ending)
  }

  #close(body: Buffer): LostReply {
    const { kind, name } = readTarget(body)
    const { statements } = this.#desk
    if (kind === 'P') this.#portals.delete(name)
    else if (name === '') statements.loseUnnamed()
    else statements.closeAlone(name)
    return { answer: closeComplete() }
  }
}

/** One that never began, because its BEGIN failed; the client was told. */
export function failedTransaction(desk: Desk): LostTransaction {
  return new LostTransaction(desk, STILL_FAILED, true)
}

/** ParameterDescription of a statement without any. */
export function noParameters(): Buffer {
  return bytesFrame(BACKEND.PARAMETER_DESCRIPTION, Buffer.alloc(2))
}
