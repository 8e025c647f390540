/**
 * Text of strangers made harmless where it is printed. Rule: whatever could move a cursor, colour a
 * terminal, begin a new line or turn the direction of writing shows as the escape it is.
 */

/** DEL, C1, line and paragraph separators, marks of direction: JSON lets all of them through. */
const HIDDEN = /[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const ALL = /[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g
/** An escape in a JSON text that stands for a control character, or any other, to be passed over. */
const ESCAPES = /\\(?:u00[01][0-9a-f]|[nrtbf]|u[0-9a-f]{4}|.)/gi
const CONTROL = /^\\(?:u00[01][0-9a-f]|[nrtbf])$/i

/** `a\nb` with the backslash and the n shown. */
export function printable(text: string): string {
  return text.replace(ALL, unicode)
}

/** A JSON text that means the same and holds nothing a terminal would obey. */
export function plainJson(json: string): string {
  return json.replace(HIDDEN, unicode)
}

/** A JSON text whose strings, once read, show control characters as escapes. */
export function shownJson(json: string): string {
  return json
    .replace(ESCAPES, (found) => (CONTROL.test(found) ? `\\${found}` : found))
    .replace(HIDDEN, (c) => `\\${unicode(c)}`)
}

function unicode(c: string): string {
  return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
}
