/**
 * How a worker that is to be replaced leaves: it takes no new clients, and ends when its last one has
 * left. Rule: nobody is sent away for it, unless the time that an operator allowed is over; then
 * those that are left go at the end of their transactions.
 */
import type { Clock, Timer } from '../../core/clock.ts'
import type { Log } from '../../core/log.ts'
import type { Sessions } from '../../session/sessions.ts'

export interface DepartureParts {
  readonly clock: Clock
  readonly log: Log
  readonly sessions: Pick<Sessions, 'size' | 'shutDown'>
  readonly over: () => void
}

/** How often it looks who is left (ms). */
const LOOK_MS = 100
/** Logins under way when the door was closed may yet become sessions (ms). */
const LINGER_MS = 1_000

export class Departure {
  #parts: DepartureParts
  #looking: Timer | undefined
  #last: Timer | undefined
  #begun = false

  constructor(parts: DepartureParts) {
    this.#parts = parts
  }

  begin(withinMs: number | undefined): void {
    if (this.#begun) return
    this.#begun = true
    const { clock, sessions, log } = this.#parts
    this.#look(clock.monotonic() + LINGER_MS)
    if (withinMs === undefined) return
    this.#last = clock.after(withinMs, () => {
      const left = sessions.size
      log.info({ left }, `${left} clients are left after ${withinMs} ms; they are sent away`)
      sessions.shutDown('draining')
    })
  }

  stop(): void {
    this.#looking?.cancel()
    this.#last?.cancel()
  }

  #look(notBefore: number): void {
    const { clock, sessions, over } = this.#parts
    this.#looking = clock.after(LOOK_MS, () => {
      if (sessions.size === 0 && clock.monotonic() >= notBefore) over()
      else this.#look(notBefore)
    })
  }
}
