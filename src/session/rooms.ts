/** What a client session needs of the rest of the house; one object, shared by all of an endpoint. */
import type { Clock } from '../core/clock.ts'
import type { Log } from '../core/log.ts'
import type { TimerWheel } from '../core/timer-wheel.ts'
import type { Router } from '../endpoint/router.ts'
import type { EndpointCounters } from '../metrics/counters.ts'
import type { EvictReason } from '../pool/member.ts'
import type { Protocol } from '../protocol/contract.ts'
import type { ServerConnection } from '../server/server-connection.ts'
import type { Sessions } from './sessions.ts'
import type { WelcomeBook } from './welcome.ts'

/** Where a server connection goes back to. */
export interface Home {
  release(server: ServerConnection): void
  discard(server: ServerConnection, reason: EvictReason): void
}

export interface Rooms {
  readonly protocol: Protocol
  readonly router: Router<ServerConnection>
  readonly clock: Clock
  readonly wheel: TimerWheel
  readonly log: Log
  readonly sessions: Sessions
  readonly welcomes: WelcomeBook
  readonly counters: EndpointCounters
  /** Milliseconds a client may be silent; undefined for ever. */
  readonly idleClientTimeoutMs: number | undefined
  /** The pool that a server connection was borrowed from. */
  home(server: ServerConnection): Home
}
