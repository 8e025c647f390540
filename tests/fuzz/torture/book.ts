/**
 * What all clients of one torture share: one order of events, who was cancelled when, how much there was
 * of what, and what went wrong. Rule: the first wrong answer ends the torture, because nothing after it
 * can be trusted; what led to it is in the sentence.
 */
import type { Requested, Tried } from '../../support/cancel-judge.ts'
import { Truth } from './truth.ts'

/** Codes that a client may be told when its server was killed (docs/failover.md). */
export const LOSSES: readonly string[] = ['40001', '08007', '08006']
export const CANCELLED = '57014'

export class Book {
  readonly truth = new Truth()
  readonly wrong: string[] = []
  /** Statements that were ended by a cancel request, or at least say so. */
  readonly cancelled: Tried[] = []
  readonly requested: Requested[] = []
  readonly counts: Record<string, number> = {}
  /** Of each listener, by sender: what it was told. */
  readonly heard = new Map<number, Map<number, string[]>>()
  /** Somebody reads nothing at the moment. */
  stalled = false
  /** No other client is at work any more. */
  alone = false
  /** Answers to all clients. */
  answers = 0
  /** The longest time without one (ms), and between which of them. */
  silence = { ms: 0, after: 0 }
  #last = performance.now()
  #now = 0

  /** Moments in the order in which this process saw them. */
  tick(): number {
    return ++this.#now
  }

  answered(): void {
    const now = performance.now()
    const ms = Math.round(now - this.#last)
    if (ms > this.silence.ms && this.answers > 0) this.silence = { ms, after: this.answers }
    this.#last = now
    this.answers++
  }

  count(what: string, times = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + times
  }

  amiss(what: string): void {
    this.wrong.push(what)
  }

  get over(): boolean {
    return this.wrong.length > 0
  }

  hear(listener: number, text: string): void {
    const sender = Number(text.split('.')[0])
    const of = this.heard.get(listener) ?? new Map<number, string[]>()
    this.heard.set(listener, of)
    const heard = of.get(sender) ?? []
    of.set(sender, heard)
    heard.push(text)
  }
}
