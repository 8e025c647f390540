/** What a client session needs of the rest of the house; one object, shared by all of an endpoint. */
import type { Audit } from '../core/audit.ts'
import type { Clock } from '../core/clock.ts'
import type { Log } from '../core/log.ts'
import type { TimerWheel } from '../core/timer-wheel.ts'
import type { Route, Router, RouteWaiter } from '../endpoint/router.ts'
import type { EndpointCounters } from '../metrics/counters.ts'
import type { EvictReason, Wait } from '../pool/member.ts'
import type { Introduction, Protocol } from '../protocol/contract.ts'
import type { ServerConnection } from '../server/server-connection.ts'
import type { HalfMessages } from './half-messages.ts'
import type { HeldBytes } from './held-bytes.ts'
import type { ListenerHub } from './listening.ts'
import type { Places } from './rider.ts'
import type { Timeouts } from './session-watch.ts'
import type { Sessions } from './sessions.ts'
import type { SlowReaders } from './slow-readers.ts'
import type { WelcomeBook } from './welcome.ts'

/** Where a server connection goes back to. */
export interface Home {
  release(server: ServerConnection): void
  discard(server: ServerConnection, reason: EvictReason): void
}

/** Server connections that serve one client each, from its welcome to its end. */
export interface Dedicated {
  /**
   * Opens one for `who` where `route` leads, as its own startup message asks for it; exactly one
   * callback unless cancelled. Its home closes it.
   */
  open(
    who: Introduction,
    route: Route<ServerConnection>,
    waiter: RouteWaiter<ServerConnection>,
  ): Wait
}

/** The holder lets go of `server`; one that is `torn` in the middle of a message is given up. */
export function handBack(
  rooms: Pick<Rooms, 'home'>,
  server: ServerConnection,
  torn: boolean,
): void {
  server.letGo()
  if (!torn) {
    rooms.home(server).release(server)
    return
  }
  rooms.home(server).discard(server, 'broken')
  server.destroy('broken')
}

/** Where a session goes for server connections. */
export type ServerRoute = Route<ServerConnection>

export interface Rooms {
  readonly protocol: Protocol
  readonly router: Router<ServerConnection>
  readonly dedicated: Dedicated
  readonly clock: Clock
  readonly wheel: TimerWheel
  readonly log: Log
  readonly sessions: Sessions
  readonly welcomes: WelcomeBook
  readonly counters: EndpointCounters
  /** Where logins, pins and the like are written down; undefined: nowhere. */
  readonly audit?: Audit | undefined
  /** Where clients listen to channels, whoever's connection that is. */
  readonly hub: Pick<ListenerHub, 'subscribe' | 'unsubscribe' | 'leave' | 'barrier'>
  /** Where requests that only read share server connections; undefined when they do not. */
  readonly lanes: Places | undefined
  /** What clients send on while they wait for a server connection. */
  readonly held: HeldBytes
  /** Most that may wait for one client, bytes. */
  readonly notificationBytes: number
  readonly timeouts: Timeouts
  /** Messages of which half is here. */
  readonly halves: Pick<HalfMessages, 'note' | 'forget'>
  /** Clients that have answers waiting which they do not read. */
  readonly slow: Pick<SlowReaders, 'lags' | 'forget'>
  /** The pool that a server connection was borrowed from. */
  home(server: ServerConnection): Home
}
