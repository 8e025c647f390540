/**
 * A server connection lent to many: requests that only read ride on it one behind the other, and its
 * answers go to their clients in that order. Rule: whoever is in somebody's way, or whose answer is
 * nobody's any more, costs the others nothing: those who were given nothing yet are put back on the
 * ordinary way, and what the server still says to them is swallowed.
 */
import type { WeirError } from '../core/errors.ts'
import type { Ride, RideReader } from '../protocol/ride.ts'
import type { Holder, ServerConnection } from '../server/server-connection.ts'
import { learn, strike } from './quickness.ts'
import type { PutBack, Rider, Shared, SharingRules } from './rider.ts'

/** The lane it belongs to. */
export interface Lane {
  readonly rules: SharingRules
  now(): number
  /** What `server` was given leaves at the end of this turn of the event loop. */
  flushLater(server: SharedServer): void
  /** There may be places for those who wait. */
  refill(): void
  /** Nobody rides on it any more: it goes back to its pool. */
  free(server: SharedServer): void
  /** It was lost, and is to be given up. */
  gone(server: SharedServer): void
}

export class SharedServer implements Holder, Shared {
  readonly server: ServerConnection
  /** Nobody boards any more. */
  closing = false
  #lane: Lane
  #reader: RideReader
  // In order, the first being answered; the arrays are used again.
  #riders: (Rider | undefined)[] = []
  #rides: (Ride | undefined)[] = []
  #boardedAt: number[] = []
  #first = 0
  #end = 0
  /** Who rides now is not known to be quick: nobody boards behind. */
  #solo = false
  #over = false
  /** Nothing is read, because the first does not read what it was given. */
  #paused = false
  /** When the answer before the one at hand ended. */
  #since = 0
  /** Bytes of the answer at hand. */
  #given = 0
  #boarded = 0
  /** For `tick`. */
  #seen: Ride | undefined
  #ticks = 0
  #unwantedTicks = 0

  constructor(server: ServerConnection, lane: Lane) {
    this.server = server
    this.#lane = lane
    server.hold(this)
    this.#reader = server.conversation.rides()
  }

  get node(): string {
    return this.server.node
  }

  /** How many ride, and are not answered yet. */
  get depth(): number {
    return this.#end - this.#first
  }

  /** True when one more may board, who is quick unless nobody rides. */
  get open(): boolean {
    return this.depth < this.#lane.rules.depth && this.passable && !this.server.link.congested
  }

  /** True when there will be a place as soon as some of those who ride were answered. */
  get passable(): boolean {
    return !this.closing && !this.#solo
  }

  /** Takes `rider` aboard; false when it cannot ride here, and nothing has changed. */
  board(rider: Rider, ride: Ride, quick: boolean): boolean {
    const bytes = ride.board(this.#reader)
    if (bytes === undefined) {
      // On the ordinary way it will be lent this one, and then it can.
      if (this.depth === 0) this.#lane.free(this)
      return false
    }
    const end = this.#end++
    this.#riders[end] = rider
    this.#rides[end] = ride
    this.#boardedAt[end] = this.#lane.now()
    if (!quick) this.#solo = true
    if (++this.#boarded >= this.#lane.rules.mostRides) this.closing = true
    const { link } = this.server
    link.add(bytes)
    if (this.depth === 1) {
      this.#reader.first = ride
      link.send()
    } else this.#lane.flushLater(this)
    return true
  }

  arrived(chunk: Buffer): void {
    const reader = this.#reader
    reader.push(chunk)
    while (!this.#over) {
      switch (reader.next()) {
        case 'starved':
          this.#starved()
          return
        case 'forward':
          this.#give(reader.bytes)
          break
        case 'answered':
          if (reader.bytes.length > 0) this.#give(reader.bytes)
          this.#answered()
          break
        case 'again':
          this.#next()?.putBack('stale')
          break
        case 'broken':
          this.#sign()
          this.server.broken(reader.error)
          return
      }
    }
  }

  #starved(): void {
    this.#sign()
    this.server.looked()
    if (this.closing) this.rest()
    this.#lane.refill()
  }

  #sign(): void {
    const { sign } = this.#reader
    if (sign === undefined) return
    this.#reader.sign = undefined
    this.server.signed(sign)
  }

  #give(bytes: Buffer): void {
    this.#given += bytes.length
    const rider = this.#riders[this.#first]
    const slow = rider?.reply(bytes) === true
    if (slow || this.#given > this.#lane.rules.largeBytes) this.#alone('large')
    if (!slow) return
    this.#paused = true
    this.server.link.pause()
  }

  #answered(): void {
    const at = this.#first
    const now = this.#lane.now()
    const ms = now - Math.max(this.#since, this.#boardedAt[at]!)
    learn(this.#rides[at]!.cost, this.#lane.rules, ms, this.#given, now)
    this.#since = now
    this.#next()?.answered(now, this.server.latency)
  }

  /** The first has been answered; returns who that was, unless it left. */
  #next(): Rider | undefined {
    const at = this.#first++
    const rider = this.#riders[at]
    this.#riders[at] = undefined
    // Or all that rode since nobody rode would be kept, and carried along by every collection.
    this.#rides[at] = undefined
    this.#given = 0
    this.#solo = false
    // Whoever did not read all of it at once is nobody's business here any more.
    this.resume()
    this.server.passed()
    if (this.#first === this.#end) {
      this.#first = 0
      this.#end = 0
      this.#reader.first = undefined
    } else this.#reader.first = this.#rides[this.#first]!
    return rider
  }

  /** All but the first are put back, and nobody boards any more. */
  #alone(why: PutBack): void {
    this.closing = true
    const riders: Rider[] = []
    for (let at = this.#first + 1; at < this.#end; at++) {
      const rider = this.#leave(at)
      if (rider !== undefined) riders.push(rider)
    }
    for (const rider of riders) rider.putBack(why)
  }

  /** Whoever sits there leaves; the answer will be swallowed. */
  #leave(at: number): Rider | undefined {
    const rider = this.#riders[at]
    if (rider === undefined) return undefined
    this.#riders[at] = undefined
    this.#rides[at]!.left = true
    // What was not sent yet lies in memory of the rider's. Last, for now the server may turn out to
    // be lost, and all who still ride are told.
    this.server.link.flush()
    return rider
  }

  #seatOf(rider: Rider): number {
    return this.#riders.indexOf(rider, this.#first)
  }

  leave(rider: Rider): void {
    this.#leave(this.#seatOf(rider))
    this.resume()
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.server.link.resume()
  }

  isMidway(rider: Rider): boolean {
    return this.#reader.midMessage && this.depth > 0 && this.#riders[this.#first] === rider
  }

  cancel(rider: Rider): Promise<void> | undefined {
    const at = this.#seatOf(rider)
    if (at !== this.#first) {
      this.#leave(at)
      return undefined
    }
    // Whatever the cancel request hits, it is this one or what nobody waits for.
    this.#alone('cancelled')
    return this.server.cancel()
  }

  /** Nobody has ridden for a tick or two. */
  get unused(): boolean {
    return this.depth === 0 && this.#ticks > 0
  }

  /** Goes back to its pool when nobody rides; otherwise when those who do have been answered. */
  recall(): void {
    this.closing = true
    this.rest()
  }

  /** Goes back to its pool if nobody rides. */
  rest(): void {
    if (!this.#over && this.depth === 0 && this.#reader.atEnd) this.#lane.free(this)
  }

  /**
   * Called every few milliseconds: nobody waits behind one that takes long, and a connection that
   * nobody uses goes back. Only what was the same at several ticks counts, with reads in between.
   */
  tick(): void {
    const ride = this.depth === 0 ? undefined : this.#rides[this.#first]
    if (ride !== this.#seen) {
      this.#seen = ride
      this.#ticks = 0
      this.#unwantedTicks = 0
      return
    }
    this.#ticks++
    const { slowTicks, idleTicks } = this.#lane.rules
    if (ride === undefined) {
      if (this.#ticks >= idleTicks) this.rest()
    } else if (this.#ticks === slowTicks) this.#slow(ride)
    if (ride?.left === true && this.#ticks >= slowTicks) this.#unwanted()
  }

  /** It takes long, and its client has gone: nobody will cancel it if not we. */
  #unwanted(): void {
    this.#unwantedTicks++
    if (this.#unwantedTicks === 1) void this.server.cancel()
    // Whatever it is, it does not let itself be cancelled.
    else if (this.#unwantedTicks > this.#lane.rules.unwantedTicks) this.server.destroy('broken')
  }

  #slow(ride: Ride): void {
    const now = this.#lane.now()
    const ms = now - Math.max(this.#since, this.#boardedAt[this.#first]!)
    strike(ride.cost, this.#lane.rules, ms, now)
    this.#alone('slow')
  }

  /** The holder of the server connection is never a client here: see `arrived`. */
  boundary(): void {}

  /** The same. */
  reply(): boolean {
    return false
  }

  serverLost(error: WeirError): void {
    this.#over = true
    const torn = this.#reader.midMessage && this.depth > 0 && this.#rides[this.#first]!.gave
    const riders = this.#riders.slice(this.#first, this.#end)
    this.#riders = []
    this.#first = 0
    this.#end = 0
    this.#reader.first = undefined
    this.#lane.gone(this)
    for (let i = 0; i < riders.length; i++) riders[i]?.lost(error, torn && i === 0)
  }

  /** It is its pool's again. */
  end(): void {
    this.#over = true
    this.#sign()
    this.server.conversation.ridden()
  }
}
