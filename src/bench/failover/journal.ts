/**
 * What one client of the load lived through, and the record made of it. Rule: while the load runs
 * only times are written down; all judging is done afterwards by pure functions. A gap begins when
 * the first request that was not answered well was *due*, not when it was sent, so a client that
 * was stuck cannot hide what it did not send.
 */
import { rounded } from './measure.ts'
import type { ClientKind, ClientRecord, Gap } from './result.ts'

export interface Marks {
  /** Wall ms: before the fault, and the last moment at which nobody was writer yet. */
  readonly fault: number
  readonly promoted: number | undefined
  readonly ended: number
}

export class Journal {
  readonly id: number
  readonly kind: ClientKind
  /** Between two due times (ms). */
  readonly period: number
  #due = 0
  #answered = 0
  #failed = 0
  #dropped = 0
  #open: number | undefined
  #openHadError = false
  #lastWell = false
  readonly #gaps: Gap[] = []
  readonly #spans: { from: number; to: number }[] = []
  readonly #errors = new Map<string, number>()

  constructor(id: number, kind: ClientKind, period: number) {
    this.id = id
    this.kind = kind
    this.period = period
  }

  /** True when its last request was answered well. */
  get well(): boolean {
    return this.#lastWell
  }

  /** Forgets all that was: what is measured begins now. A gap that is open stays open. */
  clear(): void {
    this.#due = 0
    this.#answered = 0
    this.#failed = 0
    this.#dropped = 0
    this.#gaps.length = 0
    this.#spans.length = 0
    this.#errors.clear()
  }

  /** A request fell due at `at`. */
  due(at: number): void {
    this.#due++
    this.#open ??= at
  }

  /** So many fell due while another was under way, whose gap they belong to. */
  missed(count: number): void {
    this.#due += count
  }

  /** Answered well at `at`. */
  good(at: number): void {
    this.#answered++
    this.#lastWell = true
    if (this.#open === undefined) return
    this.#close(at, this.#openHadError ? 'error' : 'answered')
  }

  /** Failed, with an SQLSTATE or a system's code. The gap goes on. */
  bad(key: string): void {
    this.#failed++
    this.#lastWell = false
    this.#openHadError = true
    this.count(key)
  }

  /** An error that is not the answer to a request, such as a refused attempt to connect. */
  count(key: string): void {
    this.#errors.set(key, (this.#errors.get(key) ?? 0) + 1)
  }

  /** Its connection broke. */
  broke(): void {
    this.#dropped++
    this.#lastWell = false
  }

  /** Whether its last request was answered well and fell due at `since` or later. */
  wellSince(since: number): boolean {
    return this.#lastWell && (this.#spans.at(-1)?.from ?? 0) >= since
  }

  record(marks: Marks): ClientRecord {
    const gaps = [...this.#gaps]
    const spans = [...this.#spans]
    if (this.#open !== undefined && marks.ended - this.#open > 2 * this.period) {
      gaps.push({ from: this.#open, to: marks.ended, end: 'never' })
      spans.push({ from: this.#open, to: marks.ended })
    }
    const { promoted } = marks
    const first =
      promoted === undefined ? undefined : this.#spans.find((span) => span.to >= promoted)
    return {
      id: this.id,
      kind: this.kind,
      due: this.#due,
      answered: this.#answered,
      failed: this.#failed,
      longestGapMs: rounded(spans.reduce((most, { from, to }) => Math.max(most, to - from), 0)),
      afterPromotionMs:
        first === undefined || promoted === undefined ? undefined : rounded(first.to - promoted),
      dropped: this.#dropped,
      errors: Object.fromEntries(this.#errors),
      gaps,
    }
  }

  #close(at: number, end: Gap['end']): void {
    const from = this.#open as number
    this.#spans.push({ from, to: at })
    if (at - from > 2 * this.period) this.#gaps.push({ from, to: at, end })
    this.#open = undefined
    this.#openHadError = false
  }
}
