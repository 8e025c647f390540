/**
 * What becomes of a member that came back or has just arrived: the first yes decides. Pure, so the
 * order stands in one place and under one table test.
 */
import type { Condition, EvictReason } from './member.ts'

/** An evict reason closes it; the rest keep it. */
export type Fate = EvictReason | 'hold' | 'finish' | 'reset' | 'lend'

export interface Returned {
  readonly condition: Condition
  /** Made before the pool was last renewed or retired. */
  readonly outdated: boolean
  /** Past its own lifetime. */
  readonly expired: boolean
  /** The pool drains and nobody waits. */
  readonly unneeded: boolean
}

export function fateOf(member: Returned): Fate {
  if (member.condition === 'broken') return 'broken'
  if (member.outdated) return 'retired'
  if (member.expired) return 'lifetime'
  if (member.condition === 'owes') return 'replies-owed'
  if (member.unneeded) return 'draining'
  if (member.condition === 'cancel-pending') return 'hold'
  if (member.condition === 'unfinished') return 'finish'
  if (member.condition === 'dirty') return 'reset'
  return 'lend'
}
