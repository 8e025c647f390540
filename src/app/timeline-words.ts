/**
 * A failover in sentences, one for each thing that happened, for the log and the list of events.
 * Rule: pure; what `topology/describe.ts` says of nodes already is not said again.
 */
import { outcomesText } from '../admin/failover-steps.ts'
import type { FailoverStatus } from '../admin/snapshot.ts'
import { fineSpan } from '../admin/words.ts'
import type { Failover, Milestone, Trouble } from '../topology/timeline.ts'

/** Undefined where it is known of no last sign. */
export function troubleSentence({ writer, at: { fault, suspected } }: Trouble): string | undefined {
  if (fault === undefined || suspected === undefined) return undefined
  return `the writer ${writer} gave its last sign of life ${fineSpan(suspected - fault)} ago`
}

/** @param waiting most clients that waited at once so far */
export function reachedSentence(
  milestone: Milestone,
  { number, from, to, at, promotedNotBefore }: Failover,
  waiting: number,
): string {
  const name = `failover ${number}`
  const after = (word: Milestone): string => fineSpan((at[milestone] ?? 0) - (at[word] ?? 0))
  switch (milestone) {
    case 'observed': {
      const promoted =
        promotedNotBefore === undefined
          ? ''
          : `, promoted at most ${fineSpan((at.observed ?? 0) - promotedNotBefore)} ago`
      return `${name}: ${to} takes over from ${from}${promoted}`
    }
    case 'retired':
      return `${name}: the pools of ${from} are retired; ${waited(waiting)} so far`
    case 'first-borrow':
      return `${name}: ${to} lent its first server connection ${after('observed')} after it was observed`
    case 'first-reply':
      return `${name}: ${to} gave its first answer ${after('first-borrow')} after that`
    case 'fault':
    case 'suspected':
    case 'down':
    case 'promoted':
      return `${name}: ${milestone}`
    default:
      return milestone satisfies never
  }
}

/** What there is to say of it as a whole. */
export function failoverOver(status: FailoverStatus): string {
  const { number, from, to, waitingPeak, heldMs, timeline } = status
  const reply = timeline['first-reply']
  const answered =
    reply === undefined
      ? 'nobody asked for the writer since'
      : `answered ${fineSpan(reply - firstOf(status))} after ${firstWordOf(status)}`
  const { promoted, observed } = timeline
  const told = status.promotedTold && promoted !== undefined && observed !== undefined
  const parts = [
    answered,
    ...(told ? [`${to} observed ${fineSpan(observed - promoted)} after its promotion`] : []),
    ...(heldMs === null ? [] : [`nothing was lent for ${fineSpan(heldMs)}`]),
    waited(waitingPeak),
    outcomesText(status),
  ].filter((part) => part !== '')
  return `failover ${number} from ${from} to ${to} is over: ${parts.join(', ')}`
}

function firstOf({ timeline }: FailoverStatus): number {
  return timeline.fault ?? timeline.suspected ?? timeline.observed ?? 0
}

function firstWordOf({ timeline }: FailoverStatus): string {
  if (timeline.fault !== undefined) return 'the last sign of life of the old one'
  return timeline.suspected === undefined ? 'it was observed' : 'the old one was suspected'
}

function waited(clients: number): string {
  if (clients === 0) return 'no client waited'
  return `at most ${clients} ${clients === 1 ? 'client' : 'clients'} waited`
}
