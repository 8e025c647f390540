/**
 * A statement for the log: its shape without its data. Rule: no literal, comment or half-open
 * quotation ever comes through, nor anything behind a string that may end elsewhere, and the length is bounded. Two runs of one query with other values
 * have one digest.
 */
import { Lexer, TOKEN } from './lexer.ts'

/** Longest digest, in characters. */
export const DIGEST_LIMIT = 200

/**
 * Literals become `$n`, numbered on from the parameters the text already has; white space and
 * comments become one space.
 *
 * @param text SQL without its terminating NUL
 */
export function digest(text: Buffer): string {
  const lexer = new Lexer(text)
  const parts: string[] = []
  const literals: number[] = []
  let length = 0
  let highest = 0
  let gap = false
  while (length <= DIGEST_LIMIT && lexer.next() !== TOKEN.END) {
    const { kind, start, end } = lexer
    if (kind === TOKEN.SPACE || kind === TOKEN.COMMENT) {
      gap = parts.length > 0
      continue
    }
    if (gap) parts.push(' ')
    gap = false
    if (isLiteral(lexer)) {
      literals.push(parts.push('$') - 1)
      length += 3
      if (!lexer.ambiguous) continue
      parts.push('…')
      break
    }
    const part = text.toString('utf8', start, Math.min(end, start + DIGEST_LIMIT))
    if (kind === TOKEN.PARAM) highest = Math.max(highest, Number(part.slice(1)) || 0)
    parts.push(part)
    length += part.length
  }
  literals.forEach((part, i) => {
    parts[part] = `$${highest + i + 1}`
  })
  const whole = parts.join('')
  return whole.length <= DIGEST_LIMIT ? whole : `${whole.slice(0, DIGEST_LIMIT - 1)}…`
}

function isLiteral(lexer: Lexer): boolean {
  switch (lexer.kind) {
    case TOKEN.STRING:
    case TOKEN.NUMBER:
      return true
    case TOKEN.QUOTED:
    case TOKEN.UNICODE_QUOTED:
      return !lexer.closed // a quote too few has swallowed who knows what
    default:
      return false
  }
}
