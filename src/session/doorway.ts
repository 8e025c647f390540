/**
 * What a door gives to each login: where it has come to, and whom to ask for what it cannot know. Rule:
 * a login holds nothing of the door but this, so one object serves all clients of a door.
 */
import type { WeirError } from '../core/errors.ts'
import type { Endpoint } from '../endpoint/router.ts'
import type { Network } from '../net/network.ts'
import type { TlsOffer } from '../net/tls-accept.ts'
import type { CancelKey, GreetOptions } from '../protocol/contract.ts'
import type { CancelOutcome } from './audit-notes.ts'
import type { Rooms } from './rooms.ts'
import type { Turnstile } from './turnstile.ts'

/** Why nobody may come in just now, or not from there. */
export type TurnedAway = NonNullable<ReturnType<NonNullable<GreetOptions['admit']>>>

/** Who may come from where, and how many; `address` is undefined on a Unix socket. */
export interface DoorGuard {
  /** Whether what comes from there begins with a header that says for whom it is. */
  relays(address: string | undefined): boolean
  /** Why nobody from there may use the endpoint, if so. */
  atDoor(endpoint: string, address: string | undefined): TurnedAway | undefined
  /** A client has come; why it comes too often, if so. */
  tooOften(address: string | undefined): TurnedAway | undefined
  /** Why the user may not try to log in from there now, if so. */
  tooManyFailures(address: string | undefined, user: string | undefined): TurnedAway | undefined
  /** Why no further client of that user, from there, may have a session at the endpoint, if so. */
  tooMany(endpoint: string, user: string, address: string | undefined): TurnedAway | undefined
  /** What a client said to prove itself was wrong, or right. */
  failed(address: string | undefined, user: string | undefined): void
  succeeded(address: string | undefined, user: string): void
}

/** A login, as its door knows it. */
export interface LoginInFlight {
  /**
   * Its place among those who log in is free: it is read from.
   * @param rest what the client has said already
   */
  begin(rest: Buffer): void
  /** Ends it from outside: the proxy stops. */
  abort(error: WeirError): void
}

export interface Doorway {
  /** The endpoint of the door it came through. */
  readonly endpoint: Endpoint
  readonly rooms: Rooms
  readonly network: Network
  readonly loginTimeoutMs: number
  /** Where each step of a login waits for its turn. */
  readonly turnstile: Turnstile
  /** Which certificates to show and ask for; undefined when TLS is off. */
  tlsOffer(): TlsOffer | undefined
  /** Another endpoint by name or by TLS server name; undefined when there is none. */
  byName(name: string): { endpoint: Endpoint; rooms: Rooms } | undefined
  byServerName(name: string): { endpoint: Endpoint; rooms: Rooms } | undefined
  /** All endpoint names, for the error that lists them. */
  endpointNames(): readonly string[]
  /** Why no new session may begin, when that is so (too many clients, draining). */
  refuseSession(): WeirError | undefined
  readonly guard: DoorGuard
  /** Resolves when the request has had its effect; undefined when there is nothing to wait for. */
  cancel(key: CancelKey, tell: (outcome: CancelOutcome) => void): Promise<void> | undefined
  /** The login is over, whichever way. */
  ended(login: LoginInFlight): void
}
