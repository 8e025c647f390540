/**
 * Statements that end a transaction, read to the last word: in a transaction that has failed only
 * they do anything. Rule: what PostgreSQL's grammar would not take for one of them is none.
 *
 *   COMMIT | END | ROLLBACK | ABORT  [WORK | TRANSACTION]  [AND [NO] CHAIN]
 *   ROLLBACK [WORK | TRANSACTION] TO [SAVEPOINT] name      PREPARE TRANSACTION 'name'
 */
import { Reader } from './sql/reader.ts'
import { statementsOf } from './sql/split.ts'

export interface Ending {
  /** `savepoint`: back to one, which ends only what came behind it. */
  readonly kind: 'commit' | 'rollback' | 'prepare' | 'savepoint'
  /** Another transaction begins at once. */
  readonly chain: boolean
  /** Where the statement behind it begins; the length of the text when there is none. */
  readonly next: number
}

/** Of a text whose first statement is one; `empty` when it has no statement at all. */
export function endingOf(text: Buffer): Ending | 'empty' | undefined {
  const [first, second] = statementsOf(text)
  if (first === undefined) return 'empty'
  const ending = read(new Reader(text, first))
  return ending && { ...ending, next: second?.[0]?.start ?? text.length }
}

function read(reader: Reader): Omit<Ending, 'next'> | undefined {
  const word = reader.wordAt(0)
  if (word === 'prepare') {
    const whole = reader.length === 3 && reader.wordAt(1) === 'transaction' && reader.isString(2)
    return whole ? { kind: 'prepare', chain: false } : undefined
  }
  const commits = word === 'commit' || word === 'end'
  if (!commits && word !== 'rollback' && word !== 'abort') return undefined
  let at = 1
  if (reader.wordAt(at) === 'work' || reader.wordAt(at) === 'transaction') at++
  if (word === 'rollback' && reader.wordAt(at) === 'to') return { kind: 'savepoint', chain: false }
  let chain = false
  if (reader.wordAt(at) === 'and') {
    chain = reader.wordAt(at + 1) !== 'no'
    at += chain ? 1 : 2
    if (reader.wordAt(at++) !== 'chain') return undefined
  }
  return at === reader.length ? { kind: commits ? 'commit' : 'rollback', chain } : undefined
}
