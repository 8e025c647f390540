/**
 * What a client is told when its server connection is lost and its session goes on. Rule: 40001, on
 * which programs try again, only where provably nothing took effect; whatever may have is 08007.
 */
import { WeirError } from '../../core/errors.ts'

const AGAIN = 'Roll back and run the transaction again.'
const SEND_AGAIN = 'The session goes on. Send it again.'

/** `cause`: what became of the server connection. */
export function outcomeUnknown(cause: WeirError): WeirError {
  return new WeirError(
    'WEIR_OUTCOME_UNKNOWN',
    'the server connection was lost; it is not known whether the request took effect',
    {
      sqlstate: '08007',
      detail: cause.message,
      hint: 'The session goes on. Check whether the request was carried out before sending it again.',
    },
  )
}

export function transactionLost(cause: WeirError): WeirError {
  return nothingDone(
    'the server connection was lost and the transaction with it; nothing of it took effect',
    cause,
    AGAIN,
  )
}

/** The server cannot have carried it out, because it never had all of it, or nothing runs there. */
export function neverDone(cause: WeirError): WeirError {
  return nothingDone(
    'the server connection was lost before it had all of the request; nothing of it took effect',
    cause,
    SEND_AGAIN,
  )
}

export function copyLost(cause: WeirError): WeirError {
  return nothingDone(
    'the server connection was lost in the middle of COPY; nothing of it took effect',
    cause,
    SEND_AGAIN,
  )
}

/** Of what only reads. */
export function answerLost(cause: WeirError): WeirError {
  return nothingDone(
    'the server connection was lost before the answer was complete; nothing was changed by it',
    cause,
    SEND_AGAIN,
  )
}

function nothingDone(message: string, cause: WeirError, hint: string): WeirError {
  return new WeirError('WEIR_SERVER_LOST', message, {
    sqlstate: '40001',
    detail: cause.message,
    hint,
    retryable: true,
  })
}

/** Whatever comes in a lost transaction once that was told. */
export const STILL_FAILED = new WeirError(
  'WEIR_TRANSACTION_LOST',
  'current transaction is aborted, commands ignored until end of transaction block',
  { sqlstate: '25P02', hint: AGAIN },
)

export const SAVEPOINT_LOST = new WeirError(
  'WEIR_TRANSACTION_LOST',
  'the savepoint was lost with the server connection, and all of the transaction with it',
  { sqlstate: '25P02', hint: AGAIN },
)

export const NO_CHAIN = new WeirError(
  'WEIR_TRANSACTION_LOST',
  'how the transaction was begun was lost with the server connection, so none can follow it as its like',
  { sqlstate: '25P02', hint: 'Roll back without AND CHAIN.' },
)
