/**
 * A client's server connection is gone: what becomes of its session, and what it is told. Rule: it
 * closes only where going on would be a lie (half a message delivered, session state lost with the
 * server); otherwise every request owed is answered, sent again, or left to a transaction that has
 * failed.
 */
import type { WeirError } from '../../core/errors.ts'
import {
  bindComplete,
  closeComplete,
  commandComplete,
  noData,
  parseComplete,
  readyForQuery,
} from '../../wire/postgres/backend.ts'
import { FRONTEND } from '../../wire/postgres/codes.ts'
import type { LostOutcome } from '../contract.ts'
import type { Desk } from './desk.ts'
import { FLOW } from './flow.ts'
import { isHarmless } from './harmless.ts'
import { OWED, type Owed } from './ledger.ts'
import { type Loss, type LostGroup, lossOf, ofClient } from './loss.ts'
import { answerLost, copyLost, neverDone, outcomeUnknown, transactionLost } from './lost-errors.ts'
import { LostTransaction, noParameters } from './lost-transaction.ts'
import { errorBytesOf } from './refusal.ts'
import type { PostgresServerConversation } from './server-conversation.ts'

const NOTHING = Buffer.alloc(0)
/**
 * Losses that say nothing of the request: the link broke, the server shut down, crashed or starts, or
 * its replay was in the way. What a server gives up a connection for otherwise (a timeout, a setting)
 * another would do as well.
 */
const ISOLATED = /^(?:08006|08003|57P0[123]|40001)$/

export interface Losing {
  readonly desk: Desk
  readonly server: PostgresServerConversation
  /** See `Scene`. */
  readonly half: boolean
  readonly binds: boolean
  /** The request at hand may be sent again, as often as it has been lost so far. */
  readonly mayTry: boolean
  /** What reads may be sent again at all. */
  readonly reads: boolean
  readonly error: WeirError
}

export interface Lost {
  readonly outcome: LostOutcome | undefined
  /** The session goes on. */
  readonly goesOn: boolean
  /** For the client. */
  readonly bytes: Buffer
  /** To be sent once more, as the client sent it. */
  readonly again?: Buffer
  readonly discards: boolean
  readonly transaction: LostTransaction | undefined
}

export function lose(losing: Losing): Lost {
  const { desk, server, half, binds, error } = losing
  const { ledger, status, midMessage } = server
  const { batchOpen, skipping, copyIn, passed } = ledger
  const owed = ledger.owed()
  const loss = lossOf({ status, passed, owed, batchOpen, skipping, copyIn, half, binds })
  const request = loneRequest(losing, owed)
  ledger.lose()
  if (midMessage) return closing('torn')
  if (half) desk.following.unsent()
  const undone = loss.transaction && !loss.unknown
  if (!desk.following.survives(undone)) return closing('pinned')
  if (request !== undefined && !server.gave && losing.mayTry) {
    desk.requests = server.kept.requests
    return { ...going(NOTHING), outcome: 'retried', again: request }
  }
  if (request !== undefined && !loss.transaction) {
    return { ...going(told(loss, answerLost(error))), outcome: 'partial' }
  }
  const tell = errorOf(loss, copyIn, error)
  return {
    ...going(told(loss, tell.error)),
    outcome: isNothing(loss) ? undefined : tell.outcome,
    discards: loss.discards,
    transaction: loss.failed
      ? new LostTransaction(desk, transactionLost(error), loss.told)
      : undefined,
  }
}

function going(bytes: Buffer): Lost {
  return { outcome: undefined, goesOn: true, bytes, discards: false, transaction: undefined }
}

function closing(outcome: LostOutcome): Lost {
  return { ...going(NOTHING), outcome, goesOn: false }
}

/** The only request owed, when it is kept and may be sent twice. */
function loneRequest(
  { desk, server, half, reads, error }: Losing,
  owed: readonly Owed[],
): Buffer | undefined {
  const { ledger, kept, status } = server
  if (half || status !== 'idle' || ledger.batchOpen || ledger.copyIn) return undefined
  if (!ISOLATED.test(error.sqlstate)) return undefined
  const ready = ofClient(owed).filter(({ kind }) => kind <= OWED.FUNCTION)
  if (ready.length !== 1 || !kept.has(ledger.batch - 1)) return undefined
  // What ran ahead of a Query, without a Sync, is committed with it.
  if (ready[0]!.kind === OWED.QUERY && ledger.passed & FLOW.RAN) return undefined
  const request = kept.take()
  return isHarmless(request, desk.statements, reads) ? request : undefined
}

function isNothing({ groups, discards, failed }: Loss): boolean {
  return groups.length === 0 && !discards && !failed
}

function errorOf(
  { unknown, transaction }: Loss,
  copyIn: boolean,
  cause: WeirError,
): { error: WeirError; outcome: LostOutcome } {
  if (unknown) return { error: outcomeUnknown(cause), outcome: 'unknown' }
  if (transaction) return { error: transactionLost(cause), outcome: 'transaction' }
  if (copyIn) return { error: copyLost(cause), outcome: 'copy' }
  return { error: neverDone(cause), outcome: 'unsent' }
}

function told({ groups }: Loss, error: WeirError): Buffer {
  const bytes = errorBytesOf(error, 'ERROR')
  return Buffer.concat(
    groups.flatMap((group) => {
      const answer = group.done ? doneReplies(group) : [bytes]
      return group.ready === undefined ? answer : [...answer, readyForQuery(group.ready)]
    }),
  )
}

/** Of a ROLLBACK with nothing left to roll back. */
function doneReplies({ owed }: LostGroup): Buffer[] {
  return owed.flatMap(({ kind, flow }) => {
    switch (kind) {
      case OWED.QUERY:
      case OWED.EXECUTE:
        return [commandComplete('ROLLBACK')]
      case OWED.BIND:
        return [bindComplete()]
      case OWED.DESCRIBE:
        return flow & FLOW.DESCRIBES ? [noParameters(), noData()] : [noData()]
      case OWED.CLOSE:
      case OWED.CLOSE_FAKED:
        return [closeComplete()]
      case OWED.SYNC:
        return []
      default:
        return [parseComplete()]
    }
  })
}

/** Whether the ledger has an entry for a message of this type. */
export function isBooked(type: number): boolean {
  return (
    type === FRONTEND.QUERY ||
    type === FRONTEND.FUNCTION_CALL ||
    type === FRONTEND.PARSE ||
    type === FRONTEND.BIND ||
    type === FRONTEND.EXECUTE
  )
}
