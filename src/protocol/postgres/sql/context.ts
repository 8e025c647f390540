/**
 * What the token before a name says about the name. Rule: `number`s of tokens in, yes or no out.
 */
import { W } from './words.ts'

/**
 * Whether a keyword before a parenthesis is one where it stands. These are free to be names of
 * functions: `over` in `SELECT over(a)`, but not in `count(*) OVER (`.
 */
export function opensClause(number: number, before: number): boolean {
  switch (number) {
    case W.OVER:
    case W.FILTER:
      return before === W.CLOSE_PAREN
    case W.BY:
      return before === W.ORDER || before === W.GROUP || before === W.PARTITION
    case W.CUBE:
    case W.ROLLUP:
      return before === W.BY
    case W.SETS:
      return before === W.GROUPING
    case W.FIRST:
    case W.NEXT:
      return before === W.FETCH
    default:
      return true
  }
}

/** What may stand before a name in front of a list of columns, and never before a call. */
export function startsColumns(number: number): boolean {
  switch (number) {
    case W.INTO: // INSERT INTO t (a)
    case W.COPY:
    case W.TABLE:
    case W.PREPARE:
    case W.EXECUTE:
    case W.AS: // (VALUES (1)) AS t (a), CAST(a AS numeric(5))
    case W.WITH: // WITH t (a) AS
    case W.RECURSIVE:
      return true
    default:
      return false
  }
}

/** UPDATE name, UPDATE ONLY name, UPDATE ONLY (name) */
export function isUpdated(beforeName: number): boolean {
  return beforeName === W.UPDATE || beforeName === W.ONLY || beforeName === W.OPEN_PAREN
}

/** What may stand before the UPDATE of WITH, PREPARE or a rule, and not before one that is a name. */
export function startsStatement(last: number): boolean {
  return last === W.OPEN_PAREN || last === W.CLOSE_PAREN || last === W.AS
}
