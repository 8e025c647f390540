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

/** Settings that no text, parsed or planned, depends on. */
const MEANINGLESS: ReadonlySet<string> = new Set([
  'application_name',
  'client_min_messages',
  'deadlock_timeout',
  'default_transaction_deferrable',
  'default_transaction_isolation',
  'default_transaction_read_only',
  'idle_in_transaction_session_timeout',
  'idle_session_timeout',
  'lock_timeout',
  'log_min_duration_statement',
  'maintenance_work_mem',
  'statement_timeout',
  'synchronous_commit',
  'work_mem',
])

/** As `settingsKeyOf`, of the settings that may change what a text of SQL means. */
export function meaningKeyOf(settings: ReadonlyMap<string, string>): string {
  return settingsKeyOf(new Map([...settings].filter(([name]) => !MEANINGLESS.has(name))))
}

/**
 * SQL that turns settings `from` into settings `to`; `''` when nothing differs. `set_config` takes a
 * list (search_path, DateStyle) as the startup packet does, which SET with one literal would not.
 * `initQuery` runs again behind a RESET, which went past what it had set.
 */
export function differenceSql(
  from: ReadonlyMap<string, string>,
  to: ReadonlyMap<string, string>,
  initQuery = '',
): string {
  // With the rights of another role not everything could be set; so that one goes first.
  const acting = [...from.keys()].some(isIdentity)
  const pieces = acting ? ['RESET session_authorization;RESET role;'] : []
  for (const [name, value] of from) {
    if (isIdentity(name)) continue
    const wanted = to.get(name)
    if (wanted === undefined || (wanted !== value && isMerged(name))) {
      pieces.push(`RESET ${identifier(name)};`)
    }
  }
  if (pieces.length > 0 && initQuery !== '') pieces.push(`${initQuery}\n;`)
  const changed = [...to].filter(
    ([name, value]) => from.get(name) !== value || (acting && isIdentity(name)),
  )
  return pieces.join('') + setSql(changed)
}

/** Who the session acts as: set last, with the rights it still has; the user before the role. */
const IDENTITY = ['session_authorization', 'role']

/** Whether this setting says who the session acts as. */
export function isIdentity(name: string): boolean {
  return IDENTITY.includes(name)
}

/**
 * SQL that ends the server process unless it acts as `settings` say; `''` when they say nothing of
 * it. What goes ahead of a client's statement may be refused (its role was dropped, or taken from
 * it), and the statement right behind must not run with other rights.
 */
export function actingSql(settings: ReadonlyMap<string, string>): string {
  const wrong = IDENTITY.filter((name) => settings.has(name)).map(
    (name) => `pg_catalog.current_setting('${name}')<>${literal(settings.get(name)!)}`,
  )
  if (wrong.length === 0) return ''
  const end = 'pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())'
  return `SELECT ${end} WHERE ${wrong.join(' OR ')}`
}

/** One SELECT that sets all of these; `''` for none. */
export function setSql(settings: Iterable<readonly [string, string]>): string {
  const sorted = [...settings].sort(([a], [b]) => IDENTITY.indexOf(a) - IDENTITY.indexOf(b))
  if (sorted.length === 0) return ''
  const calls = sorted.map(
    ([name, value]) => `pg_catalog.set_config(${literal(name)},${literal(value)},false)`,
  )
  return `SELECT ${calls.join(',')}`
}

/** A new DateStyle of `ISO` keeps the old one's order of day and month, which was another client's. */
function isMerged(name: string): boolean {
  return name.toLowerCase() === 'datestyle'
}

/** Books `settings` as those that `server` has from now on; returns the SQL that makes it true. */
export function bringSettings(
  server: {
    settings: ReadonlyMap<string, string>
    settingsKey: string
    readonly initQuery: string
  },
  settings: ReadonlyMap<string, string>,
  settingsKey: string,
): string {
  if (server.settingsKey === settingsKey) return ''
  const sql = differenceSql(server.settings, settings, server.initQuery)
  server.settings = settings
  server.settingsKey = settingsKey
  return sql
}

/**
 * Quotes a text so that it means the same whatever standard_conforming_strings says, and whatever
 * client_encoding the client before had: bytes beyond ASCII are taken as they are, as in a startup
 * packet.
 */
export function literal(text: string): string {
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

/** Reported by a server, and set by nobody. */
const UNSETTABLE: ReadonlySet<string> = new Set([
  'in_hot_standby',
  'integer_datetimes',
  'is_superuser',
  'server_encoding',
  'server_version',
])

/** Whether a setting that a server reports can be set. `name`: in lower case. */
export function isSettable(name: string): boolean {
  return !UNSETTABLE.has(name)
}
