/** What the listening of clients needs of the rest of the house; one object, shared by all of it. */
import type { Clock } from '../core/clock.ts'
import type { Log } from '../core/log.ts'
import type { TimerWheel } from '../core/timer-wheel.ts'
import type { Router } from '../endpoint/router.ts'
import type { Protocol } from '../protocol/contract.ts'
import type { Home, ServerConnection } from '../server/server-connection.ts'

/** Changed as things happen; the metrics' general counters have these fields. */
export interface ListeningCounters {
  /** Server connections that listen now, and the channels somebody wants them to. */
  listeners: number
  listenedChannels: number
  /** Times one was lost, or could not be had, while somebody listened. */
  listenersLost: number
  /** Notifications that came from servers. */
  notificationsReceived: number
}

export interface ListeningRooms {
  readonly protocol: Pick<Protocol, 'listen'>
  readonly router: Pick<Router<ServerConnection>, 'borrow'>
  readonly clock: Clock
  readonly wheel: TimerWheel
  readonly log: Log
  readonly counters: ListeningCounters
  home(server: ServerConnection): Pick<Home, 'release' | 'discard'>
}
