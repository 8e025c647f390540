/**
 * The ask: one query whose columns tell what a session really has now. Rule: nobody models what SET,
 * ROLLBACK, savepoints or functions do to a session; the server is asked, outside a transaction, and
 * its answer is the truth. Pure: SQL out, rows in.
 *
 *   SELECT current_setting('search_path',true), <temporary objects?>, <held cursors?>, ...
 */
import { decode } from '../../wire/postgres/text.ts'
import { literal } from './settings.ts'

const COPY = /\bcopy\b/i

/** Behind this statement the server may wait for data, and would take a question for that. */
export function mayCopy(text: Buffer): boolean {
  return COPY.test(text.toString('latin1'))
}

/** What may be asked, as bits. */
export const ABOUT = {
  /** Values of the settings named. */
  SETTINGS: 1 << 0,
  /** Which settings differ from those the session began with, so that a RESET is seen as one. */
  SOURCES: 1 << 1,
  TEMPORARY: 1 << 2,
  CURSORS: 1 << 3,
  LOCKS: 1 << 4,
  CHANNELS: 1 << 5,
} as const

export const EVERYTHING = (1 << 6) - 1

export interface Question {
  /** Bits of `ABOUT`. */
  readonly about: number
  /** Settings whose values are asked; lower case. */
  readonly names: readonly string[]
  /** Values are to come as the bytes that the server keeps, not as a client's encoding has them. */
  readonly raw?: boolean
  /** Settings of our own, whose values say what has been committed. */
  readonly marks?: readonly string[]
}

export interface Answer {
  /** By the order of the names; null for one that does not exist. */
  readonly values: readonly (string | null)[]
  /** Settings set in this session and their values, dotted ones left out; undefined: not asked. */
  readonly sources: ReadonlyMap<string, string> | undefined
  readonly temporary: boolean
  readonly cursors: boolean
  readonly locks: boolean
  readonly channels: readonly string[]
  /** By the order of the marks, when any were asked for. */
  readonly marks?: readonly (string | null)[]
}

// Those of the transaction at hand stay listed when it is over, and nobody can bring or reset them.
const SOURCES = `(SELECT pg_catalog.json_object_agg(name,pg_catalog.current_setting(name)) FROM pg_catalog.pg_settings WHERE source='session' AND name!~'^transaction_')`
// All that a temporary schema holds hangs on it, whatever kind it is of; Postgres empties it so.
const TEMPORARY = `EXISTS(SELECT FROM pg_catalog.pg_depend WHERE refclassid='pg_catalog.pg_namespace'::pg_catalog.regclass AND refobjid=pg_catalog.pg_my_temp_schema())`
const CURSORS = 'EXISTS(SELECT FROM pg_catalog.pg_cursors WHERE is_holdable)'
const LOCKS = `EXISTS(SELECT FROM pg_catalog.pg_locks WHERE locktype='advisory' AND pid=pg_catalog.pg_backend_pid())`
const CHANNELS = '(SELECT pg_catalog.json_agg(c) FROM pg_catalog.pg_listening_channels() c)'

/** One statement; its row is for `readAnswer` with the same question. */
export function askSql({ about, names, marks = [], raw = false }: Question): string {
  const values = names.map(settingSql)
  if (about & ABOUT.SOURCES) values.push(SOURCES)
  const columns = raw ? values.map(rawSql) : values
  if (about & ABOUT.TEMPORARY) columns.push(TEMPORARY)
  if (about & ABOUT.CURSORS) columns.push(CURSORS)
  if (about & ABOUT.LOCKS) columns.push(LOCKS)
  if (about & ABOUT.CHANNELS) columns.push(CHANNELS)
  columns.push(...marks.map(settingSql))
  return `SELECT ${columns.join(',')}`
}

/** `row`: the values of the one row, as text. */
export function readAnswer(
  { about, names, marks, raw = false }: Question,
  row: readonly (string | null)[],
): Answer {
  let at = names.length
  const next = (bit: number): string | null => (about & bit ? (row[at++] ?? null) : null)
  const read = raw ? rawText : (value: string | null) => value
  const sources = read(next(ABOUT.SOURCES))
  return {
    values: row.slice(0, names.length).map(read),
    sources: about & ABOUT.SOURCES ? mapOf(sources) : undefined,
    temporary: next(ABOUT.TEMPORARY) === 't',
    cursors: next(ABOUT.CURSORS) === 't',
    locks: next(ABOUT.LOCKS) === 't',
    channels: JSON.parse(next(ABOUT.CHANNELS) ?? '[]') as string[],
    ...(marks === undefined ? {} : { marks: row.slice(at) }),
  }
}

function settingSql(name: string): string {
  return `pg_catalog.current_setting(${literal(name)},true)`
}

/** Whether values sent to a client would be other bytes than those that the server keeps. */
export function converts(
  parameters: ReadonlyMap<string, string>,
  names: readonly string[],
): boolean {
  const encoding = parameters.get('client_encoding')
  return encoding !== parameters.get('server_encoding') || names.includes('client_encoding')
}

/** A text as hexadecimal bytes of the server's own encoding. */
function rawSql(column: string): string {
  const bytes = `pg_catalog.convert_to((${column})::pg_catalog.text,pg_catalog.getdatabaseencoding())`
  return `pg_catalog.encode(${bytes},'hex')`
}

function rawText(hex: string | null): string | null {
  if (hex === null) return null
  const bytes = Buffer.from(hex, 'hex')
  return decode(bytes, 0, bytes.length)
}

function mapOf(json: string | null): Map<string, string> {
  const object = JSON.parse(json ?? '{}') as Record<string, string>
  return new Map(Object.entries(object).map(([name, value]) => [name.toLowerCase(), value]))
}
