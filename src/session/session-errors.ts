/** What a client session tells its client when something ends other than it should. */
import { WeirError } from '../core/errors.ts'
import type { CloseReason } from './close-reason.ts'

export const CANCELLED_WHILE_WAITING = new WeirError(
  'WEIR_CANCELLED',
  'canceling statement due to user request',
  { sqlstate: '57014', detail: 'The request was still waiting for a server connection.' },
)

/** A warning ahead of the error of the node, which speaks of a user request. */
export const STATEMENT_CANCELLED = new WeirError(
  'WEIR_STATEMENT_TIMEOUT',
  'canceling statement due to statement timeout of the proxy',
  { sqlstate: '57014', hint: 'limits.statementTimeout sets how long one may run.' },
)

export const SHUT_DOWN = new WeirError(
  'WEIR_SHUTDOWN',
  'terminating connection due to administrator command',
  { sqlstate: '57P01' },
)

/** What a client is told that is closed for `reason`. */
export function farewell(reason: CloseReason): WeirError {
  return OUTLIVED.get(reason) ?? SHUT_DOWN
}

/** Our bug; the log says more. */
export const INTERNAL = new WeirError(
  'WEIR_BUG',
  'internal error of Weir; this session cannot go on',
  { sqlstate: 'XX000', hint: 'Connect again. The log of Weir says what went wrong.' },
)

/** The session cannot go on without the connection it had. */
export function sessionLost(error: WeirError, pins: readonly string[]): WeirError {
  const why = pins.length > 0 ? ` and the session was pinned to it (${pins.join(', ')})` : ''
  return new WeirError(
    'WEIR_SERVER_LOST',
    `the server connection was lost${why}: ${error.message}`,
    {
      sqlstate: error.sqlstate.startsWith('08') ? error.sqlstate : '08006',
      hint: 'Connect again.',
    },
  )
}

function outlived(code: `WEIR_${string}`, sqlstate: string, why: string, hint: string): WeirError {
  return new WeirError(code, `terminating connection ${why}`, { sqlstate, hint })
}

/** Something has lasted too long. */
const OUTLIVED: ReadonlyMap<CloseReason, WeirError> = new Map([
  [
    'idle-timeout',
    outlived(
      'WEIR_IDLE',
      '57P05',
      'due to idle client timeout',
      'limits.idleClientTimeout sets how long a client may be silent.',
    ),
  ],
  [
    'idle-in-transaction',
    outlived(
      'WEIR_IDLE_IN_TRANSACTION',
      '25P03',
      'due to idle-in-transaction timeout',
      'limits.idleInTransactionTimeout sets how long that may last.',
    ),
  ],
  [
    'statement-timeout',
    outlived(
      'WEIR_STATEMENT_TIMEOUT',
      '57014',
      'because a statement could not be cancelled',
      'limits.statementTimeout sets how long one may run.',
    ),
  ],
  [
    'message-timeout',
    outlived(
      'WEIR_MESSAGE_TIMEOUT',
      '08P01',
      'because a message did not come to its end',
      'limits.messageTimeout sets how long that may take.',
    ),
  ],
  [
    'lifetime',
    outlived(
      'WEIR_LIFETIME',
      '57P01',
      'because it has lasted as long as one may',
      'Connect again. limits.clientLifetime sets how long that is.',
    ),
  ],
  [
    'half-messages',
    outlived(
      'WEIR_HALF_MESSAGES',
      '53200',
      'because too much is held of messages that have not ended',
      'limits.unfinishedBytes bounds what is held of all of them.',
    ),
  ],
  [
    'send-timeout',
    outlived(
      'WEIR_SEND_TIMEOUT',
      '53400',
      'because its client does not read',
      'limits.sendTimeout sets for how long it may take nothing.',
    ),
  ],
  [
    'send-overflow',
    outlived(
      'WEIR_SEND_OVERFLOW',
      '53400',
      'because too much waits for clients that do not read',
      'limits.unsentBytes bounds what may wait for all of them.',
    ),
  ],
] as const)
