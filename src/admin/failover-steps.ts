/**
 * The steps of a failover as spans between those that were seen, for the page and the terminal.
 * Rule: pure; a step that nobody saw has no span, and the next one is measured from the last seen.
 */
import type { FailoverStatus } from './snapshot.ts'

type Word = keyof FailoverStatus['timeline']

/** In their order, with what is said of the time before each. */
const WORDS: readonly { readonly word: Word; readonly until: string }[] = [
  { word: 'fault', until: '' },
  { word: 'suspected', until: 'nobody knew' },
  { word: 'down', until: 'suspected' },
  { word: 'promoted', until: 'no writer' },
  { word: 'observed', until: 'promoted, not seen yet' },
  { word: 'retired', until: 'moving' },
  { word: 'first-borrow', until: 'connecting' },
  { word: 'first-reply', until: 'answering' },
]

/** What a failover is told by: each but the first has a time before it. */
export const STEP_WORDS: readonly Word[] = WORDS.slice(1).map(({ word }) => word)

export interface Step {
  readonly word: Word
  /** What it was a time of: `no writer`. */
  readonly until: string
  /** From the step before it that was seen. */
  readonly ms: number
}

/** Without the first that was seen, from which the second is measured; never negative. */
export function stepsOf({ timeline }: Pick<FailoverStatus, 'timeline'>): readonly Step[] {
  const steps: Step[] = []
  let last: number | undefined
  for (const { word, until } of WORDS) {
    const at = timeline[word]
    if (at === undefined) continue
    if (last !== undefined) steps.push({ word, until, ms: Math.max(0, at - last) })
    last = Math.max(at, last ?? at)
  }
  return steps
}

/** From the first step that was seen to the last; 0 where there was only one. */
export function wholeOf(status: Pick<FailoverStatus, 'timeline'>): number {
  return stepsOf(status).reduce((sum, { ms }) => sum + ms, 0)
}

/** When it began, as far as anybody saw; wall-clock milliseconds. */
export function beganAt({ timeline }: Pick<FailoverStatus, 'timeline'>): number {
  return Math.min(...Object.values(timeline))
}

/** `3 retried, 2 transaction`; empty when no client was told anything. */
export function outcomesText({ outcomes }: Pick<FailoverStatus, 'outcomes'>): string {
  return Object.entries(outcomes)
    .map(([word, n]) => `${n} ${word}`)
    .join(', ')
}
