/**
 * The part of the contract about shared leases: one whole request that only reads rides on a server
 * connection behind those of other clients, and the server answers in order. Rule: a ride that has
 * been given nothing can be put back at any time, because carrying it out twice is as good as once.
 */
import type { WeirError } from '../core/errors.ts'

/** What requests of one kind have cost so far; shared by all clients that send it. */
export interface RideCost {
  /** True once one of them was answered. */
  known: boolean
  /** Milliseconds of the node's time, moving. */
  ms: number
  /** Bytes of the answer, moving. */
  bytes: number
  /** How often it has held others up, and until when (monotonic ms) nobody boards behind it. */
  strikes: number
  restsUntil: number
}

/** One request of one client, from when it was read until its answer has ended. */
export interface Ride {
  readonly cost: RideCost
  /** Something of the answer was given to the client. */
  gave: boolean
  /** The client is no longer there for it: the answer is swallowed. */
  left: boolean
  /**
   * Books it on a server connection, behind what rides there already. Returns the bytes to send,
   * valid until the ride ends or is put back; undefined when it cannot ride there now, and nothing
   * was changed.
   */
  board(reader: RideReader): Buffer | undefined
}

/** What a client's conversation knows of riding. */
export interface RideSource {
  /**
   * The request in `chunk`, when that is one whole request that may ride and the session is at rest.
   * Nothing of the chunk is consumed; what is needed of it is copied.
   */
  find(chunk: Buffer): Ride | undefined
  /** The answer to the ride has ended, and the client has it. */
  rode(): void
  /** The request of the ride is to be read again, as if it had just arrived. */
  putBack(): void
  /**
   * The server connection was lost under the ride.
   *
   * @param torn the client was given half a message
   */
  lost(error: WeirError, torn: boolean): RideLoss
}

/** How the loss of a server connection went for one who rode on it. */
export interface RideLoss {
  /** `retried`: the request was put back. `partial`: told. `torn`: the session has to be closed. */
  readonly outcome: 'retried' | 'partial' | 'torn'
  /** What to tell the client. */
  readonly bytes: Buffer
}

/**
 * What a server's bytes mean to those who ride on it.
 *
 * - `starved`: nothing more at hand. - `forward`: `bytes` are for the first of them. - `answered`: so
 *   are `bytes` (maybe none), and its answer ends with them. - `again`: its answer has ended and was
 *   swallowed: it is to be put back. - `broken`: the connection is of no use any more; `error` says why.
 */
export type RideStep = 'starved' | 'forward' | 'answered' | 'again' | 'broken'

/** Reads the answers to rides on one server connection. */
export interface RideReader {
  readonly bytes: Buffer
  readonly error: WeirError | undefined
  /** SQLSTATE of the last error; whoever reads it sets it back to undefined. */
  sign: string | undefined
  /** True when the bytes given out so far end inside a message. */
  readonly midMessage: boolean
  /** True when nothing of a message is at hand. */
  readonly atEnd: boolean
  /** The ride whose answer comes next; undefined when nobody rides. */
  first: Ride | undefined
  push(chunk: Buffer): void
  next(): RideStep
}

/** What a server connection's conversation knows of riding. */
export interface RideServer {
  /** True when rides may begin: it is clean, and bears nobody's mark. */
  readonly bare: boolean
  /** Rides begin: replies are read by what this returns, until `ridden`. */
  rides(): RideReader
  /** Nobody rides any more. */
  ridden(): void
}
