/**
 * A replication client's life after login: it has a server connection of its own from its welcome to
 * its end, and bytes go both ways unread. Rule: whoever cannot take more stops the other side from
 * being read, so nothing piles up here; and nobody is told anything in the middle of a message.
 *
 *   client ──data──> server      full? the client is not read until the server has drained
 *   client <──reply── server     full? the server is not read until the client has drained
 */
import type { WeirError } from '../core/errors.ts'
import type { Route } from '../endpoint/router.ts'
import type { Link, Receiver } from '../net/link.ts'
import type { MessageWatch } from '../protocol/aside.ts'
import type { CancelKey, Introduction, PinReason } from '../protocol/contract.ts'
import type { Holder, ServerConnection } from '../server/server-connection.ts'
import { auditLeft, auditPin } from './audit-notes.ts'
import type { CloseReason } from './close-reason.ts'
import type { Rooms } from './rooms.ts'
import { farewell, SHUT_DOWN, sessionLost } from './session-errors.ts'
import type { SessionState } from './session-state.ts'
import type { Session } from './sessions.ts'

const PIN: PinReason = 'replication'

export class ReplicationSession implements Session, Receiver, Holder {
  readonly id: number
  readonly who: Introduction
  readonly cancelKey: CancelKey
  readonly link: Link
  readonly route: Route<ServerConnection>
  readonly pins: ReadonlySet<PinReason> = new Set([PIN])
  readonly channels: ReadonlySet<string> = new Set()
  readonly waitedMs = 0
  #rooms: Rooms
  #server: ServerConnection
  #fromClient: MessageWatch
  #fromServer: MessageWatch
  #closed = false
  /** Set while it is to end as soon as the message under way has ended. */
  #leaving: CloseReason | undefined

  /** @param server opened for this client; it is given up with the session */
  constructor(
    rooms: Rooms,
    id: number,
    link: Link,
    who: Introduction,
    route: Route<ServerConnection>,
    server: ServerConnection,
  ) {
    this.#rooms = rooms
    this.#server = server
    this.#fromClient = rooms.protocol.watch('client')
    this.#fromServer = rooms.protocol.watch('server')
    this.id = id
    this.link = link
    this.who = who
    this.route = route
    this.cancelKey = rooms.protocol.newCancelKey(rooms.sessions.processNumber(id), who)
  }

  get state(): SessionState {
    return this.#closed ? 'closed' : 'leased'
  }

  get leasedNode(): string | undefined {
    return this.#closed ? undefined : this.#server.node
  }

  /** Welcomes the client with what its own server reports. `early` is what it has said already. */
  begin(early: Buffer): void {
    const { protocol, counters, sessions, log } = this.#rooms
    const { conversation, link } = this.#server
    this.link.receiver = this
    sessions.add(this)
    this.#server.hold(this)
    conversation.markDirty()
    this.#server.onDrained = () => this.link.resume()
    counters.established++
    counters.clients++
    if (this.link.encrypted) counters.clientsTls++
    counters.pins.add(PIN)
    log.info(
      {
        client: this.id,
        endpoint: this.route.endpoint.rule.name,
        node: this.#server.node,
        reason: PIN,
        digest: '',
      },
      'session pinned to its server connection until it disconnects',
    )
    auditPin(this.#rooms, this, PIN)
    this.link.write(protocol.welcome(this.who, conversation.parameters, this.cancelKey))
    // First, because what is said may be a reason to pause.
    this.link.resume()
    link.resume()
    this.#server.pump()
    if (early.length > 0) this.data(early)
  }

  data(chunk: Buffer): void {
    if (this.#closed) return
    this.#fromClient.push(chunk)
    const leaves = this.#fromClient.last === 'goodbye'
    const server = this.#server.link
    server.write(leaves ? chunk.subarray(0, this.#fromClient.whole) : chunk)
    if (leaves) this.close('client-quit')
    else if (server.congested) this.link.pause()
  }

  reply(bytes: Buffer): boolean {
    if (this.#closed) return false
    this.#fromServer.push(bytes)
    const { whole } = this.#fromServer
    const ends = this.#leaving !== undefined && whole > 0
    this.link.write(ends ? bytes.subarray(0, whole) : bytes)
    if (!ends) return this.#rooms.slow.lags(this)
    this.#refuse(SHUT_DOWN, this.#leaving!)
    return false
  }

  drained(): void {
    this.#rooms.slow.forget(this)
    if (!this.#closed) this.#server.link.resume()
  }

  /** Bytes that pass unread have no boundary. */
  boundary(): void {}

  serverLost(error: WeirError): void {
    if (this.#closed) return
    // A server that has said why needs no second word from us; inside a message none may be said.
    const told = this.#fromServer.last === 'error'
    if (told || this.#fromServer.midMessage) this.close('server-lost')
    else this.#refuse(sessionLost(error, [PIN]), 'server-lost')
  }

  /** Whether something runs there nobody knows; a cancel that finds nothing does no harm. */
  cancel(): Promise<void> | undefined {
    this.#rooms.counters.cancels++
    return this.#closed ? undefined : this.#server.cancel()
  }

  /** A stream has no boundary to wait for: it ends behind the message that is under way. */
  shutDown(reason: CloseReason): void {
    if (this.#closed) return
    if (this.#fromServer.midMessage) this.#leaving = reason
    else this.#refuse(SHUT_DOWN, reason)
  }

  cut(reason: CloseReason): void {
    if (this.#closed) return
    if (this.#fromServer.midMessage) this.close(reason)
    else this.#refuse(farewell(reason), reason)
  }

  #refuse(error: WeirError, reason: CloseReason): void {
    this.link.write(this.#rooms.protocol.refusal(error))
    this.close(reason)
  }

  closed(error: Error | undefined): void {
    this.close(error === undefined ? 'client-gone' : 'client-reset')
  }

  /** Ends both sides now. */
  close(reason: CloseReason): void {
    if (this.#closed) return
    this.#closed = true
    const { sessions, counters, log, home, slow } = this.#rooms
    slow.forget(this)
    sessions.delete(this)
    auditLeft(this.#rooms, this, reason)
    counters.closed.add(reason)
    counters.bytesFromClients += this.link.bytesRead
    counters.bytesToClients += this.link.bytesWritten
    counters.clients--
    if (this.link.encrypted) counters.clientsTls--
    this.link.end()
    log.debug({ client: this.id, reason }, 'client session closed')
    const server = this.#server
    server.onDrained = undefined
    // A goodbye inside a message would be read as the rest of it; then the link is just cut.
    if (!this.#fromClient.midMessage) server.close('draining')
    home(server).discard(server, 'broken')
  }
}
