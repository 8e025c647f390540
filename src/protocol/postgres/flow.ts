/**
 * What a request does to the transaction it stands in, as bits that ride with it in the ledger, so
 * that whoever loses the server connection knows what may have been committed. Rule: bits are set
 * for whatever may happen; only `ROLLS_BACK` and `COMMITS` are provably all that the text does.
 */

import type { TransactionStatus } from '../contract.ts'
import { classify } from './sql/classify.ts'
import type { Classification } from './sql/scan.ts'
import { statementsOf } from './sql/split.ts'
import type { Statement } from './statements.ts'

export const FLOW = {
  NONE: 0,
  /** Begins one, and ends none. */
  BEGINS: 1,
  /** May end one, for good or not. */
  ENDS: 2,
  /** A lone ROLLBACK or ABORT; comes with `ENDS`. */
  ROLLS_BACK: 4,
  /** A lone COMMIT or END; comes with `ENDS`. */
  COMMITS: 8,
  /** It may leave a transaction open that it began itself; comes with `BEGINS` and `ENDS`. */
  STAYS: 16,
  /** A Describe of a statement, which is owed two messages. */
  DESCRIBES: 32,
  /** An Execute was carried out. */
  RAN: 64,
} as const

/** All that the text does is to end a transaction. */
export const LONE = FLOW.COMMITS | FLOW.ROLLS_BACK

/** Of a text too long to read. */
export const UNREAD = FLOW.BEGINS | FLOW.ENDS | FLOW.STAYS

const ENDS = {
  c: FLOW.ENDS | FLOW.COMMITS,
  e: FLOW.ENDS | FLOW.COMMITS,
  r: FLOW.ENDS | FLOW.ROLLS_BACK,
  a: FLOW.ENDS | FLOW.ROLLS_BACK,
} as const

/** Of a text whose classification is known. */
export function flowOf({ transaction, statements }: Classification, text: Buffer): number {
  switch (transaction) {
    case 'none':
      return FLOW.NONE
    case 'begins':
      return FLOW.BEGINS
    case 'ends':
      return statements === 1 ? lone(text[0]!) : FLOW.ENDS
    default:
      return FLOW.BEGINS | FLOW.ENDS | (staysOpen(text) ? FLOW.STAYS : 0)
  }
}

function lone(first: number): number {
  return ENDS[String.fromCharCode(first | 0x20) as keyof typeof ENDS] ?? FLOW.ENDS
}

/** Of running a prepared statement; one that nobody knows is refused. */
export function flowOfStatement(statement: Statement | undefined): number {
  if (statement === undefined) return FLOW.NONE
  const { classification, text } = statement
  if (statement.opaque !== undefined) return UNREAD
  return classification.transaction === 'none' ? FLOW.NONE : flowOf(classification, text)
}

/** How the transaction stands when a request with this flow was carried out in `status`. */
export function after(status: TransactionStatus, flow: number): TransactionStatus {
  if (flow & FLOW.ENDS) return flow & FLOW.STAYS ? 'open' : 'idle'
  return flow & FLOW.BEGINS && status === 'idle' ? 'open' : status
}

/** Of the plain text (see `glance.ts`) in `buffer[start, end)`, one that is about transactions. */
export function plainFlow(buffer: Buffer, start: number, end: number): number {
  if ((buffer[start]! | 0x20) === 0x62) return FLOW.BEGINS // b
  const text = buffer.subarray(start, end)
  return flowOf(classify(text), text)
}

/** The last statement about transactions begins one. */
function staysOpen(text: Buffer): boolean {
  for (const tokens of statementsOf(text).reverse()) {
    const { transaction } = classify(text.subarray(tokens[0]!.start, tokens.at(-1)!.end))
    if (transaction !== 'none') return transaction !== 'ends'
  }
  return true
}
