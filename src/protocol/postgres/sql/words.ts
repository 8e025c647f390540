/**
 * The words that mean something to the classifier, found by hash without making strings. Rule:
 * a word's code is its number (what the statement rules compare) plus flags (what may follow from
 * it, wherever it stands); a word not in these tables is `OTHER` and calling it proves nothing.
 */
import { hashStep } from './lexer.ts'

/** Numbers of tokens: what is not a word first, then the keywords of the statement rules. */
export const W = {
  NONE: 0,
  OTHER: 1,
  QUOTED: 2,
  STRING: 3,
  VALUE: 4,
  SYMBOL: 5,
  DOT: 6,
  COMMA: 7,
  EQUALS: 8,
  SEMICOLON: 9,
  OPEN_PAREN: 10,
  CLOSE_PAREN: 11,
  ABORT: 12,
  ALL: 13,
  ANALYZE: 14,
  AND: 15,
  AS: 16,
  ATOMIC: 17,
  BEGIN: 18,
  BY: 19,
  CALL: 20,
  CASE: 21,
  CHAIN: 22,
  CLOSE: 23,
  COMMIT: 24,
  CONSTRAINTS: 25,
  COPY: 26,
  CREATE: 27,
  CUBE: 28,
  CURSOR: 29,
  DEALLOCATE: 30,
  DECLARE: 31,
  DEFAULT: 32,
  DISCARD: 33,
  DO: 34,
  DROP: 35,
  END: 36,
  EXECUTE: 37,
  EXPLAIN: 38,
  FETCH: 39,
  FILTER: 40,
  FIRST: 41,
  FOR: 42,
  FROM: 43,
  GLOBAL: 44,
  GROUP: 45,
  GROUPING: 46,
  HOLD: 47,
  INSERT: 48,
  INTO: 49,
  KEY: 50,
  LISTEN: 51,
  LOAD: 52,
  LOCAL: 53,
  MERGE: 54,
  NEXT: 55,
  NO: 56,
  NOTIFY: 57,
  ON: 58,
  ONLY: 59,
  OR: 60,
  ORDER: 61,
  OVER: 62,
  PARTITION: 63,
  PG_CATALOG: 64,
  PREPARE: 65,
  PREPARED: 66,
  RECURSIVE: 67,
  REPLACE: 68,
  RESET: 69,
  ROLLBACK: 70,
  ROLLUP: 71,
  SEED: 72,
  SELECT: 73,
  SESSION: 74,
  SET: 75,
  SETS: 76,
  SHARE: 77,
  SHOW: 78,
  START: 79,
  TABLE: 80,
  TEMP: 81,
  TO: 82,
  TRANSACTION: 83,
  TRUE: 84,
  UESCAPE: 85,
  UNLISTEN: 86,
  UPDATE: 87,
  VALUES: 88,
  VERBOSE: 89,
  WITH: 90,
} as const

/** The low bits of a code are its number. */
export const NUMBER_MASK = 0xff
/** A parenthesis after it starts nothing that could write. */
export const HARMLESS = 1 << 8
/** A statement with this word in it is not taken for read-only. */
export const WRITES = 1 << 9
export const CALLS_SET_CONFIG = 1 << 10
export const CALLS_ADVISORY_LOCK = 1 << 11
export const CALLS_ADVISORY_UNLOCK = 1 << 21
export const CALLS_SEQUENCE_WRITE = 1 << 12
export const CALLS_SEQUENCE_READ = 1 << 13
export const CALLS_SEED = 1 << 14
export const CALLS_NOTIFY = 1 << 15
export const CALLS_LOAD = 1 << 16
/** A function that does something, but nothing to the session. */
export const CALLS_KNOWN = 1 << 17
/** Any of the calls that are known not to hide anything. */
export const CALLS =
  CALLS_SET_CONFIG |
  CALLS_ADVISORY_LOCK |
  CALLS_ADVISORY_UNLOCK |
  CALLS_SEQUENCE_WRITE |
  CALLS_SEQUENCE_READ |
  CALLS_SEED |
  CALLS_NOTIFY |
  CALLS_LOAD |
  CALLS_KNOWN
/** A schema that lives as long as the session. */
export const TEMPORARY_SCHEMA = 1 << 18
/** The view whose UPDATE is a SET. */
export const SETTINGS_VIEW = 1 << 19
/** A name with escapes; the classifier sets it. */
export const UNICODE = 1 << 20
/** What stays when a name is quoted. */
const NAMED = CALLS | TEMPORARY_SCHEMA | SETTINGS_VIEW

/** Second spellings. */
const ALIASES: Readonly<Record<string, number>> = {
  analyse: W.ANALYZE,
  temporary: W.TEMP,
  // SET ROLE NONE, and SET NAMES with nothing behind it.
  none: W.DEFAULT,
  names: W.DEFAULT,
}

/** Keywords before a parenthesis that is no call. */
const BEFORE_PARENTHESIS = `all and any array as between by case cast conflict cross cube distinct else except
  exists fetch filter first from full group grouping having ilike in inner intersect is
  isnull join lateral like limit materialized natural next not notnull offset on only or
  order outer over returning rollup row select sets similar some then union using values
  when where window with`

/** Types that take parentheses. */
const TYPES = `bit char character decimal dec float interval numeric time timestamp timestamptz
  timetz varbit varchar varying`

/** Functions of PostgreSQL that neither write nor depend on the session beyond its settings. */
const FUNCTIONS = `abs age array_agg array_length array_position array_remove array_append
  array_to_string array_to_json avg bit_and bit_or bool_and bool_or btrim cardinality ceil ceiling
  char_length character_length chr coalesce concat concat_ws convert_from convert_to corr count
  cume_dist current_database current_schema current_schemas current_setting date_bin date_part
  date_trunc decode degrees dense_rank div encode every exp extract first_value floor format
  format_type generate_series generate_subscripts greatest has_table_privilege has_schema_privilege
  host initcap inet_server_addr inet_server_port json_agg json_array_elements
  json_array_elements_text json_array_length json_build_array json_build_object json_each
  json_each_text json_extract_path json_extract_path_text json_object json_object_agg
  json_typeof jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length
  jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path
  jsonb_extract_path_text jsonb_object_agg jsonb_pretty jsonb_set jsonb_strip_nulls jsonb_typeof
  lag last_value lead least left length ln log lower lpad ltrim make_date make_interval
  make_timestamp max md5 min mod now nth_value ntile nullif num_nonnulls num_nulls obj_description
  octet_length overlay percent_rank percentile_cont percentile_disc pg_backend_pid
  pg_database_size pg_encoding_to_char pg_get_constraintdef pg_get_expr pg_get_functiondef
  pg_get_indexdef pg_get_userbyid pg_get_viewdef pg_is_in_recovery pg_last_wal_receive_lsn
  pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_relation_size pg_size_pretty
  pg_table_is_visible pg_total_relation_size pg_type_is_visible pg_typeof pi plainto_tsquery
  position power quote_ident quote_literal radians random rank regexp_match regexp_matches
  regexp_replace regexp_split_to_array regexp_split_to_table repeat replace reverse right round
  row_number row_to_json rpad rtrim sign split_part sqrt starts_with statement_timestamp stddev
  string_agg string_to_array strpos substr substring sum to_char to_date to_hex to_json to_jsonb
  to_number to_timestamp to_tsquery to_tsvector translate transaction_timestamp clock_timestamp
  trim trunc ts_headline ts_rank unnest upper variance version websearch_to_tsquery width_bucket`

/** Functions of PostgreSQL that do something, in the transaction or to others. */
const KNOWN_CALLS = `pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_xact_lock
  pg_try_advisory_xact_lock_shared pg_cancel_backend pg_terminate_backend pg_sleep pg_sleep_for
  pg_sleep_until txid_current pg_current_xact_id pg_export_snapshot pg_reload_conf pg_rotate_logfile
  pg_switch_wal pg_create_restore_point pg_logical_emit_message lo_create lo_creat lo_unlink lo_open
  lo_get lo_put lo_from_bytea lo_import lo_export lo_close loread lowrite pg_stat_reset`

const SEQUENCE_WRITES = 'nextval setval'
const SEQUENCE_READS = 'currval lastval'
const NOTIFY_CALLS = 'pg_notify'
const SEED_CALLS = 'setseed'

/** What they leave stays with the server process, and nothing that Weir sends could undo it. */
const LOAD_CALLS = `dblink_connect dblink_connect_u dblink_disconnect dblink_open
  pg_create_physical_replication_slot pg_create_logical_replication_slot
  pg_copy_physical_replication_slot pg_copy_logical_replication_slot
  pg_replication_origin_session_setup pg_replication_origin_session_reset`

/** Session locks only: the xact variants end with their transaction. */
const LOCK_CALLS = `pg_advisory_lock pg_advisory_lock_shared pg_try_advisory_lock
  pg_try_advisory_lock_shared`
const UNLOCK_CALLS = 'pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared'

const WRITING_WORDS = 'delete insert into merge update'

interface Entry {
  name: Uint8Array
  hash: number
  code: number
}

const SLOTS = 2048
/** Open addressing: an index into `ENTRIES`, 0 for an empty slot. */
const TABLE = new Uint16Array(SLOTS)
const ENTRIES: Entry[] = [{ name: new Uint8Array(0), hash: 0, code: W.OTHER }]

for (const [name, number] of Object.entries(W)) {
  if (number >= W.ABORT) add(name.toLowerCase(), number)
}
for (const [name, number] of Object.entries(ALIASES)) add(name, number)
for (const text of [BEFORE_PARENTHESIS, TYPES, FUNCTIONS]) flag(text, HARMLESS)
flag(WRITING_WORDS, WRITES)
flag('set_config', CALLS_SET_CONFIG)
flag(LOCK_CALLS, CALLS_ADVISORY_LOCK)
flag(UNLOCK_CALLS, CALLS_ADVISORY_UNLOCK)
flag(SEQUENCE_WRITES, CALLS_SEQUENCE_WRITE)
flag(SEQUENCE_READS, CALLS_SEQUENCE_READ)
flag(NOTIFY_CALLS, CALLS_NOTIFY)
flag(SEED_CALLS, CALLS_SEED)
flag(LOAD_CALLS, CALLS_LOAD)
flag(KNOWN_CALLS, CALLS_KNOWN)
flag('pg_settings', SETTINGS_VIEW)
flag('pg_temp', TEMPORARY_SCHEMA)

/** The code of the unquoted word `text[start, end)`, whose hash the lexer has made. */
export function wordCode(text: Uint8Array, start: number, end: number, hash: number): number {
  let slot = hash & (SLOTS - 1)
  for (;;) {
    const index = TABLE[slot]!
    if (index === 0) return W.OTHER
    const entry = ENTRIES[index]!
    if (entry.hash === hash && sameFolded(text, start, end, entry.name)) return entry.code
    slot = (slot + 1) & (SLOTS - 1)
  }
}

/**
 * The code of a quoted name, given without its quotes. No keyword, and nothing is harmless about
 * it: "coalesce" in quotes is whatever function somebody called so.
 */
export function quotedCode(text: Uint8Array, start: number, end: number, hash: number): number {
  const code = wordCode(text, start, end, hash)
  // Settings are found by name in either case, quoted or not.
  if ((code & NUMBER_MASK) === W.SEED) return W.SEED
  if ((code & NAMED) === 0) return W.QUOTED
  for (let i = start; i < end; i++) {
    if (text[i]! >= 0x41 && text[i]! <= 0x5a) return W.QUOTED // capitals stay in quotes
  }
  return W.QUOTED | (code & NAMED)
}

function sameFolded(text: Uint8Array, start: number, end: number, name: Uint8Array): boolean {
  if (end - start !== name.length) return false
  for (let i = 0; i < name.length; i++) {
    const byte = text[start + i]!
    const folded = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
    if (folded !== name[i]) return false
  }
  return true
}

function add(name: string, code: number): void {
  const bytes = Buffer.from(name)
  let hash = 0
  for (const byte of bytes) hash = hashStep(hash, byte)
  let slot = hash & (SLOTS - 1)
  while (TABLE[slot] !== 0) slot = (slot + 1) & (SLOTS - 1)
  TABLE[slot] = ENTRIES.push({ name: bytes, hash, code }) - 1
}

function flag(names: string, bit: number): void {
  for (const name of names.split(/\s+/)) {
    const known = ENTRIES.find((entry) => Buffer.from(entry.name).toString() === name)
    if (known === undefined) add(name, W.OTHER | bit)
    else known.code |= bit
  }
}
