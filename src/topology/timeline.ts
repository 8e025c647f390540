/**
 * The eight words of a failover, and when each was reached. Rule: it is told what happened, in the
 * order in which it happened, and decides nothing; a moment that nobody saw is left out or bounded
 * (`fault`: not before the last sign of life; `promoted`: not after the first answer of a writer).
 *
 *   fault → suspected → down → promoted → observed → retired → first borrow → first reply
 *   '------ trouble -------'              '------------- the failover ------------------'
 *
 * Trouble that ends with the same writer was none. All times are monotonic milliseconds in here.
 */
import type { NodeState, Topology } from './topology.ts'

export const MILESTONES = [
  'fault',
  'suspected',
  'down',
  'promoted',
  'observed',
  'retired',
  'first-borrow',
  'first-reply',
] as const
export type Milestone = (typeof MILESTONES)[number]

export type Milestones = Partial<Record<Milestone, number>>

/** One change of writer, as far as it has come. */
export interface Failover {
  /** Counts from 1 since the start of this process. */
  readonly number: number
  readonly from: string
  readonly to: string
  readonly at: Milestones
  /** The last answer in which the new writer still was a reader. */
  readonly promotedNotBefore: number | undefined
  /** Whether it told itself when it was promoted; else `promoted` is its first answer as a writer. */
  readonly promotedTold: boolean
}

/** Writer that is in trouble and not replaced yet. */
export interface Trouble {
  readonly writer: string
  readonly at: Milestones
}

export interface TimelineEvents {
  /** The last sign of life of a node other than an answer to a probe; monotonic, undefined: none. */
  lastAnswerOf(node: string): number | undefined
  troubled(trouble: Trouble): void
  /** It was a false alarm: the writer is well. */
  calmed(trouble: Trouble): void
  reached(milestone: Milestone, failover: Failover): void
}

/** What a node said of itself, and when. */
interface Heard {
  at: number
  /** Last answer as a reader. */
  reading: number | undefined
  /** First answer as a writer after that. */
  writing: number | undefined
}

export class FailoverTimeline {
  #events: TimelineEvents
  #writer: string | undefined
  #heard = new Map<string, Heard>()
  #trouble: { writer: string; at: Milestones } | undefined
  #failover: (Failover & { at: Milestones; promotedTold: boolean }) | undefined
  #number = 0

  constructor(events: TimelineEvents) {
    this.#events = events
  }

  get trouble(): Trouble | undefined {
    return this.#trouble
  }

  /** A node answered a probe. */
  heard(node: string, inRecovery: boolean, at: number): void {
    const was = this.#heard.get(node)
    const writing = inRecovery ? undefined : (was?.writing ?? at)
    this.#heard.set(node, { at, reading: inRecovery ? at : was?.reading, writing })
  }

  /** Another topology; to be told before anybody acts on it. */
  changed(now: Topology, at: number): void {
    const writer = now.nodes.find((n) => n.role === 'writer')?.spec.name
    this.#writer ??= writer
    const old = this.#writer
    if (old === undefined) return
    const node = now.nodes.find((n) => n.spec.name === old)
    if (writer !== undefined && writer !== old) this.#moved(old, node, writer, at)
    else if (node?.health === 'up' && node.role === 'writer') this.#calm()
    else this.#doubt(old, node, at)
  }

  /** The new writer told when it was promoted; believed as far as it fits what was seen. */
  promoted(to: string, at: number): void {
    const failover = this.#failover
    const seen = failover?.at.promoted
    if (failover === undefined || seen === undefined || failover.to !== to) return
    failover.promotedTold = true
    failover.at.promoted = Math.min(seen, Math.max(at, failover.promotedNotBefore ?? at))
  }

  /** All that follows from the last change has been done. */
  retired(at: number): void {
    this.#reach('retired', at)
  }

  /** A server connection of the new writer was lent to somebody who asked for the writer. */
  borrowed(at: number): void {
    this.#reach('first-borrow', at)
  }

  /** The client that has it was answered. */
  replied(at: number): void {
    this.#reach('first-reply', at)
  }

  #reach(milestone: Milestone, at: number): void {
    const failover = this.#failover
    if (failover === undefined || failover.at[milestone] !== undefined) return
    failover.at[milestone] = at
    this.#events.reached(milestone, failover)
  }

  #doubt(writer: string, node: NodeState | undefined, at: number): void {
    let trouble = this.#trouble
    if (trouble === undefined) {
      trouble = { writer, at: this.#firstSigns(writer, node, at) }
      this.#trouble = trouble
      this.#events.troubled(trouble)
    }
    if (node === undefined || node.health === 'down') trouble.at.down ??= at
  }

  /** One that lost the role while it answered may be well; somebody was promoted beside it. */
  #firstSigns(writer: string, node: NodeState | undefined, at: number): Milestones {
    if (node?.role === 'unknown') return {}
    const fault = this.#lastSign(writer, at)
    return fault === undefined ? { suspected: at } : { fault, suspected: at }
  }

  #calm(): void {
    const trouble = this.#trouble
    if (trouble === undefined) return
    this.#trouble = undefined
    this.#events.calmed(trouble)
  }

  #moved(from: string, old: NodeState | undefined, to: string, at: number): void {
    const marks: Milestones = { ...this.#trouble?.at }
    this.#trouble = undefined
    this.#writer = to
    // A writer that was well until another one showed up is fenced in the same turn.
    if (old === undefined || old.health === 'down') marks.down ??= at
    const { reading, writing } = this.#heard.get(to) ?? {}
    const first = marks.fault ?? marks.suspected
    // One that was writer before everybody lost sight of it was not promoted now.
    const promotedNow = writing !== undefined && (first === undefined || writing >= first)
    if (promotedNow) marks.promoted = Math.min(writing, at)
    this.#failover = {
      number: ++this.#number,
      from,
      to,
      at: marks,
      promotedNotBefore: promotedNow ? reading : undefined,
      promotedTold: false,
    }
    this.#reach('observed', at)
  }

  #lastSign(node: string, at: number): number | undefined {
    const probed = this.#heard.get(node)?.at
    const answered = this.#events.lastAnswerOf(node)
    if (probed === undefined && answered === undefined) return undefined
    return Math.min(at, Math.max(probed ?? -Infinity, answered ?? -Infinity))
  }
}

/**
 * The spans between words that both are known and in order, in milliseconds; see `ARROWS`. From a
 * promotion that is only known by the probe that saw it, nothing can be said of how late that came.
 */
export function arrowsOf({
  at,
  promotedTold,
}: Pick<Failover, 'at' | 'promotedTold'>): { readonly arrow: string; readonly ms: number }[] {
  const spans: [Milestone, Milestone][] = MILESTONES.slice(1).map((word, i) => [
    MILESTONES[i]!,
    word,
  ])
  spans.push(['fault', 'first-reply'])
  return spans.flatMap(([from, to]) => {
    const began = at[from]
    const ended = at[to]
    if (began === undefined || ended === undefined || ended < began) return []
    if (from === 'promoted' && !promotedTold) return []
    return [{ arrow: arrowName(from, to), ms: ended - began }]
  })
}

/** `fault_suspected`, `first_borrow_first_reply`: the label of the histogram. */
function arrowName(from: Milestone, to: Milestone): string {
  return `${from}_${to}`.replaceAll('-', '_')
}

/** Every arrow there is: from each word to the next, and from the first to the last. */
export const ARROWS: readonly string[] = [
  ...MILESTONES.slice(1).map((word, i) => arrowName(MILESTONES[i]!, word)),
  arrowName('fault', 'first-reply'),
]
