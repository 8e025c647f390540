/**
 * What names and string constants spell, as PostgreSQL reads them: unquoted names folded to lower
 * case (ASCII only, as in every multi-byte encoding), quoted ones as they are, both cut at 63 bytes.
 * Rule: what cannot be read with certainty is `undefined`, never a guess.
 */
import { TOKEN } from './lexer.ts'
import type { Token } from './split.ts'
import { unescaped } from './unicode.ts'

/** NAMEDATALEN - 1 (src/include/pg_config_manual.h). */
const NAME_BYTES = 63

export interface Name {
  readonly name: string
  /** Byte range in the text, with its UESCAPE if it has one. */
  readonly start: number
  readonly end: number
  /** Index of the token behind it. */
  readonly next: number
}

/** The name that begins at `tokens[at]`; one part of it if it has dots. */
export function nameAt(text: Buffer, tokens: readonly Token[], at: number): Name | undefined {
  const token = tokens[at]
  if (token === undefined) return undefined
  const { start, end } = token
  switch (token.kind) {
    case TOKEN.WORD:
      return { name: cut(folded(text, token)), start, end, next: at + 1 }
    case TOKEN.QUOTED: {
      const inside = text.toString('utf8', start + 1, end - 1).replaceAll('""', '"')
      return { name: cut(inside), start, end, next: at + 1 }
    }
    case TOKEN.UNICODE_QUOTED:
      return unicodeName(text, tokens, at)
    default:
      return undefined
  }
}

/** An unquoted word in lower case. */
export function folded(text: Buffer, token: Token): string {
  return lower(text.toString('utf8', token.start, token.end))
}

/** Lower case for ASCII letters, as names of settings and unquoted names are compared. */
export function lower(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

/** What a string constant says, if it has no escapes. */
export function stringOf(text: Buffer, token: Token): string | undefined {
  if (token.kind !== TOKEN.STRING) return undefined
  const whole = text.toString('utf8', token.start, token.end)
  const quoted = /^(?<prefix>[eEnN]?)'(?<inside>.*)'$/s.exec(whole)?.groups
  if (quoted !== undefined) {
    const { prefix = '', inside = '' } = quoted
    const escaped = /e/i.test(prefix) && inside.includes('\\')
    return escaped ? undefined : inside.replaceAll("''", "'")
  }
  return /^(?<tag>\$[^$]*\$)(?<inside>.*)\k<tag>$/s.exec(whole)?.groups?.inside
}

/** `U&"d\0061ta"`, and `U&"d!0061ta" UESCAPE '!'`. */
function unicodeName(text: Buffer, tokens: readonly Token[], at: number): Name | undefined {
  const { start, end } = tokens[at]!
  const inside = text.toString('utf8', start + 3, end - 1).replaceAll('""', '"')
  const keyword = tokens[at + 1]
  if (keyword?.kind !== TOKEN.WORD || folded(text, keyword) !== 'uescape') {
    const name = unescaped(inside, '\\')
    return name === undefined ? undefined : { name: cut(name), start, end, next: at + 1 }
  }
  const constant = tokens[at + 2]
  const by = constant === undefined ? undefined : stringOf(text, constant)
  if (constant === undefined || by?.length !== 1) return undefined
  const name = unescaped(inside, by)
  return name === undefined
    ? undefined
    : { name: cut(name), start, end: constant.end, next: at + 3 }
}

/** At a character's end, as pg_mbcliplen does it. */
function cut(name: string): string {
  if (name.length <= NAME_BYTES / 3) return name
  const bytes = Buffer.from(name)
  if (bytes.length <= NAME_BYTES) return name
  let end = NAME_BYTES
  while ((bytes[end]! & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}
