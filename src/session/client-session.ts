/**
 * One client's life after login: pulls steps from its conversation, borrows a server connection when
 * the next message needs one, gives it back at the boundary unless pinned. Rule: between `need-server`
 * and a lease nothing of the client's bytes has gone anywhere, so waiting, moving to another node and
 * failing are all safe there.
 *
 *   welcoming ──> idle <──> waiting ──> leased ──> idle        any ──> closed
 */
import type { WeirError } from '../core/errors.ts'
import { Machine } from '../core/machine.ts'
import { Deadline } from '../core/timer-wheel.ts'
import type { EndpointRule } from '../endpoint/endpoint.ts'
import type { Route, RouteWaiter } from '../endpoint/router.ts'
import type { Link, Receiver } from '../net/link.ts'
import type { Wait } from '../pool/member.ts'
import type {
  CancelKey,
  ClientConversation,
  Introduction,
  PinReason,
  SessionTerms,
  TransactionStatus,
} from '../protocol/contract.ts'
import type { Holder, ServerConnection } from '../server/server-connection.ts'
import type { CloseReason } from './close-reason.ts'
import { RequestWatch } from './request-watch.ts'
import type { Rooms } from './rooms.ts'
import {
  CANCELLED_WHILE_WAITING,
  IDLE_TOO_LONG,
  INTERNAL,
  outcomeUnknown,
  SHUT_DOWN,
  sessionLost,
} from './session-errors.ts'
import { MOVES, type SessionState } from './session-state.ts'
import type { Session } from './sessions.ts'

function termsOf(rule: EndpointRule): SessionTerms {
  const { pooling, pinning, verify } = rule
  return { pinning: pooling === 'session' ? 'session' : pinning, verify }
}

/** While a client waits for a server connection, this much of what it sends on is held (bytes). */
const HELD_BYTES = 262_144

export class ClientSession implements Session, Receiver, Holder, RouteWaiter<ServerConnection> {
  readonly id: number
  readonly who: Introduction
  readonly cancelKey: CancelKey
  readonly link: Link
  readonly route: Route<ServerConnection>
  readonly startedAt: number
  readonly pins = new Set<PinReason>()
  #rooms: Rooms
  #machine = new Machine<SessionState>('client session', MOVES, 'welcoming')
  #conversation: ClientConversation
  #lease: ServerConnection | undefined
  #wait: Wait | undefined
  #waitingSince = 0
  #requests: RequestWatch
  #acquiring = false
  #pausedForServer = false
  #lastActive: number
  #idleDeadline: Deadline | undefined
  #closeAtBoundary: CloseReason | undefined
  #inTransaction = false

  constructor(
    rooms: Rooms,
    id: number,
    link: Link,
    who: Introduction,
    route: Route<ServerConnection>,
  ) {
    this.#rooms = rooms
    this.id = id
    this.link = link
    this.who = who
    this.route = route
    this.startedAt = rooms.clock.wall()
    this.#lastActive = rooms.clock.monotonic()
    this.#conversation = rooms.protocol.converse(who, termsOf(route.endpoint.rule))
    this.#requests = new RequestWatch(rooms.counters, link.encrypted)
    this.cancelKey = rooms.protocol.newCancelKey(rooms.sessions.processNumber(id), who)
    const conversation = this.#conversation
    route.prefer = (server) => server.conversation.settingsKey === conversation.settingsKey
    link.receiver = this
    rooms.sessions.add(this)
  }

  get state(): SessionState {
    return this.#machine.state
  }

  /** The node whose server connection it holds now. */
  get leasedNode(): string | undefined {
    return this.#lease?.node
  }

  /** Milliseconds it has been waiting for a server connection; 0 when it is not. */
  get waitedMs(): number {
    return this.#machine.is('waiting') ? this.#rooms.clock.monotonic() - this.#waitingSince : 0
  }

  get inTransaction(): boolean {
    return this.#inTransaction
  }

  /** Login is over: the client may speak. `early` is what it has said already. */
  begin(parameters: ReadonlyMap<string, string>, early = this.who.rest): void {
    const { protocol, wheel, counters, idleClientTimeoutMs } = this.#rooms
    this.link.write(protocol.welcome(this.who, parameters, this.cancelKey))
    this.#machine.to('idle')
    counters.established++
    counters.clients++
    if (this.link.encrypted) counters.clientsTls++
    if (idleClientTimeoutMs !== undefined) {
      this.#idleDeadline = new Deadline(() => this.#checkIdle())
      wheel.arm(this.#idleDeadline, idleClientTimeoutMs)
    }
    // First, because what is said may be a reason to pause.
    this.link.resume()
    if (early.length > 0) this.data(early)
  }

  data(chunk: Buffer): void {
    if (this.#machine.state === 'closed') return
    this.#lastActive = this.#rooms.clock.monotonic()
    this.#conversation.push(chunk)
    this.#pumpAndKeep()
  }

  #pump(): void {
    const conversation = this.#conversation
    // While it waits for a server connection nothing may be pulled: order would be lost.
    while (this.#machine.state !== 'waiting' && this.#machine.state !== 'closed') {
      switch (conversation.next()) {
        case 'starved':
          return
        case 'forward':
          this.#forward(conversation.bytes)
          break
        case 'answer':
          this.link.write(conversation.bytes)
          // A client that asks and never reads would have its answers pile up here.
          if (this.link.congested) this.link.pause()
          break
        case 'need-server':
          if (!this.#acquire()) return
          break
        case 'subscribe':
          if (!this.#subscribe(conversation.subscription)) return
          break
        case 'goodbye':
          this.close('client-quit')
          return
        case 'broken':
          this.link.write(conversation.bytes)
          this.close('protocol-error')
          return
      }
    }
    if (this.#machine.state === 'waiting' && conversation.waitingBytes > HELD_BYTES)
      this.link.pause()
  }

  #forward(bytes: Buffer): void {
    const server = this.#lease!.link
    this.#requests.sent(this.#lastActive)
    server.write(bytes)
    if (!server.congested || this.#pausedForServer) return
    this.#pausedForServer = true
    this.link.pause()
  }

  #resumeClient(): void {
    this.#pausedForServer = false
    this.link.resume()
  }

  /** False when the session waits now; true when it got a server connection or was refused at once. */
  #acquire(): boolean {
    const { router, clock, counters } = this.#rooms
    const ready = router.tryBorrow(this.route)
    if (ready !== undefined) {
      counters.borrow.record(0)
      this.#attach(ready)
      return true
    }
    this.#waitingSince = clock.monotonic()
    this.#requests.asked(this.#lastActive)
    this.#machine.to('waiting')
    this.#acquiring = true
    const wait = router.borrow(this.route, this)
    this.#acquiring = false
    if (!this.#machine.is('waiting')) return true
    this.#wait = wait
    return false
  }

  /** False when it has to wait until the channel is listened to. */
  #subscribe(_channel: string): boolean {
    this.#conversation.failRequest(INTERNAL)
    return true
  }

  granted(server: ServerConnection): void {
    this.#wait = undefined
    this.#lastActive = this.#rooms.clock.monotonic()
    this.#rooms.counters.borrow.record(this.#lastActive - this.#waitingSince)
    this.#attach(server)
    this.link.resume()
    if (!this.#acquiring) this.#pumpAndKeep()
  }

  refused(error: WeirError): void {
    this.#wait = undefined
    this.#rooms.counters.borrowsRefused.add(error.code)
    this.#rooms.log.warn({ client: this.id, reason: error.code }, error.message)
    this.#failPending(error)
  }

  #failPending(error: WeirError): void {
    this.#machine.to('idle')
    this.#requests.dropped()
    this.#conversation.failRequest(error)
    this.link.resume()
    if (!this.#acquiring) this.#pumpAndKeep()
  }

  #pumpAndKeep(): void {
    try {
      this.#pump()
      if (this.#conversation.waitingBytes > 0) this.#conversation.keep()
    } catch (error) {
      // Our bug: this session can no longer be trusted, all others can.
      this.#rooms.log.error({ client: this.id, error }, 'BUG: a client session failed')
      this.cut('internal-error', INTERNAL)
    }
  }

  #attach(server: ServerConnection): void {
    this.#machine.to('leased')
    this.#lease = server
    server.hold(this)
    server.onDrained = () => this.#resumeClient()
    const ahead = this.#conversation.attach(server.conversation)
    if (ahead.length > 0) server.link.write(ahead)
    if (this.#conversation.holds) this.#notePins()
  }

  /** Tells what has pinned the session and what no longer does. */
  #notePins(): void {
    const { pins } = this.#conversation
    const client = this.id
    const endpoint = this.route.endpoint.rule.name
    for (const [reason, digest] of pins) {
      if (this.pins.has(reason)) continue
      this.pins.add(reason)
      this.#rooms.counters.pins.add(reason)
      if (reason === 'configured') continue
      const message = 'session pinned to its server connection'
      this.#rooms.log.info({ client, endpoint, reason, digest }, message)
    }
    for (const reason of this.pins) {
      if (pins.has(reason)) continue
      this.pins.delete(reason)
      this.#rooms.log.info({ client, endpoint, reason }, 'session no longer pinned for this')
    }
  }

  reply(bytes: Buffer): boolean {
    this.link.write(bytes)
    return this.link.congested
  }

  drained(): void {
    this.#lease?.link.resume()
    if (!this.#pausedForServer && this.#machine.state !== 'waiting') this.link.resume()
  }

  boundary(status: TransactionStatus): void {
    this.link.flush() // The answer is whole: the client need not wait for our own books.
    this.#answered()
    this.#inTransaction = status !== 'idle'
    if (this.#inTransaction || !this.#conversation.atMessageEnd) return
    const bytes = this.#conversation.settle()
    if (bytes.length > 0) {
      this.#lease?.link.write(bytes)
      return
    }
    this.#rooms.counters.transactions++
    const { holds } = this.#conversation
    if (holds || this.pins.size > 0) this.#notePins()
    if (!holds) this.#release()
    if (this.#closeAtBoundary !== undefined) this.shutDown(this.#closeAtBoundary)
  }

  #answered(): void {
    const { requests } = this.#conversation
    this.#lastActive = this.#rooms.clock.monotonic()
    this.#requests.answered(requests, this.#lastActive, this.#lease?.latency)
  }

  /** Takes the lease out of this session; what becomes of it is up to the caller. */
  #unlease(): ServerConnection | undefined {
    const server = this.#lease
    if (server === undefined) return undefined
    this.#lease = undefined
    this.#inTransaction = false
    server.onDrained = undefined
    this.#conversation.detach()
    if (this.#pausedForServer) this.#resumeClient()
    return server
  }

  #release(): void {
    const server = this.#unlease()!
    this.#machine.to('idle')
    server.letGo()
    this.#rooms.home(server).release(server)
  }

  serverLost(error: WeirError): void {
    const server = this.#lease
    if (server === undefined) return
    const cutInHalf = server.conversation.midMessage
    const outcome = this.#conversation.serverLost(outcomeUnknown(error))
    const pinned = this.#conversation.atRisk
    this.#requests.count(this.#conversation.requests)
    this.#requests.dropped()
    this.#unlease()
    this.#rooms.home(server).discard(server, 'broken')
    if (outcome === undefined) {
      // An error in the middle of a row would be read as the rest of that row.
      if (cutInHalf) this.close('server-lost')
      else this.#refuse(sessionLost(error, pinned), 'server-lost')
      return
    }
    this.link.write(outcome)
    this.#machine.to('idle')
    this.#pumpAndKeep()
  }

  /** Cancels what the client is doing now: a running request, or its wait for a server connection. */
  cancel(): Promise<void> | undefined {
    this.#rooms.counters.cancels++
    if (this.#machine.is('waiting')) {
      this.#wait?.cancel()
      this.#wait = undefined
      this.#rooms.counters.borrowsRefused.add(CANCELLED_WHILE_WAITING.code)
      this.#failPending(CANCELLED_WHILE_WAITING)
      return undefined
    }
    return this.#lease?.cancel()
  }

  #checkIdle(): void {
    const limit = this.#rooms.idleClientTimeoutMs
    if (limit === undefined || this.#machine.is('closed')) return
    const idleFor = this.#rooms.clock.monotonic() - this.#lastActive
    if (idleFor >= limit && !this.#busy) {
      this.#refuse(IDLE_TOO_LONG, 'idle-timeout')
      return
    }
    this.#rooms.wheel.arm(this.#idleDeadline!, Math.max(1_000, limit - idleFor))
  }

  /** Ends the session politely: at once when it is idle, else at its next boundary. */
  shutDown(reason: CloseReason): void {
    if (this.#machine.is('closed')) return
    if (this.#busy) this.#closeAtBoundary = reason
    else this.#refuse(SHUT_DOWN, reason)
  }

  /** Ends it now, telling the client why unless it is in the middle of a message. */
  cut(reason: CloseReason, error = SHUT_DOWN): void {
    if (this.#machine.is('closed')) return
    if (this.#lease?.conversation.midMessage === true) this.close(reason)
    else this.#refuse(error, reason)
  }

  /** Waiting, in a transaction, or owed a reply. */
  get #busy(): boolean {
    if (this.#machine.is('waiting')) return true
    const server = this.#lease?.conversation
    return server !== undefined && (server.owing || server.status !== 'idle')
  }

  #refuse(error: WeirError, reason: CloseReason): void {
    this.link.write(this.#rooms.protocol.refusal(error))
    this.close(reason)
  }

  closed(error: Error | undefined): void {
    this.close(error === undefined ? 'client-gone' : 'client-reset')
  }

  /** Ends it now; the server connection goes back to be cleaned, or is given up when torn. */
  close(reason: CloseReason): void {
    if (this.#machine.is('closed')) return
    this.#requests.count(this.#conversation.requests)
    const torn = reason === 'internal-error' || !this.#conversation.atMessageEnd
    if (this.#wait !== undefined) this.#rooms.counters.borrowsRefused.add('WEIR_CLIENT_LEFT')
    this.#wait?.cancel()
    this.#wait = undefined
    this.#pausedForServer = false
    const server = this.#unlease()
    this.#machine.to('closed')
    if (this.#idleDeadline !== undefined) this.#rooms.wheel.cancel(this.#idleDeadline)
    this.#rooms.sessions.delete(this)
    const { counters } = this.#rooms
    counters.closed.add(reason)
    counters.bytesFromClients += this.link.bytesRead
    counters.bytesToClients += this.link.bytesWritten
    counters.clients--
    if (this.link.encrypted) counters.clientsTls--
    this.link.end()
    this.#rooms.log.debug({ client: this.id, reason }, 'client session closed')
    if (server === undefined) return
    server.letGo()
    if (torn) {
      this.#rooms.home(server).discard(server, 'broken')
      server.destroy('broken')
    } else this.#rooms.home(server).release(server)
  }
}
