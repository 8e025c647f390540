/**
 * What a client's message needs no server connection for. Rule: only what provably has the outcome it
 * would have on a server is answered here; everything else says `need-server` and is left as it is.
 */
import { closeComplete, commandComplete, parseComplete } from '../../wire/postgres/backend.ts'
import { FRONTEND, HEADER } from '../../wire/postgres/codes.ts'
import { readBindNames, readParse, readTarget } from '../../wire/postgres/read.ts'
import type { Desk } from './desk.ts'
import { channelWanted, isDiscardAll } from './simple-query.ts'
import { classify } from './sql/classify.ts'
import { DISCARD, LISTEN, SEQUENCE_READ } from './sql/effects.ts'

export interface Answered {
  readonly answer: Buffer | undefined
  /** ReadyForQuery comes behind it. */
  readonly ready: boolean
}

/** Longer texts than this are no lone DISCARD or LISTEN. */
const SHORT = 256

export function alone(
  desk: Desk,
  type: number,
  total: number,
): Answered | 'need-server' | 'subscribe' | 'wait' {
  const { in: cursor, statements } = desk
  desk.wants = undefined
  const reads = desk.following.sequences.knowing !== undefined && readsSequences(desk, type, total)
  if (reads) desk.wants = desk.following.sequences.knowing
  switch (type) {
    case FRONTEND.SYNC:
      return { answer: undefined, ready: true }
    case FRONTEND.FLUSH:
    case FRONTEND.COPY_DATA:
    case FRONTEND.COPY_DONE:
    case FRONTEND.COPY_FAIL:
      // Outside of a copy the server accepts and ignores these (postgres.c, PostgresMain).
      return { answer: undefined, ready: false }
    case FRONTEND.PARSE: {
      if (total > desk.inspectBytes) return 'need-server'
      if (cursor.available < total) return 'wait'
      const { name, text, types } = readParse(cursor.body(total))
      if (!statements.parseAlone(name, text, types)) return 'need-server'
      return { answer: parseComplete(), ready: false }
    }
    case FRONTEND.CLOSE: {
      if (cursor.available < total) return 'wait'
      const { kind, name } = readTarget(cursor.body(total))
      if (kind === 'P' || name === '') return 'need-server'
      statements.closeAlone(name)
      return { answer: closeComplete(), ready: false }
    }
    case FRONTEND.QUERY:
      return aloneQuery(desk, total)
    default:
      return 'need-server'
  }
}

/** DISCARD ALL of a session that has nothing to discard, and the channel of a LISTEN. */
function aloneQuery(desk: Desk, total: number): Answered | 'need-server' | 'subscribe' | 'wait' {
  const { in: cursor, following, statements } = desk
  if (total > SHORT || !following.follows || cursor.available < HEADER + 1) return 'need-server'
  const letter = cursor.buffer[cursor.pos + HEADER]! | 0x20
  if (letter !== 0x64 && letter !== 0x6c) return 'need-server' // d, l
  if (cursor.available < total) return 'wait'
  const text = cursor.buffer.subarray(cursor.pos + HEADER, cursor.pos + total - 1)
  const { bits, statements: count } = classify(text)
  if (count !== 1) return 'need-server'
  if (bits & DISCARD && following.fresh && isDiscardAll(text)) {
    statements.clear()
    following.startAnew()
    desk.requests++
    return { answer: commandComplete('DISCARD ALL'), ready: true }
  }
  if (bits & LISTEN) {
    const channel = channelWanted(text, desk.subscribed)
    if (channel === undefined) return 'need-server'
    desk.subscription = channel
    return 'subscribe'
  }
  return 'need-server'
}

/** The message at hand asks for currval or lastval. */
function readsSequences(desk: Desk, type: number, total: number): boolean {
  const { in: cursor, statements } = desk
  if (total > desk.inspectBytes || cursor.available < total) return false
  if (type === FRONTEND.QUERY) {
    const text = cursor.buffer.subarray(cursor.pos + HEADER, cursor.pos + total - 1)
    return (classify(text).bits & SEQUENCE_READ) !== 0
  }
  if (type === FRONTEND.PARSE) {
    return (classify(readParse(cursor.body(total)).text).bits & SEQUENCE_READ) !== 0
  }
  if (type !== FRONTEND.BIND) return false
  const statement = statements.find(readBindNames(cursor.body(total)).statement)
  return statement !== undefined && (statement.classification.bits & SEQUENCE_READ) !== 0
}
