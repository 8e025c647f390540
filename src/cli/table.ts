/**
 * Aligned columns for a terminal. Rule: a cell is text from anywhere (user names, host names), so
 * control characters never reach the terminal; colour is put around the padded text.
 */
export type Paint = (text: string) => string

export interface Cell {
  readonly text: string
  readonly right?: boolean
  readonly paint?: Paint | undefined
}

/** @returns lines without the final newline; columns as wide as their widest cell */
export function alignedTable(headings: readonly string[], rows: readonly (readonly Cell[])[]) {
  const clean = rows.map((row) => row.map((cell) => ({ ...cell, text: printable(cell.text) })))
  const widths = headings.map((heading, i) =>
    Math.max(heading.length, ...clean.map((row) => row[i]?.text.length ?? 0)),
  )
  const right = headings.map((_, i) => clean[0]?.[i]?.right === true)
  const head = headings.map((heading, i) => pad(heading, widths[i] ?? 0, right[i] === true))
  const lines = clean.map((row) =>
    row.map((cell, i) => {
      const padded = pad(cell.text, widths[i] ?? 0, cell.right === true)
      return cell.paint === undefined ? padded : cell.paint(padded)
    }),
  )
  return [head, ...lines].map((cells) => cells.join('  ').trimEnd())
}

function pad(text: string, width: number, right: boolean): string {
  return right ? text.padStart(width) : text.padEnd(width)
}

function printable(text: string): string {
  // C0, DEL and C1: escape sequences begin with one of them.
  return text.replace(/\p{Cc}/gu, '?')
}
