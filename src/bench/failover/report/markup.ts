/**
 * Markup that cannot be broken by what it shows: error codes, names and commands come from anywhere.
 * Rule: a string that is put into `html` is escaped; only what `html` itself made goes in as it is.
 */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type Piece = string | number | Markup | undefined | false | readonly Piece[]

/** HTML and SVG alike. Lists are joined; `undefined` and `false` leave nothing. */
export function html(parts: TemplateStringsArray, ...pieces: readonly Piece[]): Markup {
  let text = parts[0] ?? ''
  for (const [i, piece] of pieces.entries()) text += shown(piece) + (parts[i + 1] ?? '')
  return new Markup(text)
}

function shown(piece: Piece): string {
  if (piece === undefined || piece === false) return ''
  if (piece instanceof Markup) return piece.text
  if (typeof piece === 'number') return Number.isInteger(piece) ? `${piece}` : piece.toFixed(2)
  if (typeof piece === 'string') return escaped(piece)
  return piece.map(shown).join('')
}

function escaped(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replace(/[&<>"]/g, (sign) => names[sign] ?? sign)
}

/** A picture that scales with the page; `label` is what a screen reader says. */
export function picture(width: number, height: number, label: string, body: Piece): Markup {
  return html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}" xmlns="http://www.w3.org/2000/svg">${body}</svg>`
}
