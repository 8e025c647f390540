/**
 * The words that mean something to the classifier, found by hash without making strings. Rule:
 * a word's code is its number (what the statement rules compare) plus flags (what may follow from
 * it, wherever it stands); a word not in these tables is `OTHER` and calling it proves nothing.
 */
import {
  FUNCTIONS,
  KNOWN_CALLS,
  LOAD_CALLS,
  LOCK_CALLS,
  NOTIFY_CALLS,
  SEED_CALLS,
  SEQUENCE_READS,
  SEQUENCE_WRITES,
  UNLOCK_CALLS,
} from './functions.ts'
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
