/**
 * Requests that wait for a place on any of a lane's server connections, in the order of their coming.
 * Rule: nobody waits here for long; when nothing moves, all take the ordinary way.
 *
 * A connection is given a few requests at a time and not all there are, because whoever sits on one
 * whose server process does not get its turn of a processor waits for that, and those here do not.
 */
import type { Ride } from '../protocol/ride.ts'
import type { Passer, Rider, Shared, SharingRules } from './rider.ts'

export class LaneLine implements Shared {
  readonly node = undefined
  #waiting = new Map<Rider, { passer: Passer; ride: Ride }>()
  /** For `tick`. */
  #seen: Ride | undefined
  #ticks = 0

  get length(): number {
    return this.#waiting.size
  }

  get first(): Passer | undefined {
    for (const { passer } of this.#waiting.values()) return passer
    return undefined
  }

  join(passer: Passer, ride: Ride): Shared {
    this.#waiting.set(passer, { passer, ride })
    return this
  }

  /** Takes out the first, who must exist. */
  shift(): Ride {
    for (const [rider, { ride }] of this.#waiting) {
      this.#waiting.delete(rider)
      return ride
    }
    throw new Error('BUG: nobody waits')
  }

  /** Called every few milliseconds. */
  tick({ slowTicks }: SharingRules): void {
    let first: Ride | undefined
    for (const { ride } of this.#waiting.values()) {
      first = ride
      break
    }
    if (first === undefined || first !== this.#seen) {
      this.#seen = first
      this.#ticks = 0
    } else if (++this.#ticks >= slowTicks) this.clear()
  }

  /** All of them take the ordinary way. */
  clear(): void {
    const all = [...this.#waiting.keys()]
    this.#waiting.clear()
    for (const rider of all) rider.putBack('slow')
  }

  /** Whoever waits has nothing to cancel at a server. */
  cancel(rider: Rider): undefined {
    this.#waiting.delete(rider)
    return undefined
  }

  leave(rider: Rider): void {
    this.#waiting.delete(rider)
  }

  /** It has been given nothing yet. */
  resume(): void {}

  isMidway(): boolean {
    return false
  }
}
