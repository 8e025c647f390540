/**
 * What one client listens to, and how it hears it: subscribes at the shared listener ahead of the
 * client's LISTEN, follows what became of it, and hands notifications to the link between
 * transactions. Rule: the conversation's `channels` are the truth; a subscription is only the means,
 * so it may be there early and stay late, and what arrives meanwhile is sorted out at delivery.
 */
import { WeirError } from '../core/errors.ts'
import type { Link } from '../net/link.ts'
import type { ServerConnection } from '../server/server-connection.ts'
import type { Subscriber } from './channels.ts'
import { NotificationQueue, type NotificationReceiver } from './notification-queue.ts'
import type { Rooms } from './rooms.ts'

/** The client session, as its ears see it. */
export interface Listener {
  readonly id: number
  readonly link: Link
  readonly route: Subscriber['route']
  /** What the client listens to now. */
  readonly channels: ReadonlySet<string>
  /** No transaction is open and no answer is owed. */
  readonly quiet: boolean
  /** The channel of its LISTEN is listened to, or cannot be; it `waited` for that. */
  subscribed(error: WeirError | undefined, waited: boolean): void
  cut(reason: 'notifications-overflow', error: WeirError): void
}

export class Ears implements Subscriber, NotificationReceiver {
  /** How the client reads text; known when its login is over. */
  dialect = ''
  #rooms: Rooms
  #session: Listener
  // Most clients never listen, and there are thousands of them: made when first needed.
  #queue: NotificationQueue | undefined
  #subscribed: Set<string> | undefined
  /** What the client waits for before its LISTEN may go on. */
  #pending: string | undefined
  /** Waits to go on. */
  #halted: Pick<ServerConnection, 'goOn'> | undefined
  /** An answer is about to end, and what it waits for may be given. */
  #amidst = false
  /** Counted as listening. */
  #counted = false

  constructor(rooms: Rooms, session: Listener) {
    this.#rooms = rooms
    this.#session = session
  }

  get route(): Subscriber['route'] {
    return this.#session.route
  }

  /** The client waits until the channel of its LISTEN is listened to. */
  get waits(): boolean {
    return this.#pending !== undefined
  }

  /** The client is about to LISTEN. False when it has to wait until `subscribed` is called. */
  subscribe(channel: string): boolean {
    this.#pending = channel
    this.#noteSubscribed(channel)
    let waited = false
    this.#rooms.hub.subscribe(this, channel, (error) => {
      this.#pending = undefined
      if (error !== undefined) this.#subscribed?.delete(channel)
      this.#session.subscribed(error, waited)
    })
    waited = this.waits
    return !waited
  }

  /** The client no longer waits, if it did: `subscribed` will not be called. */
  giveUp(): boolean {
    const channel = this.#pending
    if (channel === undefined) return false
    this.#pending = undefined
    this.#drop(channel)
    return true
  }

  #noteSubscribed(channel: string): void {
    this.#subscribed ??= new Set()
    this.#subscribed.add(channel)
  }

  #drop(channel: string): void {
    this.#subscribed?.delete(channel)
    this.#rooms.hub.unsubscribe(this, channel)
  }

  /** A transaction has ended and `channels` are true: the subscriptions follow, what waits is given. */
  settle(): void {
    const { channels } = this.#session
    if (this.#subscribed === undefined && channels.size === 0) return
    for (const channel of this.#subscribed ?? []) {
      if (!channels.has(channel) && channel !== this.#pending) this.#drop(channel)
    }
    for (const channel of channels) {
      if (this.#subscribed?.has(channel) !== true) this.#follow(channel)
    }
    this.#count(channels.size > 0)
    this.#queue?.flush()
  }

  /** It listens, and nobody saw it coming: inside a function, or under a name spelt otherwise. */
  #follow(channel: string): void {
    this.#noteSubscribed(channel)
    this.#rooms.hub.subscribe(this, channel, (error) => {
      if (error === undefined) return
      this.#subscribed?.delete(channel)
      this.#rooms.log.warn(
        { client: this.#session.id, reason: error.message },
        'cannot listen for a client that has a channel already; tried again after its next statement',
      )
    })
  }

  #count(listening: boolean): void {
    if (this.#counted === listening) return
    this.#counted = listening
    if (listening) this.#rooms.counters.listening++
    else this.#rooms.counters.listening--
  }

  notify(channel: string, message: Buffer): void {
    this.#push(channel, message)
  }

  missed(error: WeirError): void {
    if (this.#session.channels.size === 0) return
    this.#push(undefined, this.#rooms.protocol.warning(missedBecause(error)))
  }

  #push(channel: string | undefined, message: Buffer): void {
    this.#queue ??= new NotificationQueue(this, this.#rooms.notificationBytes)
    this.#queue.push(channel, message)
  }

  /** The client has read what was written. */
  drained(): void {
    this.#queue?.flush()
  }

  /** Everything sent so far is given to the client; then `server` goes on with its answer. */
  catchUp(server: Pick<ServerConnection, 'goOn'>): void {
    this.#halted = server
    this.#rooms.hub.barrier(this, () => {
      if (this.#halted !== server) return
      this.#halted = undefined
      this.#amidst = true
      this.#queue?.flush()
      this.#amidst = false
      server.goOn()
    })
  }

  get listens(): boolean {
    return (this.#amidst || this.#session.quiet) && !this.#session.link.congested
  }

  wants(channel: string): boolean | undefined {
    if (this.#session.channels.has(channel)) return true
    // Its LISTEN may be in the very transaction whose answer is about to end.
    return this.#amidst && this.#subscribed?.has(channel) ? undefined : false
  }

  deliver(message: Buffer, channel: string | undefined): void {
    if (channel !== undefined) this.#rooms.counters.notificationsDelivered++
    this.#session.link.write(message)
  }

  overflowed(bytes: number): void {
    this.#session.cut('notifications-overflow', tooMany(bytes, this.#rooms.notificationBytes))
  }

  /** The client goes. */
  leave(): void {
    this.#pending = undefined
    this.#halted = undefined
    this.#count(false)
    this.#queue?.clear()
    if (this.#subscribed !== undefined) this.#rooms.hub.leave(this)
  }
}

function tooMany(bytes: number, most: number): WeirError {
  return new WeirError(
    'WEIR_NOTIFICATIONS_OVERFLOW',
    `terminating connection because ${bytes} bytes of notifications wait for it, more than limits.notificationBytes (${most})`,
    {
      sqlstate: '53400',
      hint: 'A client that listens must read what it is sent, and not stay in a transaction.',
    },
  )
}

function missedBecause(error: WeirError): WeirError {
  return new WeirError(
    'WEIR_NOTIFICATIONS_LOST',
    'notifications may have been lost: the server connection that listens for this client was replaced',
    { sqlstate: '01000', detail: error.message },
  )
}
