/**
 * Records each change of writer as the app sees it: who tells the timeline what happened, and what
 * is made of it (status, histograms, sentences). Rule: the byte path is watched only while a
 * failover is open, and only for the first grant and the first answer (`first-answers.ts`).
 */
import type { FailoverStatus, Occurrence } from '../admin/snapshot.ts'
import type { Clock, Timer } from '../core/clock.ts'
import type { Log } from '../core/log.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { ProbeAnswer } from '../topology/probe.ts'
import type { TopologyStore } from '../topology/store.ts'
import {
  arrowsOf,
  type Failover,
  FailoverTimeline,
  MILESTONES,
  type Milestone,
  type Trouble,
} from '../topology/timeline.ts'
import type { Planes } from './planes.ts'
import { failoverOver, reachedSentence, troubleSentence } from './timeline-words.ts'

/** Failovers kept for `/status`. */
const KEPT = 20
/** How often clients that wait are counted while there is something to count for. */
const SAMPLE_MS = 100
/** So long after its first reply a failover still counts what clients are told on its account. */
const SETTLE_MS = 5_000
/** One that nobody wants to borrow after is over by then. */
const UNASKED_MS = 60_000

export interface FailoversParts {
  readonly store: TopologyStore
  readonly planes: Pick<
    Planes,
    'refresh' | 'waitingSessions' | 'outcomes' | 'lastAnswerOf' | 'watchGrants' | 'unwatchGrants'
  >
  readonly metrics: Metrics
  readonly clock: Clock
}

export interface FailoversAsks {
  /** Puts a sentence among the events that `/status` lists. */
  tell(occurrence: Occurrence): void
  /** When a node was promoted (wall-clock milliseconds), if it tells; never rejects. */
  promotedAt(node: string): Promise<number | undefined>
}

interface Entry {
  failover: Failover
  /** Wall clock less monotonic clock, milliseconds. */
  readonly offset: number
  readonly outcomesBefore: Readonly<Record<string, number>>
  outcomes: Readonly<Record<string, number>>
  waitingPeak: number
  over: boolean
}

export class Failovers {
  #parts: FailoversParts
  #log: Log
  #asks: FailoversAsks
  #timeline: FailoverTimeline
  #entries: Entry[] = []
  /** What the next entry begins with, from the first sign of trouble on. */
  #before: Pick<Entry, 'outcomesBefore' | 'waitingPeak'> | undefined
  #sampling: Timer | undefined
  #ending: Timer | undefined

  constructor(parts: FailoversParts, log: Log, asks: FailoversAsks) {
    this.#parts = parts
    this.#log = log
    this.#asks = asks
    const { store, planes, clock } = parts
    this.#timeline = new FailoverTimeline({
      lastAnswerOf: (node) => planes.lastAnswerOf(node),
      troubled: (trouble) => this.#troubled(trouble),
      calmed: () => this.#calmed(),
      reached: (milestone, failover) => this.#reached(milestone, failover),
    })
    store.subscribe((now) => this.#timeline.changed(now, clock.monotonic()))
  }

  /** A node answered a probe. */
  heard(node: string, { inRecovery }: Pick<ProbeAnswer, 'inRecovery'>): void {
    this.#timeline.heard(node, inRecovery, this.#parts.clock.monotonic())
  }

  /** To be called when everybody else has acted on the latest topology; `at` is monotonic. */
  acted(at = this.#parts.clock.monotonic()): void {
    if (this.#open !== undefined) this.#timeline.retired(at)
  }

  /** The newest last. */
  list(): FailoverStatus[] {
    return this.#entries.map((entry) => this.#statusOf(entry))
  }

  stop(): void {
    this.#unwatch()
    this.#sampling?.cancel()
    this.#ending?.cancel()
  }

  get #open(): Entry | undefined {
    const last = this.#entries.at(-1)
    return last === undefined || last.over ? undefined : last
  }

  #troubled(trouble: Trouble): void {
    this.#end()
    this.#before = { outcomesBefore: this.#outcomes(), waitingPeak: this.#waiting() }
    this.#sample()
    const sentence = troubleSentence(trouble)
    if (sentence !== undefined) this.#say(sentence)
  }

  #calmed(): void {
    this.#before = undefined
  }

  #reached(milestone: Milestone, failover: Failover): void {
    if (milestone === 'observed') this.#begin(failover)
    const entry = this.#open
    if (entry === undefined) return
    entry.failover = failover
    entry.waitingPeak = Math.max(entry.waitingPeak, this.#waiting())
    this.#say(reachedSentence(milestone, failover, entry.waitingPeak), failover.number)
    if (milestone !== 'first-reply') return
    this.#unwatch()
    this.#endAfter(SETTLE_MS)
  }

  #begin(failover: Failover): void {
    this.#end()
    const { clock } = this.#parts
    const outcomesBefore = this.#before?.outcomesBefore ?? this.#outcomes()
    const waitingPeak = this.#before?.waitingPeak ?? 0
    this.#before = undefined
    const offset = wallOffset(clock, performance.timeOrigin)
    const outcomes = {}
    this.#entries.push({ failover, offset, outcomesBefore, outcomes, waitingPeak, over: false })
    this.#entries.splice(0, Math.max(0, this.#entries.length - KEPT))
    this.#watch(failover)
    this.#sample()
    this.#endAfter(UNASKED_MS)
    void this.#askWhen(failover.to, offset)
  }

  async #askWhen(to: string, offset: number): Promise<void> {
    const at = await this.#asks.promotedAt(to)
    if (at !== undefined) this.#timeline.promoted(to, at - offset)
  }

  #watch(failover: Failover): void {
    this.#parts.planes.watchGrants(failover.to, {
      borrowed: (at) => {
        if (this.#open?.failover === failover) this.#timeline.borrowed(at)
      },
      replied: (at) => {
        if (this.#open?.failover === failover) this.#timeline.replied(at)
      },
    })
  }

  /** The byte path is as it was. */
  #unwatch(): void {
    this.#parts.planes.unwatchGrants()
  }

  #endAfter(ms: number): void {
    this.#ending?.cancel()
    this.#ending = this.#parts.clock.after(ms, () => this.#end())
  }

  #end(): void {
    const entry = this.#open
    if (entry === undefined) return
    this.#ending?.cancel()
    this.#unwatch()
    entry.outcomes = since(entry.outcomesBefore, this.#outcomes())
    entry.over = true
    this.#record(entry.failover)
    const status = this.#statusOf(entry)
    this.#say(failoverOver(status), status.number)
  }

  #record(failover: Failover): void {
    const { general } = this.#parts.metrics
    for (const { arrow, ms } of arrowsOf(failover)) general.failovers.record(arrow, ms)
  }

  /** Counts who waits now and then, as long as there is trouble or a failover. */
  #sample(): void {
    this.#sampling?.cancel()
    const goal = this.#open ?? this.#before
    if (goal === undefined) return
    goal.waitingPeak = Math.max(goal.waitingPeak, this.#waiting())
    void this.#parts.planes.refresh()
    this.#sampling = this.#parts.clock.after(SAMPLE_MS, () => this.#sample())
  }

  #waiting(): number {
    return this.#parts.planes.waitingSessions()
  }

  #outcomes(): Readonly<Record<string, number>> {
    return this.#parts.planes.outcomes()
  }

  #statusOf(entry: Entry): FailoverStatus {
    const { failover, offset, outcomesBefore, waitingPeak, over } = entry
    const { number, from, to, at, promotedNotBefore, promotedTold } = failover
    const timeline: Partial<Record<Milestone, number>> = {}
    for (const word of MILESTONES) {
      const reached = at[word]
      if (reached !== undefined) timeline[word] = wallTime(reached, offset)
    }
    const borrow = at['first-borrow']
    const stopped = at.down ?? at.observed
    const held = borrow === undefined || stopped === undefined ? null : borrow - stopped
    return {
      number,
      from,
      to,
      timeline,
      promotedNotBefore:
        promotedNotBefore === undefined ? null : wallTime(promotedNotBefore, offset),
      promotedTold,
      outcomes: over ? entry.outcomes : since(outcomesBefore, this.#outcomes()),
      waitingPeak,
      heldMs: held === null ? null : Math.max(0, rounded(held)),
      over,
    }
  }

  /** After all that happens in this turn: nobody who waits for a writer waits for our words. */
  #say(text: string, failover?: number): void {
    const at = this.#parts.clock.wall()
    queueMicrotask(() => {
      this.#log.info(failover === undefined ? {} : { failover }, text)
      this.#asks.tell({ at, text })
    })
  }
}

function since(
  before: Readonly<Record<string, number>>,
  now: Readonly<Record<string, number>>,
): Record<string, number> {
  const more = Object.entries(now).map(([word, n]) => [word, n - (before[word] ?? 0)] as const)
  return Object.fromEntries(more.filter(([, n]) => n > 0))
}

function wallTime(monotonic: number, offset: number): number {
  return rounded(monotonic + offset)
}

/** To the microsecond; the clocks are no better. */
function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000
}

/**
 * What to add to the monotonic clock for the wall clock with fractions. The start of the process is
 * known to the microsecond, and is used unless the wall clock was set or has drifted since; then
 * whole milliseconds must do.
 */
export function wallOffset(clock: Clock, origin: number): number {
  const offset = clock.wall() - clock.monotonic()
  return origin > offset - 1 && origin < offset + 2 ? origin : offset
}
