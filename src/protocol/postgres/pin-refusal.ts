/**
 * What a client is told under `pinning: strict` instead of being pinned. Rule: the message names the
 * reason, the hint names the alternative.
 */
import { WeirError } from '../../core/errors.ts'
import type { PinReason } from '../contract.ts'
import { errorBytesOf } from './refusal.ts'

const FEATURE_NOT_SUPPORTED = '0A000'

const HINTS: Partial<Record<PinReason, string>> = {
  settings: 'Write the name of the setting into the statement, or use SET.',
  temporary: 'Use CREATE TEMP TABLE ... ON COMMIT DROP inside a transaction, or a WITH clause.',
  'cursor-with-hold': 'Use a cursor without WITH HOLD inside a transaction.',
  'advisory-lock': 'Use pg_advisory_xact_lock, which ends with its transaction.',
  load: 'Load the library on the node with session_preload_libraries.',
  seed: 'Make the numbers in the client.',
  'large-statement': 'Send large values as parameters, or use COPY.',
}

/** What a client can do instead. */
export function hintOf(reason: PinReason): string | undefined {
  return HINTS[reason]
}

/** ErrorResponse for a statement that would pin for `reason`. */
export function refusalOf(reason: PinReason): Buffer {
  const message = `this endpoint refuses statements that would pin the session to its server connection (${reason})`
  const hint = hintOf(reason)
  return errorBytesOf(
    new WeirError('WEIR_WOULD_PIN', message, {
      sqlstate: FEATURE_NOT_SUPPORTED,
      ...(hint === undefined ? {} : { hint }),
    }),
    'ERROR',
  )
}

/** What is sent to the server instead: it fails, and its log says why. */
export function refusedSql(): string {
  return 'REFUSED /* Weir told the client why, and made this fail in its place */'
}
