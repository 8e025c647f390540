/** Between a client session and the server connection it shares: what each must know of the other. */
import type { WeirError } from '../core/errors.ts'
import type { Route } from '../endpoint/router.ts'
import type { RideSource } from '../protocol/ride.ts'
import type { Latency, ServerConnection } from '../server/server-connection.ts'

/**
 * Why a request was put back: one before it was slow, or had a huge answer or a client that does not
 * read it, or was cancelled; or what the client had prepared was gone or had changed.
 */
export const PUT_BACK = ['slow', 'large', 'cancelled', 'stale'] as const
export type PutBack = (typeof PUT_BACK)[number]

/** A client session on its ride. */
export interface Rider {
  /** Bytes of its answer; true when it reads too slowly. */
  reply(bytes: Buffer): boolean
  /** Its answer has ended. `at` is monotonic milliseconds. */
  answered(at: number, latency: Latency | undefined): void
  /** Its request takes the ordinary way instead. */
  putBack(why: PutBack): void
  /** It has waited, and rides on `server` now. */
  boarded(server: Shared): void
  /** @param torn it was given half a message */
  lost(error: WeirError, torn: boolean): void
}

/** A client session that asks for a place. */
export interface Passer extends Rider {
  readonly route: Route<ServerConnection>
  readonly rides: RideSource
  /** Which settings it has; equal keys mean equal settings. */
  readonly settingsKey: string
  /** Of whoever gives out places: where it found one last. */
  place: unknown
}

/** Where a session rides, or waits to. */
export interface Shared {
  /** Undefined while it waits. */
  readonly node: string | undefined
  /**
   * Cancels the request of `rider`. Undefined when the server has not come to it: it has left, and
   * its client is to be told by its session.
   */
  cancel(rider: Rider): Promise<void> | undefined
  /** The client of `rider` has gone. */
  leave(rider: Rider): void
  /** `rider` has read what it was given. */
  resume(): void
  /** True when `rider` was given half a message. */
  isMidway(rider: Rider): boolean
}

/** Gives out places. */
export interface Places {
  /** A place for the request in `chunk`; undefined when it has to take the ordinary way. */
  board(passer: Passer, chunk: Buffer): Shared | undefined
}

/** What may ride, and for how long a server connection is shared. */
export interface SharingRules {
  /** Most requests on one server connection; more wait for a place on any. */
  readonly depth: number
  /** Server connections a lane takes before it puts requests behind others; `auto`: see `lanes.ts`. */
  readonly connections: number | 'auto'
  /** Whoever takes longer on average, or is answered more, lets nobody board behind. */
  readonly quickMs: number
  readonly smallBytes: number
  /** Whoever is answered more than this stays alone, at once. */
  readonly largeBytes: number
  /** After so many a server connection goes back to its pool, which may have other plans. */
  readonly mostRides: number
  readonly tickMs: number
  /** At so many ticks the request at hand is found slow. */
  readonly slowTicks: number
  /** After so many nobody uses the server connection, and it goes back. */
  readonly idleTicks: number
  /** So long whoever was cancelled because its client had gone may go on; then the connection is closed. */
  readonly unwantedTicks: number
}

export const SHARING: SharingRules = {
  depth: 16,
  connections: 'auto',
  quickMs: 5,
  smallBytes: 16_384,
  largeBytes: 65_536,
  mostRides: 20_000,
  tickMs: 10,
  slowTicks: 3,
  idleTicks: 5,
  unwantedTicks: 1_000,
}
