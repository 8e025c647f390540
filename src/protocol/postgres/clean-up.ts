/**
 * The bytes that end whatever a client left behind on a server connection: an unfinished copy, an
 * unfinished batch, an open transaction, changed session state. Rule: nothing is sent that is not
 * needed, and DISCARD ALL goes alone, because it may not run inside a transaction.
 */
import { bind, copyFail, execute, parse, sync } from '../../wire/postgres/frontend.ts'
import { type Ledger, OWED } from './ledger.ts'

/** What cleaning up needs to know of a server connection, and books on it. */
export interface Cleanable {
  readonly ledger: Ledger
  readonly status: string
  readonly dirty: boolean
  quietly(sql: string): Buffer
  forgetState(): void
  initialise(): Buffer
}

/** Books what it sends; every reply is swallowed. Empty when the connection is clean already. */
export function cleanUp(server: Cleanable): Buffer {
  const pieces: Buffer[] = []
  const { ledger } = server
  if (ledger.copyIn) {
    pieces.push(copyFail('the client left'))
    ledger.copyIn = false
  }
  if (ledger.batchOpen) {
    // Sync alone would commit what the client never asked to be committed.
    pieces.push(parse('', 'ROLLBACK', []), bind('', ''), execute('', 0), sync())
    ledger.push(OWED.PARSE_UNNAMED)
    ledger.push(OWED.BIND)
    ledger.push(OWED.EXECUTE)
    ledger.push(OWED.SYNC)
    ledger.closeBatch()
  }
  // With replies still owed nobody knows how the transaction stands; outside of one ROLLBACK is
  // only a warning.
  if (server.status !== 'idle' || !ledger.empty) pieces.push(server.quietly('ROLLBACK'))
  if (server.dirty) {
    pieces.push(server.quietly('DISCARD ALL'))
    server.forgetState()
    pieces.push(server.initialise())
  }
  return Buffer.concat(pieces)
}
