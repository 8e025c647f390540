/**
 * Sessions and server connections as they really are, with paper where the sockets and the pool
 * would be: links are byte lists, and the test plays both ends. Rule: a chunk is scribbled over as
 * soon as the call that delivered it returns and its writes have left, as a read buffer would be,
 * so a missing copy shows at once.
 */
import type { Socket } from 'node:net'
import { FakeClock } from '../../src/core/clock.ts'
import { WeirError } from '../../src/core/errors.ts'
import { silentLog } from '../../src/core/log.ts'
import { TimerWheel } from '../../src/core/timer-wheel.ts'
import { endpointOf, type Route, type RouteWaiter } from '../../src/endpoint/router.ts'
import { EndpointCounters } from '../../src/metrics/counters.ts'
import { type Link, nobody, type Receiver } from '../../src/net/link.ts'
import type { EvictReason, Wait } from '../../src/pool/member.ts'
import type { Introduction, Protocol } from '../../src/protocol/contract.ts'
import { PassingConversation } from '../../src/protocol/postgres/passing-conversation.ts'
import { postgres } from '../../src/protocol/postgres/postgres.ts'
import { PostgresServerConversation } from '../../src/protocol/postgres/server-conversation.ts'
import { settingsKeyOf } from '../../src/protocol/postgres/settings.ts'
import { ServerConnection } from '../../src/server/server-connection.ts'
import { ClientSession } from '../../src/session/client-session.ts'
import { HalfMessages } from '../../src/session/half-messages.ts'
import { HeldBytes } from '../../src/session/held-bytes.ts'
import { ReplicationSession } from '../../src/session/replication-session.ts'
import type { Places } from '../../src/session/rider.ts'
import type { Home, Rooms } from '../../src/session/rooms.ts'
import { NO_TIMEOUTS, type Timeouts } from '../../src/session/session-watch.ts'
import { Sessions } from '../../src/session/sessions.ts'
import { SlowReaders } from '../../src/session/slow-readers.ts'
import { WelcomeBook } from '../../src/session/welcome.ts'

/** Links written to since the last flush, in that order. */
class PaperTurn {
  #dirty = new Set<PaperLink>()
  #asked = false

  mark(link: PaperLink): void {
    this.#dirty.add(link)
    if (this.#asked) return
    this.#asked = true
    process.nextTick(() => this.flush())
  }

  flush(): void {
    this.#asked = false
    for (const link of this.#dirty) {
      this.#dirty.delete(link)
      link.flush()
    }
  }
}

/** One end of a connection whose other end is the test. */
export class PaperLink implements Link {
  readonly remoteAddress = undefined
  readonly remotePort = undefined
  readonly relayed = false
  readonly encrypted = false
  unsent = 0
  readonly writes = 0
  bytesRead = 0
  bytesWritten = 0
  congested = false
  paused = true
  closed = false
  receiver: Receiver = nobody
  #turn: PaperTurn
  #pending: Buffer[] = []
  #sent: (bytes: Buffer) => void

  constructor(turn: PaperTurn, sent: (bytes: Buffer) => void) {
    this.#turn = turn
    this.#sent = sent
  }

  cameFrom(): void {}

  /** What the peer sends, in one read. */
  deliver(bytes: Buffer): void {
    if (this.closed) return
    const chunk = Buffer.from(bytes)
    this.bytesRead += chunk.length
    this.receiver.data(chunk)
    this.#turn.flush()
    chunk.fill(0xff)
  }

  /** The peer goes. */
  hangUp(error?: Error): void {
    if (this.closed) return
    const { receiver } = this
    this.destroy()
    receiver.closed(error)
    this.#turn.flush()
  }

  write(chunk: Buffer): void {
    this.add(chunk)
    this.send()
  }

  add(chunk: Buffer): void {
    if (this.closed || chunk.length === 0) return
    this.bytesWritten += chunk.length
    this.#pending.push(chunk)
  }

  send(): void {
    if (this.#pending.length > 0) this.#turn.mark(this)
  }

  flush(): void {
    if (this.#pending.length === 0) return
    const bytes = Buffer.concat(this.#pending)
    this.#pending = []
    this.#sent(bytes)
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  end(): void {
    this.flush()
    this.destroy()
  }

  destroy(): void {
    this.closed = true
    this.receiver = nobody
  }

  detach(): Socket {
    throw new Error('BUG: there is no socket behind paper')
  }
}

export interface PaperHouseOptions {
  readonly preparedPerServer?: number
  readonly inspectBytes?: number
  readonly initQuery?: string
  /** Of the endpoint. Default: `follow`, not `verify`. */
  readonly pinning?: 'follow' | 'strict' | 'aws'
  readonly verify?: boolean
  readonly retryReads?: boolean
  readonly timeouts?: Partial<Timeouts>
  readonly sendTimeoutMs?: number
  readonly unsentBytes?: number
  /** Default: one that listens to anything at once and hears nothing. */
  readonly hub?: Rooms['hub']
  readonly notificationBytes?: number
  readonly heldBytes?: number
  /** Where requests that only read ride; default nowhere. */
  readonly lanes?: (house: { readonly clock: FakeClock; readonly home: Rooms['home'] }) => Places
  /** Where logins, pins and the like are written down; default nowhere. */
  readonly audit?: Rooms['audit']
  /** Hears what happens besides bytes, as short sentences. */
  readonly note?: (text: string) => void
  /** How a server connection is called in them. */
  readonly serverName?: (id: number) => string
}

/** What stands where the router and its pools would be. */
export interface PaperPool {
  tryBorrow(route: Route<ServerConnection>): ServerConnection | undefined
  borrow(route: Route<ServerConnection>, waiter: RouteWaiter<ServerConnection>): Wait
  home(server: ServerConnection): Home
}

const WILLING_HUB: Rooms['hub'] = {
  subscribe: (_subscriber, _channel, done) => done(),
  unsubscribe: () => {},
  leave: () => {},
  barrier: (_subscriber, done) => done(),
}

export class PaperHouse {
  readonly sessions = new Sessions()
  readonly slow: SlowReaders
  readonly halves = new HalfMessages(1_048_576)
  readonly counters = new EndpointCounters()
  readonly turn = new PaperTurn()
  readonly clock = new FakeClock()
  readonly wheel = new TimerWheel(100, () => this.clock.monotonic())
  readonly protocol: Protocol
  #options: PaperHouseOptions
  #rooms: Rooms
  #nextServer = 1
  #nextClient = 1

  constructor(options: PaperHouseOptions, pool: PaperPool) {
    this.#options = options
    this.protocol = postgres({
      secrets: { find: () => undefined, proofOf: () => undefined } as never,
      scramKeys: {} as never,
      methods: [],
      tls: 'off',
      startupLimit: 10_000,
      inspectBytes: options.inspectBytes ?? 1_048_576,
      preparedPerServer: options.preparedPerServer ?? 100,
      initQuery: options.initQuery ?? '',
    })
    this.slow = new SlowReaders({
      sendTimeoutMs: options.sendTimeoutMs ?? Infinity,
      mostBytes: options.unsentBytes ?? Infinity,
      now: () => this.clock.monotonic(),
    })
    this.#rooms = {
      protocol: this.protocol,
      router: pool as unknown as Rooms['router'],
      dedicated: { open: (_who, route, waiter) => pool.borrow(route, waiter) },
      clock: this.clock,
      wheel: this.wheel,
      log: silentLog,
      sessions: this.sessions,
      welcomes: new WelcomeBook(),
      counters: this.counters,
      audit: options.audit,
      hub: options.hub ?? WILLING_HUB,
      held: new HeldBytes(options.heldBytes ?? 67_108_864),
      notificationBytes: options.notificationBytes ?? 1_048_576,
      timeouts: { ...NO_TIMEOUTS, ...options.timeouts },
      slow: this.slow,
      halves: this.halves,
      lanes: options.lanes?.({ clock: this.clock, home: (server) => pool.home(server) }),
      home: (server) => pool.home(server),
    }
  }

  /** A logged-in client; its welcome has been read already. */
  client(
    sent: (bytes: Buffer) => void,
    settings: ReadonlyMap<string, string> = new Map(),
  ): { session: ClientSession; link: PaperLink } {
    let welcomed = false
    const link = new PaperLink(this.turn, (bytes) => {
      if (welcomed) sent(bytes)
    })
    const who = introduction(settings, undefined)
    const session = new ClientSession(
      this.#rooms,
      this.#nextClient++,
      link,
      who,
      writerRoute(this.#options),
    )
    session.begin(new Map())
    this.turn.flush()
    welcomed = true
    return { session, link }
  }

  /** A logged-in replication client on a server connection of its own. */
  replicationClient(
    sent: (bytes: Buffer) => void,
    server: ServerConnection,
  ): { session: ReplicationSession; link: PaperLink } {
    let welcomed = false
    const link = new PaperLink(this.turn, (bytes) => {
      if (welcomed) sent(bytes)
    })
    const who = introduction(new Map(), 'true')
    const id = this.#nextClient++
    const session = new ReplicationSession(
      this.#rooms,
      id,
      link,
      who,
      writerRoute(this.#options),
      server,
    )
    session.begin(who.rest)
    this.turn.flush()
    welcomed = true
    return { session, link }
  }

  /** A logged-in server connection; `passes`: of the kind whose bytes pass unread. */
  server(
    sent: (bytes: Buffer) => void,
    events: { lost?: (server: ServerConnection, leased: boolean) => void } = {},
    passes = false,
  ): { server: ServerConnection; link: PaperLink } {
    const link = new PaperLink(this.turn, sent)
    const id = this.#nextServer++
    const name = this.#options.serverName?.(id) ?? `S${id}`
    const cancelKey = { pid: id, secret: Buffer.alloc(4) }
    const conversation = passes
      ? new PassingConversation(new Map(), cancelKey)
      : new PostgresServerConversation({
          parameters: new Map(),
          cancelKey,
          preparedLimit: this.#options.preparedPerServer ?? 100,
          initQuery: this.#options.initQuery ?? '',
        })
    const server = new ServerConnection(id, 'node-1', link, conversation, {
      lost: (lost, _error, leased) => events.lost?.(lost, leased),
      sign: () => {},
      cancel: async () => {
        this.#options.note?.(`cancel request for ${name}`)
        return true
      },
    })
    link.resume()
    return { server, link }
  }
}

function introduction(
  settings: ReadonlyMap<string, string>,
  replication: string | undefined,
): Introduction & { protocolMinor: 0 } {
  return {
    user: 'weir',
    database: 'app',
    endpoint: undefined,
    replication,
    settings,
    settingsKey: settingsKeyOf(settings),
    rest: Buffer.alloc(0),
    protocolMinor: 0,
  }
}

function writerRoute({
  pinning = 'follow',
  verify = false,
  retryReads = false,
}: PaperHouseOptions): Route<ServerConnection> {
  return {
    endpoint: endpointOf({
      name: 'writer',
      kind: 'writer',
      customType: 'ANY',
      staticMembers: undefined,
      excludedMembers: undefined,
      node: undefined,
      balance: 'random',
      maxLagMs: undefined,
      noReader: 'wait',
      borrowTimeout: 'unlimited',
      pooling: 'transaction',
      pinning,
      verify,
      retryReads,
    }),
    database: 'app',
    user: 'weir',
    node: undefined,
    seenLsn: undefined,
    prefer: () => true,
  }
}

/** Borrowers in a line, servers in a row; the first free one in the row is lent. */
export class ScriptedPool implements PaperPool {
  readonly servers: { server: ServerConnection; free: boolean }[] = []
  readonly line: { route: Route<ServerConnection>; waiter: RouteWaiter<ServerConnection> }[] = []
  /** What a client that left had asked for may come to its end. */
  patient = true
  /** Borrows are refused while this is set. */
  refusal: WeirError | undefined
  #note: (text: string) => void
  #clientName: (route: Route<ServerConnection>) => string
  #serverName: (id: number) => string

  constructor(
    note: (text: string) => void,
    clientName: (route: Route<ServerConnection>) => string,
    serverName: (id: number) => string,
  ) {
    this.#note = note
    this.#clientName = clientName
    this.#serverName = serverName
  }

  add(server: ServerConnection): void {
    this.servers.push({ server, free: true })
  }

  tryBorrow(route: Route<ServerConnection>): ServerConnection | undefined {
    if (this.refusal !== undefined) return undefined
    const place = this.servers.find((s) => s.free)
    if (place === undefined) return undefined
    place.free = false
    this.#note(`${this.#clientName(route)} takes ${this.#serverName(place.server.id)}`)
    return place.server
  }

  borrow(route: Route<ServerConnection>, waiter: RouteWaiter<ServerConnection>): Wait {
    if (this.refusal !== undefined) {
      waiter.refused(this.refusal)
      return { cancel: () => {} }
    }
    const entry = { route, waiter }
    this.line.push(entry)
    this.#note(`${this.#clientName(route)} waits`)
    return {
      cancel: () => {
        const at = this.line.indexOf(entry)
        if (at >= 0) this.line.splice(at, 1)
      },
    }
  }

  /** Refuses everybody in line. */
  refuseAll(): void {
    for (const { waiter } of this.line.splice(0)) waiter.refused(TOO_LONG)
  }

  place(id: number): { server: ServerConnection; free: boolean } {
    const place = this.servers.find((s) => s.server.id === id)
    if (place === undefined) throw new Error(`there is no S${id}`)
    return place
  }

  setFree(id: number): void {
    this.place(id).free = true
    const first = this.line.shift()
    if (first === undefined) return
    first.waiter.granted(this.tryBorrow(first.route)!, 'node-1')
  }

  home(server: ServerConnection): Home {
    return {
      release: (back) => {
        const condition = back.condition()
        this.#note(`${this.#serverName(back.id)} comes back ${condition}`)
        if (condition === 'clean') this.setFree(back.id)
        else if (condition !== 'broken') void this.#clean(back)
      },
      discard: (back, reason: EvictReason) => {
        this.#note(`${this.#serverName(server.id)} is given up (${reason})`)
        back.destroy(reason)
      },
    }
  }

  async #clean(server: ServerConnection): Promise<void> {
    if (this.patient && server.condition() === 'unfinished') await server.finished()
    const clean = await server.reset()
    this.#note(`${this.#serverName(server.id)} is ${clean ? 'clean again' : 'beyond cleaning'}`)
    if (clean) this.setFree(server.id)
  }
}

export const TOO_LONG = new WeirError('WEIR_BORROW_FAILED', 'nobody could serve it in time', {
  sqlstate: '53300',
  retryable: true,
})
