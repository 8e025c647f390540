/**
 * One login's errand to a server connection: bring the client's settings there, learn what the server
 * reports, give the connection back. Rule: it holds the connection only until its settings are
 * answered, and a connection lost meanwhile is worth another try.
 */
import type { WeirError } from '../core/errors.ts'
import type { Route, RouteWaiter } from '../endpoint/router.ts'
import type { Wait } from '../pool/member.ts'
import type { Introduction, ServerConversation, TransactionStatus } from '../protocol/contract.ts'
import type { Holder, ServerConnection } from '../server/server-connection.ts'
import type { Rooms } from './rooms.ts'
import type { Parameters } from './welcome.ts'

/** Lost connections during a login are worth another try; the borrow timeout bounds them all. */
const TRIES = 5

/** One login's errand to a server connection: bring the settings there, learn the parameters. */
export class WelcomeErrand implements RouteWaiter<ServerConnection>, Holder {
  #rooms: Rooms
  #route: Route<ServerConnection>
  #converse: { attach(server: ServerConversation): Buffer; detach(): void }
  #done: (outcome: Parameters | WeirError) => void
  #wait: Wait | undefined
  #server: ServerConnection | undefined
  #tries = 0
  #over = false

  constructor(
    rooms: Rooms,
    who: Introduction,
    route: Route<ServerConnection>,
    done: (outcome: Parameters | WeirError) => void,
  ) {
    this.#rooms = rooms
    this.#route = route
    this.#done = done
    this.#converse = rooms.protocol.converse(who, { pinning: 'follow', verify: false })
  }

  start(): void {
    this.#tries++
    const wait = this.#rooms.router.borrow(this.#route, this)
    if (!this.#over && this.#server === undefined) this.#wait = wait
  }

  /** The client left before its login was over. */
  cancel(): void {
    if (this.#over) return
    this.#over = true
    this.#wait?.cancel()
    this.#giveBack()
  }

  granted(server: ServerConnection): void {
    this.#wait = undefined
    this.#server = server
    server.hold(this)
    const ahead = this.#converse.attach(server.conversation)
    if (ahead.length > 0) {
      server.link.write(ahead)
      return
    }
    this.boundary('idle')
  }

  refused(error: WeirError): void {
    this.#over = true
    this.#rooms.counters.borrowsRefused.add(error.code)
    this.#done(error)
  }

  reply(): boolean {
    return false
  }

  boundary(_status: TransactionStatus): void {
    if (this.#over) return
    const { parameters, quietError } = this.#server!.conversation
    const outcome = quietError ?? new Map(parameters)
    this.#over = true
    this.#giveBack()
    this.#done(outcome)
  }

  #giveBack(): void {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    this.#converse.detach()
    server.letGo()
    this.#rooms.home(server).release(server)
  }

  serverLost(error: WeirError): void {
    const server = this.#server
    this.#server = undefined
    this.#converse.detach()
    if (server !== undefined) this.#rooms.home(server).discard(server, 'broken')
    if (this.#over) return
    const passing = /^(08|57P0|58|XX)/.test(error.sqlstate)
    if (passing && this.#tries < TRIES) {
      this.start()
      return
    }
    this.#over = true
    this.#done(error)
  }
}
