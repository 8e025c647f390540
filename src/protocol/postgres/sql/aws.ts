/**
 * What RDS Proxy pins on, by AWS's own list for PostgreSQL ("Avoiding pinning an RDS Proxy" of the
 * RDS user guide), so that people can find out before they move. Rule: the list as it is written,
 * wise or not; state that its proxy does not see (setseed, functions) does not pin there either.
 */
import type { PinReason } from '../../contract.ts'
import type { Classification } from './classify.ts'
import * as E from './effects.ts'

/** Longest statement text that RDS Proxy reads; beyond it, any text pins. */
export const AWS_TEXT_BYTES = 16 * 1024

/** First match decides. */
const RULES: readonly (readonly [effects: number, reason: PinReason])[] = [
  [E.DISCARD, 'discard'],
  // "SET commands", with no word about SET LOCAL.
  [E.SET | E.SET_LOCAL | E.RESET, 'settings'],
  [E.PREPARE, 'sql-prepare'],
  [E.TEMPORARY | E.TEMPORARY_LOCAL, 'temporary'],
  [E.CURSOR, 'cursor-with-hold'],
  [E.LISTEN, 'listen'],
  [E.LOAD, 'load'],
  [E.SEQUENCE_WRITE, 'sequence'],
  [E.ADVISORY_LOCK | E.ADVISORY_UNLOCK, 'advisory-lock'],
]

/**
 * Why RDS Proxy would pin a session that sends this, undefined if it would not.
 *
 * @param textBytes length of the text, bytes
 */
export function awsPinReason(
  classification: Classification,
  textBytes: number,
): PinReason | undefined {
  if (textBytes > AWS_TEXT_BYTES) return 'large-statement'
  const { bits } = classification
  if (bits === 0) return undefined
  return RULES.find(([effects]) => (bits & effects) !== 0)?.[1]
}
