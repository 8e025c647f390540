/**
 * Requests that wait for a place on any of a lane's server connections, in the order of their coming.
 * Rule: nobody waits here for long; when nothing moves, all take the ordinary way.
 *
 * A connection is given a few requests at a time and not all there are, because whoever sits on one
 * whose server process does not get its turn of a processor waits for that, and those here do not.
 */
import type { Ride } from '../protocol/ride.ts'
import type { Passer, Rider, Shared, SharingRules } from './rider.ts'

/** So many places of those who have gone are kept between two ticks, and more. */
const GAPS = 1_024

export class LaneLine implements Shared {
  readonly node = undefined
  // In order; who has left leaves a gap. The arrays are used again.
  #passers: (Passer | undefined)[] = []
  #rides: (Ride | undefined)[] = []
  #head = 0
  #end = 0
  #waiting = 0
  /** For `tick`. */
  #seen: Ride | undefined
  #ticks = 0

  get length(): number {
    return this.#waiting
  }

  get first(): Passer | undefined {
    if (this.#waiting === 0) return undefined
    while (this.#passers[this.#head] === undefined) this.#head++
    return this.#passers[this.#head]
  }

  join(passer: Passer, ride: Ride): Shared {
    const end = this.#end++
    this.#passers[end] = passer
    this.#rides[end] = ride
    this.#waiting++
    return this
  }

  /** Takes out the first, who must exist. */
  shift(): Ride {
    if (this.first === undefined) throw new Error('BUG: nobody waits')
    const ride = this.#rides[this.#head]!
    this.#takeOut(this.#head)
    return ride
  }

  #takeOut(at: number): void {
    this.#passers[at] = undefined
    this.#rides[at] = undefined
    if (--this.#waiting > 0) return
    this.#head = 0
    this.#end = 0
  }

  /** Called every few milliseconds. */
  tick({ slowTicks }: SharingRules): void {
    const first = this.first === undefined ? undefined : this.#rides[this.#head]
    if (first === undefined || first !== this.#seen) {
      this.#seen = first
      this.#ticks = 0
    } else if (++this.#ticks >= slowTicks) this.clear()
    this.#sweep()
  }

  /** Where somebody always waits the gaps at the front would grow without end. */
  #sweep(): void {
    if (this.#head < GAPS) return
    this.#passers = this.#passers.slice(this.#head, this.#end)
    this.#rides = this.#rides.slice(this.#head, this.#end)
    this.#end -= this.#head
    this.#head = 0
  }

  /** All of them take the ordinary way. */
  clear(): void {
    const all = this.#passers.slice(this.#head, this.#end)
    this.#passers.fill(undefined)
    this.#rides.fill(undefined)
    this.#head = 0
    this.#end = 0
    this.#waiting = 0
    for (const rider of all) rider?.putBack('slow')
  }

  /** Whoever waits has nothing to cancel at a server. */
  cancel(rider: Rider): undefined {
    this.leave(rider)
    return undefined
  }

  leave(rider: Rider): void {
    const at = this.#passers.indexOf(rider as Passer, this.#head)
    if (at >= 0 && at < this.#end) this.#takeOut(at)
  }

  /** It has been given nothing yet. */
  resume(): void {}

  isMidway(): boolean {
    return false
  }
}
