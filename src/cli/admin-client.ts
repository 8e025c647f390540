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
import { WeirError } from '../core/errors.ts'
import {
  type AdminAnswer,
  type AdminTarget,
  askAdmin,
  baseOf,
  DEFAULT_ADMIN,
  notLetIn,
  reasonOf,
} from './admin-target.ts'

const PATIENCE_MS = 5_000
/** Nobody in between cuts a connection that is silent for so long. */
const LONGEST_QUESTION_MS = 20_000

export class AdminClient {
  #target: AdminTarget

  /** @param target or just `http://127.0.0.1:6480`, with or without the scheme */
  constructor(target: AdminTarget | string) {
    this.#target = typeof target === 'string' ? { base: baseOf(target) } : target
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
    const at = this.#target.base.origin
    let answer: AdminAnswer
    try {
      answer = await askAdmin(this.#target, path, body, waitMs + PATIENCE_MS)
    } catch (error) {
      throw noAdmin(`nothing answers at ${at}: ${reasonOf(error)}`, error)
    }
    const { text } = answer
    if (answer.status === none) return undefined
    const said = text.split('\n')[0]?.slice(0, 300) ?? ''
    const refused = notLetIn(answer)
    if (refused !== undefined) throw refused
    if (answer.status === 400 || (answer.status === 404 && said.startsWith('there is no '))) {
      throw new WeirError('WEIR_BAD_ORDER', said)
    }
    if (answer.status !== 200) {
      throw noAdmin(`what answers at ${at} is no Weir that takes this: ${answer.status}`)
    }
    try {
      return JSON.parse(text)
    } catch (error) {
      throw noAdmin(`what answers at ${at} is not the admin port of Weir`, error)
    }
  }
}

function noAdmin(message: string, cause?: unknown): WeirError {
  return new WeirError('WEIR_NO_ADMIN', message, {
    hint: `Say where it is: --admin http://HOST:PORT (setting admin.port); default ${DEFAULT_ADMIN}`,
    ...(cause === undefined ? {} : { cause }),
  })
}
