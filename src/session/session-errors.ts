/** What a client session tells its client when something ends other than it should. */
import { WeirError } from '../core/errors.ts'

export const CANCELLED_WHILE_WAITING = new WeirError(
  'WEIR_CANCELLED',
  'canceling statement due to user request',
  { sqlstate: '57014', detail: 'The request was still waiting for a server connection.' },
)

export const IDLE_TOO_LONG = new WeirError(
  'WEIR_IDLE',
  'terminating connection due to idle client timeout',
  { sqlstate: '57P05', hint: 'limits.idleClientTimeout sets how long a client may be silent.' },
)

export const SHUT_DOWN = new WeirError(
  'WEIR_SHUTDOWN',
  'terminating connection due to administrator command',
  { sqlstate: '57P01' },
)

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
