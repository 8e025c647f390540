/**
 * Ends a client that has been silent for too long outside of any work. Rule: one coarse deadline,
 * armed anew when it finds the client awake, so that activity itself costs nothing.
 */
import type { Clock } from '../core/clock.ts'
import type { WeirError } from '../core/errors.ts'
import type { Deadline, TimerWheel } from '../core/timer-wheel.ts'
import { IDLE_TOO_LONG } from './session-errors.ts'

/** A client, as far as its silence goes. */
export interface Watched {
  /** When it last did anything, monotonic milliseconds. */
  readonly lastActive: number
  /** Waiting, in a transaction, or owed an answer. */
  readonly busy: boolean
  /** What it listens to: such a client is silent because nobody has told it anything. */
  readonly channels: ReadonlySet<string>
  cut(reason: 'idle-timeout', error: WeirError): void
}

export interface IdleWatchRooms {
  readonly clock: Clock
  readonly wheel: TimerWheel
  /** Milliseconds a client may be silent; undefined for ever. */
  readonly idleClientTimeoutMs: number | undefined
}

/** It is its own deadline, for each client has one. */
export class IdleWatch implements Deadline {
  dueTick = -1
  previous: Deadline = this
  next: Deadline = this
  #rooms: IdleWatchRooms
  #client: Watched

  constructor(rooms: IdleWatchRooms, client: Watched) {
    this.#rooms = rooms
    this.#client = client
  }

  begin(): void {
    const { wheel, idleClientTimeoutMs } = this.#rooms
    if (idleClientTimeoutMs === undefined) return
    wheel.arm(this, idleClientTimeoutMs)
  }

  fire(): void {
    const { clock, wheel, idleClientTimeoutMs: limitMs = Infinity } = this.#rooms
    const { lastActive, busy, channels } = this.#client
    const idleFor = clock.monotonic() - lastActive
    if (idleFor >= limitMs && !busy && channels.size === 0) {
      this.#client.cut('idle-timeout', IDLE_TOO_LONG)
    } else wheel.arm(this, Math.max(1_000, limitMs - idleFor))
  }

  end(): void {
    this.#rooms.wheel.cancel(this)
  }
}
