/**
 * One wait of a client session for a server connection. Rule: the session is told once, that it is
 * lent one or that it is refused, unless it cancelled or left before.
 */
import type { WeirError } from '../core/errors.ts'
import type { Route, RouteWaiter } from '../endpoint/router.ts'
import type { Link } from '../net/link.ts'
import type { Wait } from '../pool/member.ts'
import type { ServerConnection } from '../server/server-connection.ts'
import type { Rooms } from './rooms.ts'
import { CANCELLED_WHILE_WAITING } from './session-errors.ts'

/** The client session, as its wait sees it. */
export interface Borrower {
  readonly id: number
  readonly link: Link
  readonly route: Route<ServerConnection>
  lastActive: number
  /** `atOnce`: it is still asking. */
  lent(server: ServerConnection, atOnce: boolean): void
  refused(error: WeirError, atOnce: boolean): void
}

export class Borrowing implements RouteWaiter<ServerConnection> {
  #rooms: Rooms
  #session: Borrower
  #since: number
  #wait: Wait | undefined
  #asking = true
  #over = false

  constructor(rooms: Rooms, session: Borrower) {
    this.#rooms = rooms
    this.#session = session
    this.#since = rooms.clock.monotonic()
  }

  get waitedMs(): number {
    return this.#rooms.clock.monotonic() - this.#since
  }

  begin(): void {
    const wait = this.#rooms.router.borrow(this.#session.route, this)
    this.#asking = false
    if (!this.#over) this.#wait = wait
  }

  granted(server: ServerConnection): void {
    this.#over = true
    const session = this.#session
    session.lastActive = this.#rooms.clock.monotonic()
    this.#rooms.counters.borrow.record(session.lastActive - this.#since)
    session.lent(server, this.#asking)
  }

  stillWaits(notice: WeirError): void {
    this.#session.link.write(this.#rooms.protocol.notice(notice))
  }

  refused(error: WeirError): void {
    this.#rooms.log.warn({ client: this.#session.id, reason: error.code }, error.message)
    this.#refuse(error)
  }

  #refuse(error: WeirError): void {
    this.#over = true
    this.#rooms.counters.borrowsRefused.add(error.code)
    this.#session.refused(error, this.#asking)
  }

  /** The client cancels its request. */
  cancel(): void {
    this.#wait?.cancel()
    this.#refuse(CANCELLED_WHILE_WAITING)
  }

  /** The client goes. */
  leave(): void {
    this.#rooms.counters.borrowsRefused.add('WEIR_CLIENT_LEFT')
    this.#wait?.cancel()
  }
}
