/**
 * One server connection that listens for all clients of one endpoint and database: borrowed when the
 * first subscribes, given back a while after the last has left, borrowed anew when it is lost. Rule:
 * one request is under way at a time, and after each answer the difference between what is wanted
 * and what the server does is looked at afresh, so nothing that happens meanwhile is forgotten.
 *
 *   away ──somebody subscribes──> borrowing ──granted──> opening ──> ready ──nobody left──> away
 *     ▲                              │ refused              │ lost      │ lost
 *     └──────── after a while ───────┴──────────────────────┴───────────┘ at once
 */
import type { WeirError } from '../core/errors.ts'
import { Machine, type Moves } from '../core/machine.ts'
import { Deadline } from '../core/timer-wheel.ts'
import type { Route, RouteWaiter } from '../endpoint/router.ts'
import type { Wait } from '../pool/member.ts'
import type { ListenerConversation } from '../protocol/aside.ts'
import type { Holder, ServerConnection } from '../server/server-connection.ts'
import { type Change, Channels, type Subscribed, type Subscriber } from './channels.ts'
import type { ListeningRooms } from './listening-rooms.ts'

/** So long the connection is kept when nobody listens any more (ms). */
const LINGER_MS = 5_000
/** Between two tries while the server cannot be had (ms). */
const RETRY_MS = 1_000

const NO_CHANGE: Change = { begin: [], end: [] }

type ListenerState = 'away' | 'borrowing' | 'opening' | 'ready' | 'closed'

const MOVES: Moves<ListenerState> = {
  away: ['borrowing', 'closed'],
  borrowing: ['opening', 'away', 'closed'],
  opening: ['ready', 'away', 'closed'],
  ready: ['away', 'closed'],
  closed: [],
}

export class SharedListener implements RouteWaiter<ServerConnection>, Holder {
  #rooms: ListeningRooms
  #name: string
  #dialect: string
  #machine = new Machine<ListenerState>('shared listener', MOVES, 'away')
  #channels = new Channels()
  #route: Route<ServerConnection>
  #server: ServerConnection | undefined
  #conversation: ListenerConversation | undefined
  #wait: Wait | undefined
  /** The request under way. */
  #asked: Change | undefined
  /** How many channels one request may begin with: halved when one is refused, to find the culprit. */
  #most = Infinity
  /** Lost or refused while somebody listened, and not whole again; since then this is what to say. */
  #broken: WeirError | undefined
  #lostAt = -Infinity
  /** Whoever waits until all has been heard that was sent before: next time, and this time. */
  #barriers: (() => void)[] = []
  #asking: (() => void)[] = []
  /** Of its channels, in the metrics. */
  #counted = 0
  #retry: Deadline
  #linger: Deadline
  #ended: () => void

  /** `ended` is called when nobody has listened for a while and nothing is held any more. */
  constructor(rooms: ListeningRooms, name: string, first: Subscriber, ended: () => void) {
    this.#rooms = rooms
    this.#name = name
    this.#dialect = first.dialect
    this.#ended = ended
    this.#route = routeOf(first)
    this.#retry = new Deadline(() => this.#resume())
    this.#linger = new Deadline(() => this.close())
  }

  has(subscriber: Subscriber): boolean {
    return this.#channels.has(subscriber)
  }

  /** Hears everything that it should. */
  get whole(): boolean {
    return this.#broken === undefined
  }

  /** Calls `done` before it returns when the server listens already. */
  subscribe(subscriber: Subscriber, channel: string, done: Subscribed): void {
    this.#rooms.wheel.cancel(this.#linger)
    const heard = this.#channels.hears(channel) && this.#asked?.end.includes(channel) !== true
    this.#channels.add(subscriber, channel, heard ? undefined : done)
    this.#count()
    if (heard) done()
    else this.#resume()
  }

  unsubscribe(subscriber: Subscriber, channel: string): void {
    this.#channels.delete(subscriber, channel)
    this.#fewer()
  }

  leave(subscriber: Subscriber): void {
    this.#channels.leave(subscriber)
    this.#fewer()
  }

  #count(): void {
    const { size } = this.#channels
    this.#rooms.counters.listenedChannels += size - this.#counted
    this.#counted = size
  }

  #fewer(): void {
    if (this.#machine.is('closed')) return
    this.#count()
    if (this.#channels.size === 0) {
      this.#wait?.cancel()
      this.#wait = undefined
      if (this.#machine.is('borrowing')) this.#machine.to('away')
      this.#rooms.wheel.cancel(this.#retry)
      this.#rooms.wheel.arm(this.#linger, LINGER_MS)
    }
    this.#resume()
  }

  /** Brings what is on its way a step further; harmless when there is nothing to do. */
  #resume(): void {
    if (this.#machine.is('away')) {
      if (this.#channels.size > 0 && this.#retry.dueTick < 0) this.#borrow()
      return
    }
    if (!this.#machine.is('ready') || this.#asked !== undefined) return
    const change = this.#channels.change(this.#most)
    if (change === undefined) this.#whole()
    if (change === undefined && this.#barriers.length === 0) return
    const asked = change ?? NO_CHANGE
    this.#asked = asked
    this.#asking = this.#barriers
    this.#barriers = []
    this.#server!.link.write(this.#conversation!.change(asked.begin, asked.end))
  }

  /**
   * Calls `done` when all that was sent before now has been handed out: the server tells what it has
   * for us before it answers a request. At once when nobody listens now.
   */
  barrier(done: () => void): void {
    if (!this.#machine.is('ready')) {
      done()
      return
    }
    this.#barriers.push(done)
    this.#resume()
  }

  #heardAll(): void {
    for (const done of this.#asking.splice(0)) done()
  }

  #borrow(): void {
    this.#machine.to('borrowing')
    const { router } = this.#rooms
    const wait = router.borrow(this.#route, this)
    if (this.#machine.is('borrowing')) this.#wait = wait
  }

  granted(server: ServerConnection): void {
    const { protocol } = this.#rooms
    this.#wait = undefined
    this.#machine.to('opening')
    this.#server = server
    server.hold(this)
    this.#conversation = protocol.listen(server.conversation, this.#dialect)
    const opening = this.#conversation.opening()
    if (opening.length > 0) server.link.write(opening)
    else this.#ready()
  }

  #ready(): void {
    this.#machine.to('ready')
    this.#rooms.counters.listeners++
    this.#resume()
  }

  refused(error: WeirError): void {
    this.#wait = undefined
    this.#machine.to('away')
    this.#giveUp(error)
  }

  /** The server cannot be had: whoever waits is told, whoever had it gets it back later. */
  #giveUp(error: WeirError): void {
    this.#channels.refuse(this.#channels.awaited, error)
    this.#count()
    if (this.#channels.size === 0) {
      this.#fewer()
      return
    }
    if (this.#broken === undefined) this.#break(error)
    // The user whose login this was may be the trouble.
    for (const subscriber of this.#channels.subscribers) {
      if (subscriber.route.user === this.#route.user) continue
      this.#route = routeOf(subscriber)
      break
    }
    this.#rooms.wheel.arm(this.#retry, RETRY_MS)
  }

  reply(bytes: Buffer): boolean {
    const conversation = this.#conversation!
    conversation.push(bytes)
    while (conversation.next()) {
      const { channel, message } = conversation
      this.#rooms.counters.notificationsReceived++
      for (const subscriber of this.#channels.of(channel) ?? []) {
        subscriber.notify(channel, message)
      }
    }
    return false
  }

  boundary(): void {
    const { quietError } = this.#server!.conversation
    if (this.#machine.is('opening')) {
      if (quietError === undefined) this.#ready()
      else this.#drop(quietError)
      return
    }
    const asked = this.#asked
    if (asked === undefined) return
    this.#asked = undefined
    this.#heardAll()
    if (quietError === undefined) {
      this.#most = Infinity
      this.#channels.answered(asked)
    } else if (asked.begin.length > 1) this.#most = Math.ceil(asked.begin.length / 2)
    else if (!this.#channels.refuse(asked.begin, quietError)) {
      this.#drop(quietError)
      return
    }
    this.#count()
    this.#resume()
  }

  /** This server will not do: another may. */
  #drop(error: WeirError): void {
    this.#giveBack()
    this.#giveUp(error)
  }

  #giveBack(): void {
    const server = this.#server
    if (server === undefined) return
    this.#forget()
    server.letGo()
    // It listens still: whatever the pool does with it begins with a reset.
    server.conversation.markDirty()
    this.#rooms.home(server).release(server)
  }

  #forget(): void {
    if (this.#machine.is('ready')) this.#rooms.counters.listeners--
    this.#machine.to('away')
    this.#conversation?.close()
    this.#server = undefined
    this.#conversation = undefined
    this.#asked = undefined
    this.#most = Infinity
    this.#channels.deaf()
    this.#asking.push(...this.#barriers.splice(0))
    this.#heardAll()
  }

  serverLost(error: WeirError): void {
    const server = this.#server!
    // The first time it goes on at once, to where the writer is now; not again and again.
    const now = this.#rooms.clock.monotonic()
    const soon = now - this.#lostAt < RETRY_MS
    this.#lostAt = now
    this.#forget()
    this.#rooms.home(server).discard(server, 'broken')
    if (this.#channels.size === 0) return
    if (this.#broken === undefined) this.#break(error)
    if (soon) this.#rooms.wheel.arm(this.#retry, RETRY_MS)
    else this.#resume()
  }

  #break(error: WeirError): void {
    this.#broken = error
    this.#rooms.counters.listenersLost++
    this.#rooms.log.warn(
      { listener: this.#name, channels: this.#channels.size, reason: error.message },
      'nobody listens for its clients: notifications sent from now on are lost to them',
    )
  }

  /** The server does all that is wanted. */
  #whole(): void {
    const error = this.#broken
    if (error === undefined) return
    this.#broken = undefined
    const { node } = this.#server!
    this.#rooms.log.info(
      { listener: this.#name, node, channels: this.#channels.size },
      'listens again; what was sent meanwhile is lost',
    )
    for (const subscriber of [...this.#channels.subscribers]) subscriber.missed(error)
  }

  /** Gives the server connection back; nothing is delivered any more. */
  close(): void {
    if (this.#machine.is('closed')) return
    const { wheel } = this.#rooms
    wheel.cancel(this.#retry)
    wheel.cancel(this.#linger)
    this.#wait?.cancel()
    this.#wait = undefined
    this.#giveBack()
    this.#machine.to('closed')
    this.#ended()
  }
}

function routeOf({ route: { endpoint, database, user } }: Subscriber): Route<ServerConnection> {
  return {
    endpoint,
    database,
    user,
    purpose: 'listen',
    node: undefined,
    seenLsn: undefined,
    prefer: () => true,
  }
}
