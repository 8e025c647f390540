/**
 * The admin port as the commands of the command line use it. Rule: whatever goes wrong ends in a
 * WeirError that says what to type next; what Weir itself says is passed on in its own words.
 */
import type {
  OtherThan,
  PauseAnswer,
  PauseOrder,
  PauseTarget,
  ResumeAnswer,
  WriterStatus,
} from '../admin/orders.ts'
import { messageOf, WeirError } from '../core/errors.ts'
import { DEFAULT_ADMIN } from './status.ts'

const PATIENCE_MS = 5_000
/** Nobody in between cuts a connection that is silent for so long. */
const LONGEST_QUESTION_MS = 20_000

export class AdminClient {
  #base: string

  /** @param base `http://127.0.0.1:6480`, or without the scheme */
  constructor(base: string) {
    this.#base = /^[a-z]+:\/\//i.test(base) ? base : `http://${base}`
    if (!URL.canParse('/', this.#base)) {
      throw new WeirError('WEIR_NO_ADMIN', `--admin ${base} is not an address`, {
        hint: `Example: --admin ${DEFAULT_ADMIN}`,
      })
    }
  }

  pause(order: Partial<PauseOrder>): Promise<PauseAnswer> {
    return this.#ask('/pause', order, order.waitMs) as Promise<PauseAnswer>
  }

  resume(target: PauseTarget): Promise<ResumeAnswer> {
    return this.#ask('/resume', target) as Promise<ResumeAnswer>
  }

  /** The writer as soon as it is another one; undefined when there was none within `withinMs`. */
  async writer(than: OtherThan, withinMs: number): Promise<WriterStatus | undefined> {
    const question = new URLSearchParams()
    if (than.not !== undefined) question.set('not', than.not)
    if (than.timeline !== undefined) question.set('timeline', String(than.timeline))
    const end = performance.now() + withinMs
    for (;;) {
      const left = Math.max(0, end - performance.now())
      const once = Math.min(LONGEST_QUESTION_MS, left)
      question.set('withinMs', String(once))
      const answer = await this.#ask(`/writer?${question}`, undefined, once, 504)
      if (answer !== undefined || once === left) return answer as WriterStatus | undefined
    }
  }

  /** @param none status with which Weir says that there is nothing; undefined then */
  async #ask(path: string, body: object | undefined, waitMs = 0, none?: number): Promise<unknown> {
    const signal = AbortSignal.timeout(waitMs + PATIENCE_MS)
    const post = { method: 'POST', headers: { 'content-type': 'application/json' } }
    let text: string
    let answer: Response
    try {
      answer = await fetch(new URL(path, this.#base), {
        signal,
        ...(body === undefined ? {} : { ...post, body: JSON.stringify(body) }),
      })
      text = await answer.text()
    } catch (error) {
      const why = error instanceof Error && error.cause !== undefined ? error.cause : error
      throw noAdmin(`nothing answers at ${this.#base}: ${messageOf(why)}`, error)
    }
    if (answer.status === none) return undefined
    const said = text.split('\n')[0]?.slice(0, 300) ?? ''
    if (answer.status === 403) throw new WeirError('WEIR_NOT_ALLOWED', said)
    if (answer.status === 400 || (answer.status === 404 && said.startsWith('there is no '))) {
      throw new WeirError('WEIR_BAD_ORDER', said)
    }
    if (!answer.ok) {
      throw noAdmin(`what answers at ${this.#base} is no Weir that takes this: ${answer.status}`)
    }
    try {
      return JSON.parse(text)
    } catch (error) {
      throw noAdmin(`what answers at ${this.#base} is not the admin port of Weir`, error)
    }
  }
}

function noAdmin(message: string, cause?: unknown): WeirError {
  return new WeirError('WEIR_NO_ADMIN', message, {
    hint: `Say where it is: --admin http://HOST:PORT (setting admin.port); default ${DEFAULT_ADMIN}`,
    ...(cause === undefined ? {} : { cause }),
  })
}
