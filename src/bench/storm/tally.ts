/**
 * What one thread of a storm counts: totals, and the slice that goes on. Rule: nothing is lost between
 * the two; every value goes into both.
 */
import { performance } from 'node:perf_hooks'
import type { OverWord, SliceWord } from './load-words.ts'
import type { ServerError } from './messages.ts'
import { Spans } from './spans.ts'

type Slice = Omit<SliceWord, 'kind' | 'slice'>
type Total = Omit<OverWord, 'kind' | 'longestStallMs' | 'derivations'>

export class Tally {
  /** Clients connected and logged in now. */
  open = 0
  /** Connections that broke after the login. */
  dropped = 0
  readonly #texts: Record<string, string> = {}
  readonly #errors: Record<string, number> = {}
  readonly #connect = new Spans()
  readonly #authentication = new Spans()
  readonly #firstReply = new Spans()
  readonly #statement = new Spans()
  readonly #amid = new Spans()
  readonly #late = new Spans()
  readonly #sliceFirstReply = new Spans(2)
  readonly #sliceStatement = new Spans(2)
  #sliceErrors: Record<string, number> = {}
  #sliceLate = 0
  #arrived = 0
  #overdue = 0
  #before = { arrived: 0, loggedIn: 0, answered: 0, statements: 0 }
  #loop = performance.eventLoopUtilization()
  #closed: Slice | undefined

  arrived(): void {
    this.#arrived++
  }

  /** @param ms from the due time */
  connect(ms: number): void {
    this.#connect.record(ms)
  }

  /** @param ms from the connection on */
  loggedIn(ms: number): void {
    this.#authentication.record(ms)
  }

  /** @param ms from the due time of the arrival */
  firstReply(ms: number): void {
    this.#firstReply.record(ms)
    this.#sliceFirstReply.record(ms)
  }

  /**
   * @param ms from the due time
   * @param amid it fell due while others were still arriving
   * @param sent false: it never was, and waited at least so long
   */
  statement(ms: number, amid: boolean, sent: boolean): void {
    const spans = amid ? this.#amid : this.#statement
    spans.record(ms)
    this.#sliceStatement.record(ms)
    if (!sent) this.#overdue++
  }

  late(ms: number): void {
    this.#late.record(ms)
    this.#sliceLate = Math.max(this.#sliceLate, ms)
  }

  error({ code, text }: ServerError): void {
    this.#errors[code] = (this.#errors[code] ?? 0) + 1
    this.#sliceErrors[code] = (this.#sliceErrors[code] ?? 0) + 1
    this.#texts[code] ??= text
  }

  /** Ends the slice; `slice` has it until the next one is closed. */
  closeSlice(): void {
    const now = this.#counted()
    const loop = performance.eventLoopUtilization()
    this.#closed = {
      arrived: now.arrived - this.#before.arrived,
      loggedIn: now.loggedIn - this.#before.loggedIn,
      answered: now.answered - this.#before.answered,
      statements: now.statements - this.#before.statements,
      errors: this.#sliceErrors,
      open: this.open,
      firstReply: this.#sliceFirstReply.encoded(),
      statement: this.#sliceStatement.encoded(),
      busy: performance.eventLoopUtilization(loop, this.#loop).utilization,
      late: this.#sliceLate,
    }
    this.#before = now
    this.#loop = loop
    this.#sliceErrors = {}
    this.#sliceLate = 0
    this.#sliceFirstReply.reset()
    this.#sliceStatement.reset()
  }

  slice(): Slice {
    if (this.#closed === undefined) throw new Error('BUG: no slice was closed')
    return this.#closed
  }

  total(): Total {
    return {
      ...this.#counted(),
      overdue: this.#overdue,
      dropped: this.dropped,
      errors: this.#errors,
      texts: this.#texts,
      connect: this.#connect.encoded(),
      authentication: this.#authentication.encoded(),
      firstReply: this.#firstReply.encoded(),
      statement: this.#statement.encoded(),
      amid: this.#amid.encoded(),
      late: this.#late.encoded(),
    }
  }

  #counted() {
    return {
      arrived: this.#arrived,
      loggedIn: this.#authentication.count,
      answered: this.#firstReply.count,
      statements: this.#statement.count + this.#amid.count - this.#overdue,
    }
  }
}
