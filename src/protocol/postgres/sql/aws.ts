/**
 * What RDS Proxy pins on, by AWS's own list for PostgreSQL ("Avoiding pinning an RDS Proxy" of the
 * RDS user guide), so that people can find out before they move. Rule: the list as it is written,
 * wise or not; state that its proxy does not see (setseed, functions) does not pin there either.
 */
import type { PinReason } from '../../contract.ts'
import type { Classification } from './classify.ts'
import * as E from './effects.ts'

/** Longest statement text that does not pin there, bytes. */
export const AWS_TEXT_BYTES = 16 * 1024

export interface AwsTrigger {
  readonly reason: PinReason
  /** What AWS says a client does, in our words. */
  readonly trigger: string
  /** Bits of `effects.ts`; none where only the length counts. */
  readonly effects: number
}

const TOO_LONG: AwsTrigger = {
  reason: 'large-statement',
  trigger: 'a statement text longer than 16 KB',
  effects: 0,
}

/** All of AWS's list; of several that apply the first is told. */
export const AWS_TRIGGERS: readonly AwsTrigger[] = [
  TOO_LONG,
  { reason: 'discard', trigger: 'discarding session state with DISCARD', effects: E.DISCARD },
  {
    reason: 'settings',
    // Nothing there says that SET LOCAL is another matter.
    trigger: 'setting or resetting a parameter with SET, RESET or set_config',
    effects: E.SET | E.SET_LOCAL | E.RESET,
  },
  {
    reason: 'sql-prepare',
    trigger: 'PREPARE, EXECUTE or DEALLOCATE as SQL',
    effects: E.PREPARE,
  },
  {
    reason: 'temporary',
    trigger: 'creating a temporary table, view or sequence',
    effects: E.TEMPORARY | E.TEMPORARY_LOCAL,
  },
  { reason: 'cursor-with-hold', trigger: 'declaring a cursor, held or not', effects: E.CURSOR },
  { reason: 'listen', trigger: 'listening on a channel', effects: E.LISTEN },
  { reason: 'load', trigger: 'loading a library', effects: E.LOAD },
  { reason: 'sequence', trigger: 'nextval or setval', effects: E.SEQUENCE_WRITE },
  {
    reason: 'advisory-lock',
    trigger: 'taking or giving back a session advisory lock',
    effects: E.ADVISORY_LOCK | E.ADVISORY_UNLOCK,
  },
]

/**
 * What makes RDS Proxy pin a session that sends this, undefined if nothing does.
 *
 * @param textBytes length of the text, bytes
 */
export function awsTrigger(
  { bits }: Pick<Classification, 'bits'>,
  textBytes: number,
): AwsTrigger | undefined {
  if (textBytes > AWS_TEXT_BYTES) return TOO_LONG
  if (bits === 0) return undefined
  return AWS_TRIGGERS.find(({ effects }) => (bits & effects) !== 0)
}

/** The reason alone. */
export function awsPinReason(
  classification: Pick<Classification, 'bits'>,
  textBytes: number,
): PinReason | undefined {
  return awsTrigger(classification, textBytes)?.reason
}
