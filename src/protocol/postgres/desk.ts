/**
 * What the parts of a client's conversation work on together: the client's bytes, what goes to the
 * server and to the client, and how much of the current message is left. Rule: only here are bytes
 * moved past; a part says whether a message passes, is left out or is replaced.
 */
import { FRONTEND } from '../../wire/postgres/codes.ts'
import { ByteCursor } from './byte-cursor.ts'
import type { ClientStatements } from './client-statements.ts'
import type { Following } from './following.ts'
import { OWED } from './ledger.ts'
import { Outbox } from './outbox.ts'
import type { PostgresServerConversation } from './server-conversation.ts'

/** Of one client, one behind the other, while others wait. */
const MOST_REQUESTS = 16

const NO_CHANNELS: ReadonlySet<string> = new Set()

/** What a part makes of a message: read on, wait for the rest of it, or a step to tell. */
export type Verdict = undefined | 'wait' | 'subscribe' | 'need-server' | 'yield'

export class Desk {
  readonly in = new ByteCursor()
  readonly toServer = new Outbox()
  readonly toClient = new Outbox()
  readonly statements: ClientStatements
  readonly following: Following
  /** Longest message that is read whole, bytes. */
  readonly inspectBytes: number
  /** Bytes of the current message not passed yet; thrown away instead of forwarded when `drop`. */
  left = 0
  drop = false
  /** Query, Execute and FunctionCall messages sent on so far. */
  requests = 0
  /** `requests` when the server connection was lent that is at hand. */
  #lentAt = 0
  /** Of the verdict `need-server`: the one that the message at hand should go to. */
  wants: PostgresServerConversation | undefined
  /** A description is under way that decides about the Bind at hand. */
  looking = false
  /** Of the verdict `subscribe`. */
  subscription = ''
  /** The next LISTEN is refused with these bytes, because its channel cannot be had. */
  refusal: Buffer | undefined
  /** What came is no longer the protocol; what to say of it. */
  junk: string | undefined
  // Nearly all clients never need these two, and there are thousands of clients.
  #subscribed: Set<string> | undefined
  #emit: ((bytes: Buffer) => void) | undefined

  constructor(statements: ClientStatements, following: Following, inspectBytes: number) {
    this.statements = statements
    this.following = following
    this.inspectBytes = inspectBytes
  }

  /** The client begins to use `server`. */
  isLent(server: PostgresServerConversation): void {
    this.#lentAt = this.requests
    server.begins()
  }

  /**
   * Others wait for `server`, the client has had so much of it as one may have at a time, and what was
   * sent ends where it can be given back: the message at hand waits for the next time.
   */
  isTurnOver({ line, ledger, status }: PostgresServerConversation, type: number): boolean {
    if (line?.crowded !== true || this.requests - this.#lentAt < MOST_REQUESTS) return false
    if (type !== FRONTEND.QUERY && type !== FRONTEND.PARSE && type !== FRONTEND.BIND) return false
    if (ledger.empty || ledger.batchOpen || ledger.copyIn || this.following.holds) return false
    return ledger.statusBehind(status) === 'idle'
  }

  /** Nothing is at hand, half read or to be given out. */
  get rests(): boolean {
    return this.left === 0 && this.in.waiting === 0 && this.toServer.empty && this.toClient.empty
  }

  /** Sends bytes of ours, behind what passed before. */
  get emit(): (bytes: Buffer) => void {
    this.#emit ??= (bytes) => {
      if (this.in.hasRun) this.toServer.push(this.in.takeRun())
      this.toServer.push(bytes)
    }
    return this.#emit
  }

  /** What has passed and was not given out yet, piece by piece. */
  takePassed(): Buffer | undefined {
    if (!this.toServer.empty) return this.toServer.take()
    return this.in.hasRun ? this.in.takeRun() : undefined
  }

  /** A FunctionCall goes to `server`. */
  calls({ ledger }: PostgresServerConversation): void {
    ledger.push(OWED.FUNCTION)
    this.requests++
    ledger.closeBatch()
  }

  /** Channels that the shared listener was found to listen to for this client. */
  get subscribed(): ReadonlySet<string> {
    return this.#subscribed ?? NO_CHANNELS
  }

  subscribes(channel: string): void {
    this.#subscribed ??= new Set()
    this.#subscribed.add(channel)
  }

  unsubscribes(channel: string): void {
    this.#subscribed?.delete(channel)
  }

  /** Everything it listens to, and nothing else, is subscribed. */
  subscribesTo(channels: ReadonlySet<string>): void {
    this.#subscribed = channels.size === 0 ? undefined : new Set(channels)
  }

  /** The message at hand passes, with `behind` after it. The caller knows that all of it is here. */
  passWith(total: number, behind: Buffer): void {
    this.in.pos += total
    this.emit(behind)
  }

  /** Goes on behind the message at hand, for which something else was sent, or nothing. */
  leaveOut(total: number): void {
    const cursor = this.in
    if (cursor.hasRun) this.toServer.push(cursor.takeRun())
    cursor.pos += total
    cursor.dropRun()
  }
}
