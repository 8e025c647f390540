/**
 * The conversation of a server connection whose bytes pass unread: whatever comes goes to its holder
 * at once. Rule: it is clean until its one client has it, and after that never again.
 */
import type { WeirError } from '../../core/errors.ts'
import { terminate } from '../../wire/postgres/frontend.ts'
import type { CancelKey, ServerConversation, ServerStep, TransactionStatus } from '../contract.ts'

const NOTHING = Buffer.alloc(0)

export class PassingConversation implements ServerConversation {
  bytes: Buffer = NOTHING
  sign: string | undefined
  readonly status: TransactionStatus = 'idle'
  readonly error: WeirError | undefined
  readonly quietError: WeirError | undefined
  /** Nobody knows what runs; a cancel that finds nothing does no harm. */
  readonly owing = true
  readonly answered = 0
  readonly unfinished = false
  readonly cancelTarget = 'client'
  readonly midMessage = false
  clean = true
  /** It serves one client alone. */
  readonly bare = false
  readonly injected = 0
  readonly settingsKey = ''
  readonly parameters: ReadonlyMap<string, string>
  readonly cancelKey: CancelKey | undefined
  #waiting: Buffer = NOTHING

  constructor(parameters: ReadonlyMap<string, string>, cancelKey: CancelKey | undefined) {
    this.parameters = parameters
    this.cancelKey = cancelKey
  }

  get farewell(): Buffer {
    return terminate()
  }

  push(chunk: Buffer): void {
    this.#waiting = this.#waiting.length === 0 ? chunk : Buffer.concat([this.#waiting, chunk])
  }

  next(): ServerStep {
    if (this.#waiting.length === 0) return 'starved'
    this.bytes = this.#waiting
    this.#waiting = NOTHING
    return 'forward'
  }

  keep(): void {
    this.#waiting = Buffer.from(this.#waiting)
  }

  /** No query of ours may run: a physical walsender takes no SQL. */
  initialise(): Buffer {
    return NOTHING
  }

  cleanUp(): undefined {
    return undefined
  }

  markDirty(): void {
    this.clean = false
  }

  rides(): never {
    throw new Error('BUG: nobody rides on a connection of one client')
  }

  ridden(): void {}
  proceed(): void {}
  abandon(): void {}
  reclaim(): void {}
}
