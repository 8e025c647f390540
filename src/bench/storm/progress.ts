/**
 * What a storm says while it goes on, for whoever shows it. Rule: calls are cheap and never throw; a
 * storm does not wait for a terminal.
 */
import type { TargetResult } from './result.ts'

export interface StormStanding {
  readonly target: string
  readonly phase: 'starting' | 'arriving' | 'holding' | 'ending' | 'stopping'
  /** Ms after the start, and when everybody is done. */
  readonly at: number
  readonly until: number
  readonly clients: number
  readonly open: number
  readonly answered: number
  readonly errors: number
  /** Statements answered a second, lately. */
  readonly perSecond: number
  readonly server: number | undefined
}

export interface StormProgress {
  at(standing: StormStanding): void
  /** A target is through. */
  ended(result: TargetResult): void
  say(sentence: string): void
}

export const silentStorm: StormProgress = { at: () => {}, ended: () => {}, say: () => {} }
