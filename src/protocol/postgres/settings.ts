/**
 * Settings that follow a client: what it asked for at start is brought to a server connection before
 * its first statement there. Rule: only differences are sent, as one query whose reply is swallowed,
 * and equal keys mean equal settings.
 */
import { byteLength, encodeInto } from '../../wire/postgres/text.ts'

/** One key for equal settings; `''` for none. Names are case-insensitive in Postgres. */
export function settingsKeyOf(settings: ReadonlyMap<string, string>): string {
  if (settings.size === 0) return ''
  return JSON.stringify([...settings].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** As `settingsKeyOf`, of the settings that may change what a text of SQL means. */
export function meaningKeyOf(settings: ReadonlyMap<string, string>): string {
  return settingsKeyOf(new Map([...settings].filter(([name]) => name !== 'application_name')))
}

/**
 * SQL that turns settings `from` into settings `to`; `''` when nothing differs. `set_config` takes a
 * list (search_path, DateStyle) as the startup packet does, which SET with one literal would not.
 */
export function differenceSql(
  from: ReadonlyMap<string, string>,
  to: ReadonlyMap<string, string>,
): string {
  const resets: string[] = []
  const sets: string[] = []
  for (const [name, value] of from) {
    const wanted = to.get(name)
    if (wanted === undefined || (wanted !== value && isMerged(name))) {
      resets.push(`RESET ${identifier(name)};`)
    }
  }
  for (const [name, value] of to) {
    if (from.get(name) !== value) sets.push(`set_config(${literal(name)},${literal(value)},false)`)
  }
  if (sets.length > 0) resets.push(`SELECT ${sets.join(',')}`)
  return resets.join('')
}

/** A new DateStyle of `ISO` keeps the old one's order of day and month, which was another client's. */
function isMerged(name: string): boolean {
  return name.toLowerCase() === 'datestyle'
}

/** Books `settings` as those that `server` has from now on; returns the SQL that makes it true. */
export function bringSettings(
  server: { settings: ReadonlyMap<string, string>; settingsKey: string },
  settings: ReadonlyMap<string, string>,
  settingsKey: string,
): string {
  if (server.settingsKey === settingsKey) return ''
  const sql = differenceSql(server.settings, settings)
  server.settings = settings
  server.settingsKey = settingsKey
  return sql
}

/**
 * Quotes a text so that it means the same whatever standard_conforming_strings says, and whatever
 * client_encoding the client before had: bytes beyond ASCII are taken as they are, as in a startup
 * packet.
 */
function literal(text: string): string {
  const quoted = text.replaceAll("'", "''")
  if (/^[ -[\]-~]*$/.test(text)) return `'${quoted}'`
  const bytes = Buffer.alloc(byteLength(quoted))
  encodeInto(bytes, 0, quoted)
  const escaped = bytes
    .toString('latin1')
    .replace(/[^ -[\]-~]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
  return ` E'${escaped}'`
}

/** Custom parameters have dotted names; each part is quoted on its own. */
function identifier(name: string): string {
  return name
    .split('.')
    .map((part) => `"${part.replaceAll('"', '""')}"`)
    .join('.')
}
