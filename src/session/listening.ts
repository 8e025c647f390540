/**
 * LISTEN for all clients: finds the listener that a client shares with all others of its endpoint,
 * database and way of reading text. Rule: thousands of listening clients cost one server connection
 * each of these, however many channels there are.
 *
 *   clients ──subscribe──> hub ──> listener of (writer, app, UTF8) ──LISTEN──> one server connection
 *           <──notify── fan-out <──────────────────────────────────notification──┘
 */
import type { Subscribed, Subscriber } from './channels.ts'
import type { ListeningRooms } from './listening-rooms.ts'
import { SharedListener } from './shared-listener.ts'

export class ListenerHub {
  #rooms: ListeningRooms
  #byKey = new Map<string, SharedListener>()
  #bySubscriber = new Map<Subscriber, SharedListener>()
  #closed = false

  constructor(rooms: ListeningRooms) {
    this.#rooms = rooms
  }

  /**
   * Sees to it that `subscriber` gets the notifications of `channel` from when `done` is called,
   * which is before this returns when somebody listens to it already. With an error it does not get
   * them: no server connection to be had (53300, 08001), or what the server said (25006 on a reader).
   * A subscriber has one dialect and one route for as long as it is subscribed to anything.
   */
  subscribe(subscriber: Subscriber, channel: string, done: Subscribed): void {
    let listener = this.#bySubscriber.get(subscriber)
    // One that nobody uses may be gone when the subscriber comes again.
    if (listener?.has(subscriber) !== true) {
      listener = this.#listenerFor(subscriber)
      this.#bySubscriber.set(subscriber, listener)
    }
    listener.subscribe(subscriber, channel, done)
  }

  /** Harmless when it is not subscribed; a `done` that was not called yet never will be. */
  unsubscribe(subscriber: Subscriber, channel: string): void {
    this.#bySubscriber.get(subscriber)?.unsubscribe(subscriber, channel)
  }

  /** The subscriber goes, with all its channels. */
  leave(subscriber: Subscriber): void {
    const listener = this.#bySubscriber.get(subscriber)
    if (listener === undefined) return
    this.#bySubscriber.delete(subscriber)
    listener.leave(subscriber)
  }

  /** Calls `done` when what was sent before now has been handed to `subscriber`, or cannot be. */
  barrier(subscriber: Subscriber, done: () => void): void {
    const listener = this.#bySubscriber.get(subscriber)
    if (listener === undefined) done()
    else listener.barrier(done)
  }

  /** Nobody misses anything now: each listener that lost its server connection has another. */
  get whole(): boolean {
    for (const listener of this.#byKey.values()) if (!listener.whole) return false
    return true
  }

  /** Gives every server connection back; nothing is delivered any more. */
  close(): void {
    this.#closed = true
    for (const listener of [...this.#byKey.values()]) listener.close()
  }

  #listenerFor(subscriber: Subscriber): SharedListener {
    if (this.#closed) throw new Error('BUG: the hub is closed')
    const { rule } = subscriber.route.endpoint
    // There is one writer, by whichever endpoint it is asked for.
    const where = rule.kind === 'writer' ? '' : rule.name
    const { database } = subscriber.route
    const key = JSON.stringify([where, database, subscriber.dialect])
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    const name = `${rule.kind === 'writer' ? 'writer' : rule.name}/${database}`
    const listener = new SharedListener(this.#rooms, name, subscriber, () => {
      this.#byKey.delete(key)
    })
    this.#byKey.set(key, listener)
    return listener
  }
}
