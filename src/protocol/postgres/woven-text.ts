/**
 * A text of SQL with statements of ours woven in behind some of its own: which results are ours, and
 * errors as if the client's own text had been sent. Rule: the client's bytes stay as they are, and
 * ours stand right behind the last token of the statement they belong to.
 */
import type { ErrorFields } from '../../wire/postgres/error-fields.ts'
import { statementsOf, type Token } from './sql/split.ts'
import { characters } from './sql-text.ts'

export interface WovenText {
  readonly bytes: Buffer
  /** Results that are ours, counted from 0. */
  readonly ours: ReadonlySet<number>
  /** The error with its position in the client's text; the same object when nothing changes. */
  told(fields: ErrorFields): ErrorFields
}

/**
 * @param behind the SQL that belongs behind a statement, `''` for none
 * @returns undefined when there is none at all
 */
export function weave(
  text: Buffer,
  behind: (tokens: readonly Token[]) => string,
): WovenText | undefined {
  const ours = new Set<number>()
  const pieces: Buffer[] = []
  const inserted: { readonly behind: number; readonly length: number }[] = []
  let at = 0
  statementsOf(text).forEach((tokens, i) => {
    const sql = behind(tokens)
    if (sql === '') return
    const { end } = tokens.at(-1)!
    ours.add(i + ours.size + 1)
    const added = Buffer.from(`;${sql}`)
    pieces.push(text.subarray(at, end), added)
    inserted.push({
      behind: characters(text, 0, end),
      length: characters(added, 0, added.length),
    })
    at = end
  })
  if (ours.size === 0) return undefined
  const told = (fields: ErrorFields): ErrorFields => {
    if (fields.position === undefined) return fields
    let place = Number(fields.position)
    for (const piece of inserted) if (place > piece.behind) place -= piece.length
    return { ...fields, position: String(place) }
  }
  return { bytes: Buffer.concat([...pieces, text.subarray(at)]), ours, told }
}
