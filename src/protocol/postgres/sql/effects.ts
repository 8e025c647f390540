/**
 * What a statement may do to its session beyond its transaction, as names for people and as bits
 * for counting together. Rule: the order of `EFFECTS` is the order of the bits, and a bit is set
 * whenever the statement may do it; `set-local` and `temporary-local` are provably no more than that.
 */

export const EFFECTS = [
  /** A setting for the session: SET, RESET, set_config() unless provably local. */
  'set',
  /** A setting until the end of the transaction. */
  'set-local',
  /** Some or all settings go back to what the session started with; comes with `set`. */
  'reset',
  /** SQL's own prepared statements: PREPARE, EXECUTE in all its places, DEALLOCATE. */
  'prepare',
  'discard',
  /** LISTEN and UNLISTEN. */
  'listen',
  /** NOTIFY and pg_notify(). */
  'notify',
  'temporary',
  /** DECLARE of a cursor that outlives its transaction; comes with `cursor`. */
  'cursor-with-hold',
  /** Any DECLARE. */
  'cursor',
  /** CLOSE of a cursor. */
  'close',
  /** Any DROP. */
  'drop',
  /** A session lock is taken. */
  'advisory-lock',
  /** What stays with the server process: LOAD, dblink_connect(), temporary replication slots. */
  'load',
  /** The seed of random(), which nothing reads back. */
  'seed',
  /** nextval() and setval(): what currval() and lastval() are about. */
  'sequence-write',
  /** currval() and lastval(). */
  'sequence-read',
  /** INSERT, MERGE or COPY: a default may call nextval(). */
  'insert',
  /** DO, CALL, or a call of a function not known harmless: anything may happen inside. */
  'unseen',
  /** A temporary table that says ON COMMIT DROP: gone with its transaction. */
  'temporary-local',
  /** Session locks are given back. */
  'advisory-unlock',
  /** DO or CALL, which run a program; comes with `unseen`. */
  'program',
] as const

export type Effect = (typeof EFFECTS)[number]

export const SET = 1 << 0
export const SET_LOCAL = 1 << 1
export const RESET = 1 << 2
export const PREPARE = 1 << 3
export const DISCARD = 1 << 4
export const LISTEN = 1 << 5
export const NOTIFY = 1 << 6
export const TEMPORARY = 1 << 7
export const CURSOR_WITH_HOLD = 1 << 8
export const CURSOR = 1 << 9
export const CLOSE = 1 << 10
export const DROP = 1 << 11
export const ADVISORY_LOCK = 1 << 12
export const LOAD = 1 << 13
export const SEED = 1 << 14
export const SEQUENCE_WRITE = 1 << 15
export const SEQUENCE_READ = 1 << 16
export const INSERT = 1 << 17
export const UNSEEN = 1 << 18
export const TEMPORARY_LOCAL = 1 << 19
export const ADVISORY_UNLOCK = 1 << 20
export const PROGRAM = 1 << 21

/** Bits whose statements `actionsOf` has something to say about. */
export const WITH_ACTIONS = SET | SET_LOCAL | RESET | PREPARE | DISCARD | LISTEN

const NONE: readonly Effect[] = []
const BY_BITS = new Map<number, readonly Effect[]>()

/** The names of these bits, each once, in the order of `EFFECTS`. */
export function effectsOf(bits: number): readonly Effect[] {
  if (bits === 0) return NONE
  const known = BY_BITS.get(bits)
  if (known !== undefined) return known
  const made = EFFECTS.filter((_, i) => (bits & (1 << i)) !== 0)
  // A few dozen combinations are all there is in practice; a hostile client may make more.
  if (BY_BITS.size < 1_000) BY_BITS.set(bits, made)
  return made
}
