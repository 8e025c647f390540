/**
 * One client's life after login: pulls steps from its conversation, borrows a server connection when
 * the next message needs one, gives it back at the boundary unless pinned. Rule: between `need-server`
 * and a lease nothing of the client's bytes has gone anywhere, so waiting, moving to another node and
 * failing are all safe there.
 *
 *   welcoming ──> idle <──> waiting ──> leased ──> idle <──> riding        any ──> closed
 */
import type { WeirError } from '../core/errors.ts'
import { Machine } from '../core/machine.ts'
import type { Link, Receiver } from '../net/link.ts'
import type {
  CancelKey,
  ClientConversation,
  Introduction,
  TransactionStatus,
} from '../protocol/contract.ts'
import type { Holder, ServerConnection } from '../server/server-connection.ts'
import { type Borrower, Borrowing } from './borrowing.ts'
import type { CloseReason } from './close-reason.ts'
import { Ears } from './ears.ts'
import { NO_PINS, notePins } from './pin-notes.ts'
import { RequestWatch } from './request-watch.ts'
import { Riding } from './riding.ts'
import { handBack, type Rooms, type ServerRoute } from './rooms.ts'
import { bookBegin, bookLeave, bookLoss } from './session-books.ts'
import { CANCELLED_WHILE_WAITING, farewell, INTERNAL, sessionLost } from './session-errors.ts'
import { type AsServed, isQuiet, MOVES, type SessionState } from './session-state.ts'
import { termsOf } from './session-terms.ts'
import { SessionWatch } from './session-watch.ts'
import type { Session } from './sessions.ts'

export class ClientSession implements Session, Receiver, Holder, Borrower {
  readonly id: number
  readonly who: Introduction
  readonly cancelKey: CancelKey
  readonly link: Link
  readonly route: ServerRoute
  lastActive: number
  pins = NO_PINS
  #rooms: Rooms
  #machine = new Machine<SessionState>('client session', MOVES, 'welcoming')
  #conversation: ClientConversation
  #lease: ServerConnection | undefined
  #borrowing: Borrowing | undefined
  #requests: RequestWatch
  #pausedForServer = false
  #watch: SessionWatch
  #closeAtBoundary: CloseReason | undefined
  #ears: Ears
  #riding: Riding | undefined

  constructor(rooms: Rooms, id: number, link: Link, who: Introduction, route: ServerRoute) {
    this.#rooms = rooms
    this.id = id
    this.link = link
    this.who = who
    this.route = route
    this.lastActive = rooms.clock.monotonic()
    this.cancelKey = rooms.protocol.newCancelKey(rooms.sessions.processNumber(id), who)
    this.#conversation = rooms.protocol.converse(who, termsOf(route.endpoint, this.cancelKey.pid))
    this.#requests = new RequestWatch(rooms.counters, link.encrypted)
    this.#watch = new SessionWatch(rooms, this, this.#conversation, this.#requests)
    this.#ears = new Ears(rooms, this)
    route.prefer = ({ conversation }) => conversation.settingsKey === this.#conversation.settingsKey
    link.receiver = this
    rooms.sessions.add(this)
  }

  get state(): SessionState {
    return this.#machine.state
  }

  get channels(): ReadonlySet<string> {
    return this.#conversation.channels
  }

  get leasedNode(): string | undefined {
    return this.#lease?.node ?? this.#riding?.node
  }

  /** Milliseconds it has been waiting for a server connection; 0 when it is not. */
  get waitedMs(): number {
    return this.#borrowing?.waitedMs ?? 0
  }

  /** Login is over: the client may speak. `early` is what it has said already. */
  begin(parameters: ReadonlyMap<string, string>, early = this.who.rest): void {
    const { protocol, counters } = this.#rooms
    this.link.write(protocol.welcome(this.who, parameters, this.cancelKey))
    this.#ears.dialect = protocol.dialect(parameters)
    this.#machine.to('idle')
    bookBegin(counters, this.link)
    this.#watch.begin()
    // First, because what is said may be a reason to pause.
    this.link.resume()
    if (early.length > 0) this.data(early)
  }

  data(chunk: Buffer): void {
    if (this.#machine.state === 'closed') return
    this.lastActive = this.#rooms.clock.monotonic()
    if (this.#rooms.lanes !== undefined) {
      this.#riding ??= new Riding(this.#rooms, this, this.#conversation, this.#requests)
      if (this.#riding.takes(chunk)) return
    }
    this.#conversation.push(chunk)
    this.goOn()
  }

  rides(on: boolean): void {
    this.#machine.to(on ? 'riding' : 'idle')
  }

  rode(): void {
    if (this.#closeAtBoundary !== undefined) this.shutDown(this.#closeAtBoundary)
    else this.#takeUp()
  }

  /** What the client has sent on meanwhile has its turn. */
  #takeUp(): void {
    if (this.#conversation.waitingBytes === 0) return
    this.#rooms.held.release(this)
    this.goOn()
  }

  #pump(): void {
    const conversation = this.#conversation
    // While it waits nothing may be pulled: order would be lost.
    while (!this.#waits() && this.#machine.state !== 'closed') {
      switch (conversation.next()) {
        case 'starved':
          return
        case 'forward':
          this.#forward(conversation.bytes)
          break
        case 'answer':
          this.link.write(conversation.bytes)
          // A client that asks and never reads would have its answers pile up here.
          if (this.#rooms.slow.lags(this)) this.link.pause()
          break
        case 'need-server':
          this.#acquire()
          break
        case 'subscribe':
          if (!this.#ears.subscribe(conversation.subscription)) return
          break
        case 'yield':
          this.#rooms.held.note(this, conversation.waitingBytes)
          return
        case 'goodbye':
          this.close('client-quit')
          return
        case 'broken':
          this.link.write(conversation.bytes)
          this.close('protocol-error')
          return
      }
    }
    if (this.#waits()) this.#rooms.held.note(this, conversation.waitingBytes)
  }

  /** For a server connection, for a channel to be listened to, or for the end of its ride. */
  #waits(): boolean {
    const { state } = this.#machine
    return state === 'waiting' || state === 'riding' || this.#ears.waits
  }

  get rests(): boolean {
    return this.#machine.state === 'idle' && !this.#ears.waits
  }

  #forward(bytes: Buffer): void {
    const server = this.#lease!.link
    this.#requests.sent(this.lastActive)
    server.write(bytes)
    if (!server.congested || this.#pausedForServer) return
    this.#pausedForServer = true
    this.link.pause()
  }

  #resumeClient(): void {
    this.#pausedForServer = false
    this.link.resume()
  }

  /** Gets a server connection, is refused one, or waits from now on. */
  #acquire(): void {
    const { wants } = this.#conversation
    this.route.wanted = wants && (({ conversation }) => conversation === wants)
    const ready = this.#rooms.router.tryBorrow(this.route)
    if (ready === undefined) {
      this.#borrowing = new Borrowing(this.#rooms, this)
      this.#requests.asked(this.lastActive)
      this.#machine.to('waiting')
      this.#borrowing.begin()
      return
    }
    this.#rooms.counters.borrow.record(0)
    this.#attach(ready)
  }

  subscribed(error: WeirError | undefined, waited: boolean): void {
    if (error !== undefined) this.#conversation.failRequest(error)
    if (!waited) return
    this.#rooms.held.release(this)
    this.goOn()
  }

  lent(server: ServerConnection, atOnce: boolean): void {
    this.#borrowing = undefined
    this.#attach(server)
    this.#rooms.held.release(this)
    if (atOnce) return
    this.goOn()
    // Hundreds may be granted in one turn, or be told to wait on: the first need not wait for the last.
    this.#lease?.link.flush()
  }

  refused(error: WeirError, atOnce: boolean): void {
    this.#borrowing = undefined
    this.#machine.to('idle')
    this.#requests.dropped()
    this.#conversation.failRequest(error)
    this.#rooms.held.release(this)
    if (!atOnce) this.goOn()
  }

  goOn(): void {
    try {
      this.#pump()
      const { waitingBytes } = this.#conversation
      if (waitingBytes > 0) this.#conversation.keep()
      this.#rooms.halves.note(this, this.#rooms.held.holds(this) ? 0 : waitingBytes)
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
    if (this.#conversation.holds) notePins(this.#rooms, this, this.#conversation.pins)
  }

  reply(bytes: Buffer): boolean {
    this.link.write(bytes)
    return this.#rooms.slow.lags(this)
  }

  drained(): void {
    this.#rooms.slow.forget(this)
    this.#lease?.link.resume()
    this.#riding?.drained()
    if (!this.#pausedForServer && !this.#waits()) this.link.resume()
    this.#ears.drained()
  }

  halted(): void {
    this.#ears.catchUp(this.#lease!)
  }

  boundary(status: TransactionStatus): void {
    this.link.flush() // The answer is whole: the client need not wait for our own books.
    if (this.#machine.state === 'closed') return // It turned out to be gone.
    const conversation = this.#conversation
    this.lastActive = this.#rooms.clock.monotonic()
    this.#requests.answered(conversation.requests, this.lastActive, this.#lease?.latency)
    if (status !== 'idle' || !conversation.atMessageEnd) {
      this.#takeUp()
      return
    }
    const bytes = conversation.settle()
    if (bytes.length > 0) {
      this.#lease?.link.write(bytes)
      return
    }
    this.#rooms.counters.transactions++
    const { holds, pins } = conversation
    if (holds || this.pins.size > 0) notePins(this.#rooms, this, pins)
    if (!holds) {
      const server = this.#unlease()!
      this.#machine.to('idle')
      handBack(this.#rooms, server, false)
    }
    this.#ears.settle()
    this.rode()
  }

  /** Takes the lease out of this session; what becomes of it is up to the caller. */
  #unlease(): ServerConnection | undefined {
    const server = this.#lease
    if (server === undefined) return undefined
    this.#lease = undefined
    server.onDrained = undefined
    this.#conversation.detach()
    if (this.#pausedForServer) this.#resumeClient()
    return server
  }

  serverLost(error: WeirError): void {
    const server = this.#lease
    if (server === undefined) return
    const conversation = this.#conversation
    const pinned = conversation.atRisk
    const { outcome, goesOn, bytes } = conversation.serverLost(error)
    bookLoss(this.#rooms.counters, this.#requests, outcome, conversation.requests)
    this.#unlease()
    this.#rooms.home(server).discard(server, 'broken')
    if (!goesOn) {
      // An error in the middle of a row would be read as the rest of that row.
      if (outcome === 'torn') this.close('server-lost')
      else this.cut('server-lost', sessionLost(error, pinned))
      return
    }
    this.link.write(bytes)
    this.#machine.to('idle')
    this.#ears.settle()
    // Others of that node may be lost in the same turn: whoever asks for one now might get these.
    if (outcome === 'retried') setImmediate(() => this.goOn())
    else if (this.#closeAtBoundary !== undefined) this.shutDown(this.#closeAtBoundary)
    else this.goOn()
  }

  /** Cancels what the client is doing now: a running request, or its wait for a server connection. */
  cancel(): Promise<void> | undefined {
    this.#rooms.counters.cancels++
    if (this.#machine.is('riding')) return this.#riding!.cancel()
    if (this.#borrowing !== undefined) this.#borrowing.cancel()
    else if (this.#ears.giveUp()) this.subscribed(CANCELLED_WHILE_WAITING, true)
    else return this.#lease?.cancel()
    return undefined
  }

  /** Ends the session politely: at once when it is idle, else at its next boundary. */
  shutDown(reason: CloseReason): void {
    if (this.#machine.is('closed')) return
    if (this.busy) this.#closeAtBoundary = reason
    else this.cut(reason)
  }

  /** Ends it now, telling the client why unless it is in the middle of a message. */
  cut(reason: CloseReason, error = farewell(reason)): void {
    if (this.#machine.is('closed')) return
    if (!this.midMessage) this.link.write(this.#rooms.protocol.refusal(error))
    this.close(reason)
  }

  /** The client was given half a message. */
  get midMessage(): boolean {
    return (this.#lease?.conversation.midMessage ?? this.#riding?.midMessage) === true
  }

  /** Waiting, in a transaction, or owed a reply. */
  get busy(): boolean {
    return this.#waits() || !this.quiet
  }

  /** No transaction is open and no answer is owed. */
  get quiet(): boolean {
    if (this.#lease === undefined) return !this.#machine.is('riding')
    return isQuiet(this.#lease.conversation)
  }

  get heldUp(): boolean {
    return this.#pausedForServer || this.#waits()
  }

  get served(): AsServed | undefined {
    return this.#lease?.conversation
  }

  closed(error: Error | undefined): void {
    this.close(error === undefined ? 'client-gone' : 'client-reset')
  }

  /** Ends it now; the server connection goes back to be cleaned, or is given up when torn. */
  close(reason: CloseReason): void {
    if (this.#machine.is('closed')) return
    this.#requests.count(this.#conversation.requests)
    const torn = reason === 'internal-error' || !this.#conversation.atMessageEnd
    this.#borrowing?.leave()
    this.#borrowing = undefined
    this.#pausedForServer = false
    const server = this.#unlease()
    this.#riding?.leave()
    this.#machine.to('closed')
    this.#watch.end()
    this.#ears.leave()
    bookLeave(this.#rooms, this, reason)
    this.link.end()
    if (server !== undefined) handBack(this.#rooms, server, torn)
  }
}
