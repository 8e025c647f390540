/**
 * One pass over the tokens of a text, no parse tree: what it does to the session beyond its
 * transaction, and whether it provably only reads. Rule: when in doubt, say that it changes the
 * session and that it is not read-only: a pin too many costs a connection, one too few costs
 * somebody else's correctness. What functions, DO blocks and views do inside is not seen.
 *
 *   statement:  SET  LOCAL  search_path  =  ...      the head, six tokens, decides by first word
 *   anywhere:   nextval (    pg_temp .    into temp  name and what follows decide
 */
import { isUpdated, opensClause, startsColumns, startsStatement } from './context.ts'
import {
  ADVISORY_LOCK,
  ADVISORY_UNLOCK,
  CURSOR_WITH_HOLD,
  type Effect,
  effectsOf,
  INSERT,
  LOAD,
  NOTIFY,
  PREPARE,
  SEED,
  SEQUENCE_READ,
  SEQUENCE_WRITE,
  SET,
  SET_LOCAL,
  TEMPORARY,
  UNSEEN,
} from './effects.ts'
import { type Lexer, TOKEN } from './lexer.ts'
import { Head } from './statement.ts'
import { unicodeCode } from './unicode.ts'
import {
  CALLS,
  CALLS_ADVISORY_LOCK,
  CALLS_ADVISORY_UNLOCK,
  CALLS_LOAD,
  CALLS_NOTIFY,
  CALLS_SEED,
  CALLS_SEQUENCE_READ,
  CALLS_SEQUENCE_WRITE,
  CALLS_SET_CONFIG,
  HARMLESS,
  NUMBER_MASK,
  quotedCode,
  SETTINGS_VIEW,
  TEMPORARY_SCHEMA,
  UNICODE,
  W,
  WRITES,
  wordCode,
} from './words.ts'

export interface Classification {
  /** Statements in the text; empty ones do not count. */
  statements: number
  /** Each at most once, in the order of `EFFECTS`. */
  effects: readonly Effect[]
  /** The same as bits of `effects.ts`. */
  bits: number
  /** Proven: only reads, and running it twice is as good as once. */
  readOnly: boolean
  /** `mixed`: both begins and ends one, in whatever order. */
  transaction: 'none' | 'begins' | 'ends' | 'mixed'
}

/** What a call can do. */
const ANY_CALL =
  SET |
  ADVISORY_LOCK |
  ADVISORY_UNLOCK |
  LOAD |
  SEED |
  NOTIFY |
  SEQUENCE_READ |
  SEQUENCE_WRITE |
  UNSEEN

/** By the bits of `Head.transaction`, `BEGINS` and `ENDS`. */
export const TRANSACTIONS: readonly Classification['transaction'][] = [
  'none',
  'begins',
  'ends',
  'mixed',
]

export class Scan {
  #lexer: Lexer
  #effects = 0
  #readOnly = true
  #statements = 0
  #transaction = 0

  // Of the statement at hand.
  #head = new Head()
  #empty = true
  #depth = 0
  /** Open BEGIN ATOMIC and CASE of a function body written in SQL. */
  #atomic = 0
  #explain = false
  #onCommitDrop = false
  #updates = false
  #anyName = false
  /** Depth inside the parentheses of set_config, 0 when in none. */
  #setConfigDepth = 0
  #setConfigCommas = 0

  // Codes of the two tokens before; if the last ends a name of several parts, the part before the
  // last dot, and what stands before the whole name.
  #last = 0
  #lastButOne = 0
  #schemaOfLast = 0
  #beforeName = 0

  constructor(lexer: Lexer) {
    this.#lexer = lexer
  }

  run(): Classification {
    const lexer = this.#lexer
    for (;;) {
      switch (lexer.next()) {
        case TOKEN.END:
          this.#endStatement()
          return this.#result()
        case TOKEN.SPACE:
        case TOKEN.COMMENT:
          break
        case TOKEN.WORD:
          this.#word(wordCode(lexer.text, lexer.start, lexer.end, lexer.hash))
          break
        case TOKEN.QUOTED:
          this.#push(quotedCode(lexer.text, lexer.start + 1, lexer.end - 1, lexer.hash))
          break
        case TOKEN.UNICODE_QUOTED:
          this.#push(unicodeCode(lexer.text, lexer.start, lexer.end) | UNICODE)
          break
        case TOKEN.STRING:
          if (this.#setConfigDepth > 0) this.#settingNamed(lexer.start, lexer.end)
          this.#push(W.STRING)
          break
        case TOKEN.NUMBER:
        case TOKEN.PARAM:
          this.#push(W.VALUE)
          break
        case TOKEN.SYMBOL:
          this.#symbol(lexer.text[lexer.start]!)
      }
    }
  }

  #push(code: number): void {
    this.#pushHead(code & NUMBER_MASK)
    this.#empty = false
    if (this.#last === W.DOT) this.#schemaOfLast = this.#lastButOne & NUMBER_MASK
    else if (code !== W.DOT) {
      this.#schemaOfLast = W.NONE
      this.#beforeName = this.#last & NUMBER_MASK
    }
    if ((code & SETTINGS_VIEW) !== 0 && this.#updates && isUpdated(this.#beforeName)) {
      this.#effects |= SET
    }
    this.#lastButOne = this.#last
    this.#last = code
  }

  #pushHead(number: number): void {
    if (this.#head.empty) {
      if (number === W.OPEN_PAREN) return
      if (number === W.EXPLAIN && !this.#explain) {
        // EXPLAIN ANALYZE runs what it explains: skip to that, options and all.
        this.#explain = true
        this.#readOnly = false
        return
      }
      if (this.#explain) {
        if (this.#depth > 0 || number === W.CLOSE_PAREN) return
        if (number === W.ANALYZE || number === W.VERBOSE) return
      }
    }
    this.#head.push(number)
  }

  #word(code: number): void {
    const number = code & NUMBER_MASK
    if ((code & WRITES) !== 0) this.#readOnly = false
    if (number > W.CLOSE_PAREN) this.#keyword(number)
    this.#push(code)
  }

  /** Words that mean something by what stands before them. */
  #keyword(number: number): void {
    const last = this.#last & NUMBER_MASK
    const before = this.#lastButOne & NUMBER_MASK
    switch (number) {
      case W.TEMP:
        // SELECT INTO TEMP t; but a table called temp may be inserted into.
        if (last === W.INTO && before !== W.INSERT && before !== W.MERGE) this.#temporary()
        if ((last === W.LOCAL || last === W.GLOBAL) && before === W.INTO) this.#temporary()
        return
      case W.UESCAPE:
        // The name before it is spelled with another escape character: it may be any name.
        if ((this.#last & UNICODE) === 0) return
        this.#anyName = true
        if (this.#updates) this.#effects |= SET
        return
      case W.INTO:
        if (last === W.INSERT || last === W.MERGE) this.#effects |= INSERT
        return
      case W.UPDATE:
        this.#updates = this.#head.empty || startsStatement(last)
        return
      case W.HOLD:
        if (last === W.WITH && before === W.CURSOR) this.#effects |= CURSOR_WITH_HOLD
        return
      case W.EXECUTE:
        // CREATE TABLE t AS EXECUTE p
        if (last === W.AS && this.#head.at(0) === W.CREATE) this.#effects |= PREPARE
        return
      case W.DROP:
        if (last === W.COMMIT && before === W.ON && this.#depth === 0) this.#onCommitDrop = true
        return
      case W.SHARE:
      case W.NO:
      case W.KEY:
        if (last === W.FOR) this.#readOnly = false
        return
      case W.ATOMIC:
        if (last !== W.BEGIN || this.#depth > 0 || this.#explain) return
        if (this.#head.at(0) === W.CREATE) this.#atomic = 1
        return
      case W.CASE:
        if (this.#atomic > 0) this.#atomic++
        return
      case W.END:
        if (this.#atomic > 0 && --this.#atomic === 0) this.#closeBody()
        return
    }
  }

  #symbol(byte: number): void {
    switch (byte) {
      case 0x28: // (
        this.#open()
        return
      case 0x29: // )
        this.#close()
        return
      case 0x2c: // ,
        if (this.#depth === this.#setConfigDepth) this.#setConfigCommas++
        this.#push(W.COMMA)
        return
      case 0x2e: // .
        if ((this.#last & TEMPORARY_SCHEMA) !== 0 || this.#anyName) this.#temporary()
        this.#push(W.DOT)
        return
      case 0x3d: // =
        this.#push(W.EQUALS)
        return
      case 0x3b: // ;
        this.#semicolon()
        return
      default:
        this.#push(W.SYMBOL)
    }
  }

  #open(): void {
    const name = this.#last
    const number = name & NUMBER_MASK
    const isName = number === W.OTHER || number === W.QUOTED || number > W.CLOSE_PAREN
    const schema = this.#schemaOfLast
    const columns = startsColumns(this.#beforeName) || number === W.EXPLAIN
    this.#push(W.OPEN_PAREN)
    this.#depth++
    if (this.#anyName) this.#effects |= ANY_CALL
    if (!isName) return
    if ((name & CALLS) !== 0) this.#call(name)
    if (columns) return
    // A harmless name in somebody's schema is somebody's function.
    const builtIn = schema === W.NONE || schema === W.PG_CATALOG
    if ((name & HARMLESS) !== 0 && builtIn && opensClause(number, this.#beforeName)) return
    this.#readOnly = false
    if ((name & CALLS) === 0 || !builtIn) this.#effects |= UNSEEN
  }

  #call(name: number): void {
    if ((name & CALLS_SEQUENCE_WRITE) !== 0) this.#effects |= SEQUENCE_WRITE
    if ((name & CALLS_SEQUENCE_READ) !== 0) this.#effects |= SEQUENCE_READ
    if ((name & CALLS_ADVISORY_UNLOCK) !== 0) this.#effects |= ADVISORY_UNLOCK
    if ((name & CALLS_NOTIFY) !== 0) this.#effects |= NOTIFY
    if ((name & CALLS_SEED) !== 0) this.#effects |= SEED
    if ((name & CALLS_LOAD) !== 0) this.#effects |= LOAD
    if ((name & CALLS_ADVISORY_LOCK) !== 0) this.#effects |= ADVISORY_LOCK
    if ((name & CALLS_SET_CONFIG) === 0) return
    if (this.#setConfigDepth > 0) this.#effects |= SET // one inside another
    this.#setConfigDepth = this.#depth
    this.#setConfigCommas = 0
  }

  /** A string inside set_config(): its name may be the one setting that nothing reads back. */
  #settingNamed(start: number, end: number): void {
    const string = Buffer.from(
      this.#lexer.text.buffer,
      this.#lexer.text.byteOffset + start,
      end - start,
    )
    if (/seed/i.test(string.toString('latin1', 0, 64))) this.#effects |= SEED
  }

  #close(): void {
    if (this.#depth > 0 && this.#depth === this.#setConfigDepth) {
      // set_config(name, value, true) is SET LOCAL; any other third argument may be false.
      const third = this.#setConfigCommas === 2 && this.#lastButOne === W.COMMA
      this.#effects |= third && (this.#last & NUMBER_MASK) === W.TRUE ? SET_LOCAL : SET
      this.#setConfigDepth = 0
    }
    if (this.#depth > 0) this.#depth--
    this.#push(W.CLOSE_PAREN)
  }

  #semicolon(): void {
    if (this.#depth === 0 && this.#atomic === 0) {
      this.#endStatement()
      return
    }
    // Inside a rule or a function body. Nothing runs there, but look at it all the same.
    this.#headEffects()
    this.#readOnly = false
    this.#head.clear()
    this.#last = W.NONE
  }

  /** The END of a function body is not the END of a transaction. */
  #closeBody(): void {
    this.#readOnly = false
    this.#head.seal()
  }

  #endStatement(): void {
    if (this.#setConfigDepth > 0) this.#effects |= SET
    if (!this.#empty) {
      this.#statements++
      this.#headEffects()
      this.#transaction |= this.#head.transaction()
    }
    this.#head.clear()
    this.#empty = true
    this.#depth = 0
    this.#atomic = 0
    this.#explain = false
    this.#onCommitDrop = false
    this.#updates = false
    this.#anyName = false
    this.#setConfigDepth = 0
    this.#last = W.NONE
    this.#lastButOne = W.NONE
  }

  #headEffects(): void {
    if (!this.#head.reads) this.#readOnly = false
    this.#effects |= this.#head.effects(this.#last & NUMBER_MASK, this.#onCommitDrop)
  }

  #temporary(): void {
    this.#effects |= TEMPORARY
    this.#readOnly = false
  }

  #result(): Classification {
    return {
      statements: this.#statements,
      effects: effectsOf(this.#effects),
      bits: this.#effects,
      readOnly: this.#readOnly && (this.#effects & ~SET_LOCAL) === 0,
      transaction: TRANSACTIONS[this.#transaction]!,
    }
  }
}
