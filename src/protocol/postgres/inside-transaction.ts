/**
 * Which doubts and pins of a session arose inside the transaction at hand, and go with it when it is
 * lost. Rule: what may have arisen before it counts as outside, and so does what no rollback undoes.
 */
import type { PinReason } from '../contract.ts'
import type { PostgresServerConversation } from './server-conversation.ts'

/** Pins set at once, which a session that was told of its lost transaction does not miss. */
const UNDONE: ReadonlySet<PinReason> = new Set(['sequence'])

export class InsideTransaction {
  readonly pinned = new Set<PinReason>()
  /** A session lock may have been taken: no rollback gives that back. */
  locks = false
  /** Bits of `ABOUT` raised outside. */
  #outside = 0

  /** `about` is in doubt because of what is about to be sent. */
  doubts({ status, ledger }: PostgresServerConversation, about: number): void {
    if (ledger.statusBehind(status) === 'idle') this.#outside |= about
  }

  pins({ status, ledger }: PostgresServerConversation, reason: PinReason): void {
    if (UNDONE.has(reason) && ledger.statusBehind(status) !== 'idle') this.pinned.add(reason)
  }

  /** Some of these were in doubt before the transaction began. */
  before(about: number): boolean {
    return (this.#outside & about) !== 0
  }

  /** At a boundary outside a transaction, when all is known. */
  over(): void {
    this.pinned.clear()
    this.locks = false
    this.#outside = 0
  }
}
