/**
 * What a text of SQL does to the session beyond its transaction, and whether it provably only
 * reads. Rule: where strings may end in more than one place (see `Reading`), it is whatever any way
 * of reading the text says.
 */
import { effectsOf } from './effects.ts'
import { Lexer, OTHER_READINGS, type Reading } from './lexer.ts'
import { type Classification, Scan, TRANSACTIONS } from './scan.ts'

export type { Classification } from './scan.ts'

/**
 * @param text SQL without its terminating NUL, any number of statements; need not be valid
 */
export function classify(text: Uint8Array): Classification {
  const lexer = new Lexer(text)
  const seen = new Scan(lexer).run()
  return lexer.ambiguous
    ? OTHER_READINGS.reduce((all, how) => both(all, read(text, how)), seen)
    : seen
}

function read(text: Uint8Array, how: Reading): Classification {
  return new Scan(new Lexer(text, how)).run()
}

/** It may be either. */
function both(one: Classification, two: Classification): Classification {
  const bits = one.bits | two.bits
  const flow = TRANSACTIONS.indexOf(one.transaction) | TRANSACTIONS.indexOf(two.transaction)
  return {
    statements: Math.max(one.statements, two.statements),
    effects: effectsOf(bits),
    bits,
    readOnly: one.readOnly && two.readOnly,
    transaction: TRANSACTIONS[flow]!,
  }
}
