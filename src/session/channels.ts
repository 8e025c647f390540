/**
 * Who listens to which channel of one shared listener, and how far the server is with it. Rule: what
 * is wanted (a channel with subscribers) and what the server does are kept apart, and every change
 * sent is the difference of the two; so a LISTEN and an UNLISTEN that cross each other end right.
 *
 *   wanted by nobody ──subscribe──> asked for ──request answered──> heard ──last leaves──> given up
 */
import type { WeirError } from '../core/errors.ts'
import type { Route } from '../endpoint/router.ts'
import type { ServerConnection } from '../server/server-connection.ts'

/** A client session, as a listener sees it. */
export interface Subscriber {
  readonly route: Pick<Route<ServerConnection>, 'endpoint' | 'database' | 'user'>
  /** In which form it reads text; `Protocol.dialect` says. */
  readonly dialect: string
  /** A notification of a channel it subscribed to; `message` stays as it is for ever. */
  notify(channel: string, message: Buffer): void
  /** Notifications may have been lost: the listener's server connection was. */
  missed(error: WeirError): void
}

/** Hears once how a subscription ended: without an error the server listens from now on. */
export type Subscribed = (error?: WeirError) => void

interface Channel {
  readonly subscribers: Set<Subscriber>
  /** Whoever was not told yet that the server listens. */
  readonly waiting: Map<Subscriber, Subscribed[]>
}

/** One request to the server: channels to begin with, channels to end. */
export interface Change {
  readonly begin: readonly string[]
  readonly end: readonly string[]
}

export class Channels {
  #byName = new Map<string, Channel>()
  #bySubscriber = new Map<Subscriber, Set<string>>()
  /** What the server listens to, as far as it has answered. */
  #heard = new Set<string>()
  /** Names for which the two above may differ. */
  #due = new Set<string>()

  /** Channels somebody wants. */
  get size(): number {
    return this.#byName.size
  }

  get subscribers(): Iterable<Subscriber> {
    return this.#bySubscriber.keys()
  }

  /** Whether it listens to anything. */
  has(subscriber: Subscriber): boolean {
    return this.#bySubscriber.has(subscriber)
  }

  of(name: string): ReadonlySet<Subscriber> | undefined {
    return this.#byName.get(name)?.subscribers
  }

  hears(name: string): boolean {
    return this.#heard.has(name)
  }

  /** `done` is kept until `answered` or `refuse`; undefined when nobody waits for it. */
  add(subscriber: Subscriber, name: string, done: Subscribed | undefined): void {
    let channel = this.#byName.get(name)
    if (channel === undefined) {
      channel = { subscribers: new Set(), waiting: new Map() }
      this.#byName.set(name, channel)
      this.#due.add(name)
    }
    channel.subscribers.add(subscriber)
    let own = this.#bySubscriber.get(subscriber)
    if (own === undefined) {
      own = new Set()
      this.#bySubscriber.set(subscriber, own)
    }
    own.add(name)
    if (done === undefined) return
    const before = channel.waiting.get(subscriber)
    if (before === undefined) channel.waiting.set(subscriber, [done])
    else before.push(done)
  }

  delete(subscriber: Subscriber, name: string): void {
    const channel = this.#byName.get(name)
    if (channel?.subscribers.delete(subscriber) !== true) return
    channel.waiting.delete(subscriber)
    if (channel.subscribers.size === 0) {
      this.#byName.delete(name)
      this.#due.add(name)
    }
    const own = this.#bySubscriber.get(subscriber)
    own?.delete(name)
    if (own?.size === 0) this.#bySubscriber.delete(subscriber)
  }

  leave(subscriber: Subscriber): void {
    for (const name of [...(this.#bySubscriber.get(subscriber) ?? [])]) {
      this.delete(subscriber, name)
    }
  }

  /** What the server has to be told, beginning with `most` channels at a time; or undefined. */
  change(most: number): Change | undefined {
    const begin: string[] = []
    const end: string[] = []
    for (const name of this.#due) {
      const wanted = this.#byName.has(name)
      if (wanted === this.#heard.has(name)) this.#due.delete(name)
      else if (!wanted) end.push(name)
      else if (begin.length < most) begin.push(name)
    }
    return begin.length + end.length === 0 ? undefined : { begin, end }
  }

  /** The server has done it. */
  answered({ begin, end }: Change): void {
    for (const name of end) this.#heard.delete(name)
    for (const name of begin) this.#heard.add(name)
    for (const name of [...begin, ...end]) this.#due.add(name)
    for (const name of begin) this.#listens(name)
  }

  /**
   * The server will not: whoever waits for one of these is told why and no longer subscribed.
   * @returns true when nobody wants them any more; false when somebody had them before
   */
  refuse(names: Iterable<string>, error: WeirError): boolean {
    let unwanted = true
    for (const name of names) {
      const channel = this.#byName.get(name)
      if (channel === undefined) continue
      const waiting = [...channel.waiting]
      for (const [subscriber] of waiting) this.delete(subscriber, name)
      for (const [, told] of waiting) for (const tell of told) tell(error)
      if (this.#byName.has(name)) unwanted = false
    }
    return unwanted
  }

  /** Names that somebody waits for. */
  get awaited(): string[] {
    return [...this.#byName].filter(([, c]) => c.waiting.size > 0).map(([name]) => name)
  }

  /** The server connection is gone, and what it listened to with it. */
  deaf(): void {
    this.#heard.clear()
    for (const name of this.#byName.keys()) this.#due.add(name)
  }

  #listens(name: string): void {
    const channel = this.#byName.get(name)
    if (channel === undefined) return
    const waiting = [...channel.waiting.values()]
    channel.waiting.clear()
    for (const told of waiting) for (const tell of told) tell()
  }
}
