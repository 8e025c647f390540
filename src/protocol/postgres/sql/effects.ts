/**
 * What a statement may do to its session beyond its transaction, as names for people and as bits
 * for counting together. Rule: the order of `EFFECTS` is the order of the bits.
 */

/** All but `set-local` outlive the transaction. */
export const EFFECTS = [
  'set',
  'set-local',
  'prepare',
  'discard',
  'listen',
  'temporary',
  'cursor-with-hold',
  'advisory-lock',
  'load',
  'sequence',
] as const

export type Effect = (typeof EFFECTS)[number]

export const SET = 1 << 0
export const SET_LOCAL = 1 << 1
export const PREPARE = 1 << 2
export const DISCARD = 1 << 3
export const LISTEN = 1 << 4
export const TEMPORARY = 1 << 5
export const CURSOR_WITH_HOLD = 1 << 6
export const ADVISORY_LOCK = 1 << 7
export const LOAD = 1 << 8
export const SEQUENCE = 1 << 9

const NONE: readonly Effect[] = []

/** The names of these bits, each once, in the order of `EFFECTS`. */
export function effectsOf(bits: number): readonly Effect[] {
  return bits === 0 ? NONE : EFFECTS.filter((_, i) => (bits & (1 << i)) !== 0)
}
