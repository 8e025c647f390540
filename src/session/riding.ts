/**
 * One client's rides: its requests that share a server connection with those of others, one at a
 * time. Rule: while it rides nothing else of the client's is read, so its answers stay in order.
 */
import type { WeirError } from '../core/errors.ts'
import type { Route } from '../endpoint/router.ts'
import type { Link } from '../net/link.ts'
import type { ClientConversation } from '../protocol/contract.ts'
import type { RideSource } from '../protocol/ride.ts'
import type { Latency, ServerConnection } from '../server/server-connection.ts'
import type { CloseReason } from './close-reason.ts'
import type { RequestWatch } from './request-watch.ts'
import type { Passer, PutBack, Shared } from './rider.ts'
import type { Rooms } from './rooms.ts'
import { CANCELLED_WHILE_WAITING } from './session-errors.ts'
import type { SlowReader } from './slow-readers.ts'

/** The client session, as its rides see it. */
export interface Traveller extends SlowReader {
  readonly link: Link
  readonly route: Route<ServerConnection>
  lastActive: number
  /** Nothing is going on, and nothing is waited for. */
  readonly rests: boolean
  /** It rides from now on, or no more. */
  rides(on: boolean): void
  /** Goes on with what the client has sent meanwhile, or ends if it was asked to. */
  rode(): void
  goOn(): void
  close(reason: CloseReason): void
}

export class Riding implements Passer {
  place: unknown
  readonly route: Route<ServerConnection>
  readonly rides: RideSource
  #rooms: Rooms
  #session: Traveller
  #conversation: ClientConversation
  #requests: RequestWatch
  #server: Shared | undefined

  constructor(
    rooms: Rooms,
    session: Traveller,
    conversation: ClientConversation,
    requests: RequestWatch,
  ) {
    this.#rooms = rooms
    this.#session = session
    this.#conversation = conversation
    this.#requests = requests
    this.route = session.route
    this.rides = conversation.rides
  }

  get settingsKey(): string {
    return this.#conversation.settingsKey
  }

  /** The node it rides on now. */
  get node(): string | undefined {
    return this.#server?.node
  }

  /** What the client has just sent rides, or waits for the ride to end. False: the ordinary way. */
  takes(chunk: Buffer): boolean {
    if (this.#server !== undefined) this.#push(chunk)
    else if (!this.#session.rests || !this.#board(chunk)) return false
    return true
  }

  #board(chunk: Buffer): boolean {
    const server = this.#rooms.lanes!.board(this, chunk)
    if (server === undefined) return false
    this.#server = server
    this.#session.rides(true)
    this.#requests.sent(this.#session.lastActive)
    return true
  }

  boarded(server: Shared): void {
    this.#server = server
  }

  /** The client was given half a message. */
  get midMessage(): boolean {
    return this.#server?.isMidway(this) === true
  }

  /** More of the client's, which has to wait. */
  #push(chunk: Buffer): void {
    const conversation = this.#conversation
    conversation.push(chunk)
    conversation.keep()
    this.#rooms.held.note(this.#session, conversation.waitingBytes)
  }

  reply(bytes: Buffer): boolean {
    this.#session.link.write(bytes)
    return this.#rooms.slow.lags(this.#session)
  }

  /** The client has read what it was given. */
  drained(): void {
    this.#server?.resume()
  }

  answered(at: number, latency: Latency | undefined): void {
    const session = this.#session
    this.rides.rode()
    // The answer is whole: the client need not wait for our own books.
    session.link.flush()
    // It turned out to be gone.
    if (this.#server === undefined) return
    session.lastActive = at
    const { counters } = this.#rooms
    counters.borrow.record(0)
    counters.transactions++
    counters.rides++
    this.#requests.answered(this.#conversation.requests, at, latency)
    this.#over()
    session.rode()
  }

  putBack(why: PutBack): void {
    this.#rooms.counters.ridesPutBack.add(why)
    this.rides.putBack()
    this.#requests.again()
    this.#over()
    this.#rooms.held.release(this.#session)
    this.#session.goOn()
  }

  lost(error: WeirError, torn: boolean): void {
    const { outcome, bytes } = this.rides.lost(error, torn)
    this.#rooms.counters.outcomes.add(outcome)
    this.#over()
    if (outcome === 'torn') {
      this.#session.close('server-lost')
      return
    }
    if (outcome === 'retried') {
      this.#requests.again()
      this.#rooms.held.release(this.#session)
      // Others of that node may be lost in the same turn: whoever asks for one now might get these.
      setImmediate(() => this.#session.goOn())
      return
    }
    this.#requests.lost(this.#conversation.requests)
    this.#session.link.write(bytes)
    this.#session.rode()
  }

  /** Cancels what rides now; resolves when that has had its effect. */
  cancel(): Promise<void> | undefined {
    const done = this.#server!.cancel(this)
    if (done !== undefined) return done
    // The server had not come to it.
    this.rides.putBack()
    this.#requests.dropped()
    this.#over()
    this.#conversation.failRequest(CANCELLED_WHILE_WAITING)
    this.#rooms.held.release(this.#session)
    this.#session.goOn()
    return undefined
  }

  /** The client goes. */
  leave(): void {
    const server = this.#server
    this.#server = undefined
    server?.leave(this)
  }

  #over(): void {
    this.#server = undefined
    this.#session.rides(false)
  }
}
