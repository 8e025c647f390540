/**
 * Puts statements on a server connection ahead of what needs them, and takes others away to make
 * room. Rule: what is sent is booked in the same breath, with how to undo it should the server skip
 * or refuse it.
 */
import { FRONTEND, HEADER } from '../../wire/postgres/codes.ts'
import type { ErrorFields } from '../../wire/postgres/error-fields.ts'
import { close, parse, sync } from '../../wire/postgres/frontend.ts'
import { asideBytes } from './errands.ts'
import { OWED } from './ledger.ts'
import type { PostgresServerConversation } from './server-conversation.ts'
import { type Presence, prepareSql, type Statement } from './statements.ts'

/** A Query of a text whose bytes are in the client's encoding, whatever that is. */
export function queryBytes(text: Buffer): Buffer {
  const message = Buffer.alloc(HEADER + text.length + 1)
  message[0] = FRONTEND.QUERY
  message.writeUInt32BE(4 + text.length + 1, 1)
  message.set(text, HEADER)
  return message
}

/** Bytes for the server, in order. */
export type Emit = (bytes: Buffer) => void

/** Sends `statement`, whose presence is known, inside the client's batch. */
export function place(
  server: PostgresServerConversation,
  statement: Statement,
  presence: Presence,
  emit: Emit,
): void {
  if (presence === 'ready') return
  const { prepared, ledger } = server
  const { batch } = ledger
  makeRoom(server, statement, presence !== 'absent', emit)
  const restore = (): void => prepared.undo(statement, batch, presence)
  if (statement.body !== undefined) {
    const accept = (): void => prepared.confirm(statement, batch)
    emit(asideBytes(ledger, prepareSql(statement), { accept, restore }))
  } else {
    emit(parse(statement.serverName, statement.text, statement.types))
    ledger.push(OWED.PARSE_INJECTED, { statement, batch, restore })
  }
  server.injected++
}

/**
 * Sends it ahead of a simple query, with everything up to a ReadyForQuery of its own, which is
 * swallowed. `refused` hears of an error.
 */
export function placeAhead(
  server: PostgresServerConversation,
  statement: Statement,
  presence: Presence,
  emit: Emit,
  refused: (fields: ErrorFields) => void,
): void {
  const { prepared, ledger } = server
  if (ledger.batchOpen) {
    // A Sync of ours would end what the client's batch has begun.
    place(server, statement, presence, emit)
    return
  }
  if (presence === 'ready') return
  const { batch } = ledger
  const { serverName, text, types } = statement
  prepared.add(statement, batch)
  const closes = presence === 'absent' ? [] : [close('S', serverName)]
  const evicted: Statement[] = []
  for (let one = prepared.evict(statement); one !== undefined; one = prepared.evict(statement)) {
    evicted.push(one)
    closes.push(close('S', one.serverName))
  }
  if (closes.length > 0) {
    ledger.push(OWED.ASK, {
      restore: () => {
        for (const one of evicted) prepared.kept(one)
      },
      answer: () => {
        for (const one of evicted) prepared.closed(one)
      },
    })
    emit(Buffer.concat([...closes, sync()]))
  }
  let failed = false
  const restore = (): void => prepared.undo(statement, batch, presence)
  ledger.push(OWED.ASK, {
    restore,
    refused: (fields) => {
      failed = true
      refused(fields)
    },
    answer: () => {
      if (failed) restore()
      else prepared.confirm(statement, batch)
    },
  })
  if (statement.body !== undefined) {
    prepared.unnamed = undefined
    emit(queryBytes(prepareSql(statement)))
  } else emit(Buffer.concat([parse(serverName, text, types), sync()]))
  server.injected++
}

/** Books `statement` as sent now, and closes what is used least where there are too many. */
export function makeRoom(
  server: PostgresServerConversation,
  statement: Statement,
  closeFirst: boolean,
  emit: Emit,
): void {
  const { prepared, ledger } = server
  if (closeFirst) {
    emit(close('S', statement.serverName))
    ledger.push(OWED.CLOSE_INJECTED)
  }
  prepared.add(statement, ledger.batch)
  // Behind an error the server closes nothing: what is booked here comes back at once.
  while (!ledger.skipping) {
    const evicted = prepared.evict(statement)
    if (evicted === undefined) return
    emit(close('S', evicted.serverName))
    const restore = (): void => prepared.kept(evicted)
    ledger.push(OWED.CLOSE_INJECTED, { statement: evicted, restore })
  }
}
