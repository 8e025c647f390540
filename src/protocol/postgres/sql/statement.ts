/**
 * What a statement is by its head: its first six tokens, EXPLAIN and opening parentheses skipped.
 * Rule: `Head` only remembers numbers of tokens and answers questions about them; what may stand
 * anywhere in a statement is the classifier's business.
 *
 *   CREATE  OR  REPLACE  LOCAL  TEMP  VIEW        the longest there is to know
 */
import {
  CLOSE,
  CURSOR,
  DISCARD,
  DROP,
  INSERT,
  LISTEN,
  LOAD,
  NOTIFY,
  PREPARE,
  PROGRAM,
  RESET,
  SEED,
  SET,
  SET_LOCAL,
  TEMPORARY,
  TEMPORARY_LOCAL,
  UNSEEN,
} from './effects.ts'

import { W } from './words.ts'

const LENGTH = 6

/** Bits of `Head.transaction`. */
export const BEGINS = 1
export const ENDS = 2

export class Head {
  #numbers = [0, 0, 0, 0, 0, 0]
  #length = 0

  get empty(): boolean {
    return this.#length === 0
  }

  push(number: number): void {
    if (this.#length < LENGTH) this.#numbers[this.#length++] = number
  }

  clear(): void {
    this.#length = 0
  }

  /** Forgets what it was and takes no more: a statement with nothing left to say. */
  seal(): void {
    this.#numbers[0] = W.OTHER
    this.#length = LENGTH
  }

  /** The token at `index` of the statement, `NONE` behind its end. */
  at(index: number): number {
    return index < this.#length ? this.#numbers[index]! : W.NONE
  }

  /** Whether this kind of statement only reads, unless something inside it does more. */
  get reads(): boolean {
    switch (this.at(0)) {
      case W.SELECT:
      case W.WITH:
      case W.VALUES:
      case W.TABLE:
      case W.SHOW:
        return true
      default:
        return false
    }
  }

  /**
   * Bits of `effects.ts`.
   *
   * @param last number of the statement's last token
   * @param onCommitDrop whether the statement says ON COMMIT DROP
   */
  effects(last: number, onCommitDrop: boolean): number {
    switch (this.at(0)) {
      case W.SET:
        return this.#set(last) | this.#seed()
      case W.RESET:
        return SET | RESET | this.#seed()
      case W.PREPARE:
        return this.#isPrepareTransaction() ? 0 : PREPARE
      case W.EXECUTE:
      case W.DEALLOCATE:
        return PREPARE
      case W.DISCARD:
        return this.at(1) === W.ALL ? DISCARD | SET | RESET : DISCARD
      case W.LISTEN:
      case W.UNLISTEN:
        return LISTEN
      case W.LOAD:
        return LOAD
      case W.NOTIFY:
        return NOTIFY
      case W.DECLARE:
        return CURSOR
      case W.CLOSE:
        return CLOSE
      case W.DROP:
        return DROP
      case W.COPY:
        return INSERT
      case W.DO:
      case W.CALL:
        return UNSEEN | PROGRAM
      case W.CREATE:
        return this.#create(onCommitDrop)
      default:
        return 0
    }
  }

  /** `BEGINS`, `ENDS`, both (AND CHAIN) or 0. */
  transaction(): number {
    switch (this.at(0)) {
      case W.BEGIN:
      case W.START:
        return BEGINS
      case W.PREPARE:
        return this.#isPrepareTransaction() ? ENDS : 0
      case W.COMMIT:
      case W.END:
      case W.ROLLBACK:
      case W.ABORT:
        return this.#end()
      default:
        return 0
    }
  }

  #set(last: number): number {
    const scope = this.at(1)
    // SET local.x = 1 sets a variable of that name for the session.
    const next = this.at(2)
    if (!isAssignment(next)) {
      if (scope === W.LOCAL) return SET_LOCAL
      if (scope === W.TRANSACTION || scope === W.CONSTRAINTS) return 0
    }
    // SET x TO DEFAULT, SET ROLE NONE, SET NAMES; SET TIME ZONE LOCAL
    return last === W.DEFAULT || last === W.LOCAL ? SET | RESET : SET
  }

  /** [SET | RESET] [SESSION | LOCAL] seed: the one setting that is no setting. */
  #seed(): number {
    const scoped = this.at(1) === W.SESSION || this.at(1) === W.LOCAL
    return this.at(scoped ? 2 : 1) === W.SEED ? SEED : 0
  }

  #create(onCommitDrop: boolean): number {
    let i = 1
    while (isBeforeTemp(this.at(i))) i++
    if (this.at(i) !== W.TEMP) return 0
    // Gone at commit, so at home in transaction pooling.
    return onCommitDrop && this.at(i + 1) === W.TABLE ? TEMPORARY_LOCAL : TEMPORARY
  }

  #end(): number {
    let bits = ENDS
    for (let i = 1; i < this.#length; i++) {
      const number = this.at(i)
      if (number === W.PREPARED || number === W.TO) return 0 // of another session; a savepoint
      if (number === W.CHAIN && this.at(i - 1) === W.AND) bits |= BEGINS
    }
    return bits
  }

  /** PREPARE TRANSACTION 'x'; without a string it is a statement called transaction. */
  #isPrepareTransaction(): boolean {
    return this.at(1) === W.TRANSACTION && this.at(2) === W.STRING
  }
}

/** Behind a name that a setting is called by. */
function isAssignment(number: number): boolean {
  return number === W.DOT || number === W.EQUALS || number === W.TO || number === W.FROM
}

function isBeforeTemp(number: number): boolean {
  return number === W.OR || number === W.REPLACE || number === W.LOCAL || number === W.GLOBAL
}
