/**
 * Which doubts and pins of a session arose inside the transaction at hand, and go with it when it is
 * lost. Rule: what may have arisen before it counts as outside, and so does what no rollback undoes.
 */
import type { PinReason } from '../contract.ts'
import type { PostgresServerConversation } from './server-conversation.ts'

/** Pins set at once, which a session that was told of its lost transaction does not miss. */
const UNDONE: ReadonlySet<PinReason> = new Set(['sequence'])

const NONE: ReadonlySet<PinReason> = new Set()

export class InsideTransaction {
  #pinned: Set<PinReason> | undefined
  /** A session lock may have been taken: no rollback gives that back. */
  locks = false
  /** Bits of `ABOUT` raised outside. */
  #outside = 0
  /** Those of them that the server is being asked about. */
  #asked = 0

  get pinned(): ReadonlySet<PinReason> {
    return this.#pinned ?? NONE
  }

  /** `about` is in doubt because of what is about to be sent. */
  doubts({ status, ledger }: PostgresServerConversation, about: number): void {
    if (ledger.statusBehind(status) === 'idle') this.#outside |= about
  }

  pins({ status, ledger }: PostgresServerConversation, reason: PinReason): void {
    if (UNDONE.has(reason) && ledger.statusBehind(status) !== 'idle') {
      this.#pinned ??= new Set()
      this.#pinned.add(reason)
    }
  }

  /** The server is asked `about` these; a transaction may begin before it answers. */
  asks(about: number): void {
    this.#asked = this.#outside & about
    this.#outside &= ~about
  }

  /** It has answered; not `told`: they are in doubt as before. */
  answered(told: boolean): void {
    if (!told) this.#outside |= this.#asked
    this.#asked = 0
  }

  /** The answer leaves these in doubt. */
  remains(about: number): void {
    this.#outside |= about
  }

  /** Some of these were in doubt before the transaction began. */
  before(about: number): boolean {
    return ((this.#outside | this.#asked) & about) !== 0
  }

  /** At a boundary outside a transaction, when all is known. */
  over(): void {
    this.#pinned = undefined
    this.locks = false
    this.#outside = 0
    this.#asked = 0
  }
}
