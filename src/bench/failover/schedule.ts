/**
 * The open schedule of one client: a request falls due every period whatever became of the one
 * before. Rule: what falls due while a request is under way is counted and not sent afterwards; the
 * gap runs from the first due time. After an error the next try comes after the retry pause, not
 * after the period, so that what is measured is the subject and not the schedule.
 */
import type { Journal } from './journal.ts'

/** A pause doubles with each failure in a row, up to so many times the first, as applications do. */
const LONGEST_PAUSE = 4

export interface ScheduleOptions {
  /** Wall ms, the instrument's clock. */
  readonly now: () => number
  /** First due time (wall ms). */
  readonly first: number
  /** Between an error and the next try (ms). */
  readonly retryMs: number
}

/** True for done well, false for failed; it writes `good` and `bad` into the journal itself. */
export type Attempt = () => Promise<boolean>

export class Schedule {
  readonly #journal: Journal
  readonly #options: ScheduleOptions
  readonly #attempt: Attempt
  #next: number
  #stopped = false
  #wake: (() => void) | undefined
  #over: Promise<void> | undefined

  constructor(journal: Journal, options: ScheduleOptions, attempt: Attempt) {
    this.#journal = journal
    this.#options = options
    this.#attempt = attempt
    this.#next = options.first
  }

  start(): void {
    this.#over = this.#run()
  }

  /** Nothing falls due any more; resolves when the request under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#wake?.()
    await this.#over
  }

  async #run(): Promise<void> {
    const { now, retryMs } = this.#options
    for (;;) {
      await this.#sleepTo(this.#next)
      if (this.#stopped) return
      this.#fallDue()
      for (let pause = retryMs; !(await this.#attempt()); ) {
        if (this.#stopped) return
        await this.#sleepTo(now() + pause)
        pause = Math.min(2 * pause, LONGEST_PAUSE * retryMs)
        if (this.#stopped) return
        // The gap it belongs to began earlier.
        this.#journal.due(now())
        if (now() >= this.#next) {
          this.#skipTo(now())
          this.#next += this.#journal.period
        }
      }
      // What fell due meanwhile counts from its own due time.
      if (now() >= this.#next) this.#skipTo(now())
    }
  }

  #fallDue(): void {
    this.#journal.due(this.#next)
    this.#next += this.#journal.period
  }

  #skipTo(time: number): void {
    const { period } = this.#journal
    const missed = Math.floor((time - this.#next) / period) + 1
    // The newest of them is sent; the older ones are counted and gone.
    this.#journal.missed(missed - 1)
    this.#next += (missed - 1) * period
  }

  async #sleepTo(time: number): Promise<void> {
    const wait = time - this.#options.now()
    if (wait <= 0 || this.#stopped) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, wait)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = undefined
  }
}
