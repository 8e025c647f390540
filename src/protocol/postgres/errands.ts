/**
 * What Weir itself runs inside a client's batch, and what a client is told of errors that name our
 * statements. Rule: names of ours never reach a client, and what is ours is booked as ours.
 */
import { errorResponse } from '../../wire/postgres/backend.ts'
import type { ErrorFields } from '../../wire/postgres/error-fields.ts'
import { bind, close, execute, parse } from '../../wire/postgres/frontend.ts'
import { type Ledger, OWED, type Undo } from './ledger.ts'

/** Name of the statement and the portal of what runs inside a client's batch. */
const ASIDE = 'weir:aside'

/**
 * Runs `sql`, one statement, between two messages of a batch. The one before is closed first, since
 * nobody knows whether an error kept it from being closed.
 */
export function asideBytes(ledger: Ledger, sql: string | Buffer, undo?: Undo): Buffer {
  ledger.push(OWED.CLOSE_INJECTED)
  ledger.push(OWED.PARSE_INJECTED)
  ledger.push(OWED.BIND_INJECTED)
  ledger.push(OWED.EXECUTE_INJECTED, undo)
  ledger.push(OWED.CLOSE_INJECTED)
  return Buffer.concat([
    close('S', ASIDE),
    parse(ASIDE, sql, []),
    bind(ASIDE, ASIDE),
    execute(ASIDE, 0),
    close('P', ASIDE),
  ])
}

/** The error with the client's own name for its statement; undefined when it names none. */
export function inClientWords(fields: ErrorFields, undo: Undo): Buffer | undefined {
  const { statement, clientName } = undo
  if (statement === undefined || clientName === undefined) return undefined
  if (!fields.message.includes(`"${statement.serverName}"`)) return undefined
  const message = fields.message.replace(statement.serverName, () => clientName)
  return errorResponse({ ...fields, message })
}
