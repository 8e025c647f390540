/**
 * The connection allowance of one node, shared by its pools. Rule: a place is taken before an
 * opening starts and given back when its member is gone, and no pool with waiters starves:
 *
 * - an empty budget takes the longest idle member of a sibling;
 * - a free member is given up rather than parked while a sibling has waiters and no place;
 * - a pool with more than its share gives up members as they come back, one at a time;
 * - a pool whose waiters got nothing for `patienceMs` is owed the next member that comes back.
 *
 * Hungry pools stand in a FIFO that is checked when read (`wants`), so a stale entry does no harm.
 *
 * A governed budget is one process's part of a node's allowance (`Governor`): it asks for more before
 * it takes an idle member of a sibling, and gives back what it does not need.
 */
import type { Clock } from '../core/clock.ts'

/** What a budget may ask of a pool. */
export interface Claimant {
  /** Members and openings: the places it has taken. */
  places(): number
  /** Has waiters that only another opening can serve, and may open now. */
  wants(): boolean
  /** Since when its waiters got nothing (monotonic ms); Infinity when nobody waits. */
  hungrySince(): number
  /** Opens what it wants; takes places through `tryTake`. */
  grow(): void
  /** Since when its longest idle member is idle (monotonic ms); undefined when none is. */
  longestIdleSince(): number | undefined
  /** Closes its longest idle member, giving its place back. */
  giveUpIdle(): void
}

/** Who gets the place of a member about to be given up; `limit`: nobody, the node has too many. */
export type Heir = Claimant | 'limit'

/** Allowance while the node's `max_connections` is not known yet. */
export const UNKNOWN_LIMIT = 10
/** Two logins a second at worst is the price of starving nobody. */
const PATIENCE_MS = 1_000

/** Who shares one node's allowance out among several processes. */
export interface Governor {
  /** Places, members and hungry pools are others than before; it looks when it has time. */
  changed(): void
}

export class Budget {
  readonly node: string
  #clock: Clock
  #patienceMs: number
  #limit: number
  #whole: number
  #share: number
  #governor: Governor | undefined
  // Changes with no await between check and change: that is the lock.
  #taken = 0
  #members = new Set<Claimant>()
  #hungry = new Set<Claimant>()
  /** While one place is being handed on, only `#chosen` may take it. */
  #handing = false
  #chosen: Claimant | undefined

  constructor(options: { node: string; clock: Clock; limit?: number; patienceMs?: number }) {
    this.node = options.node
    this.#clock = options.clock
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS
    this.#limit = atLeastOne(options.limit ?? UNKNOWN_LIMIT)
    this.#whole = this.#limit
    this.#share = this.#limit
  }

  /** How many places there are here; at least 1, so that shares of it can be reckoned with. */
  get limit(): number {
    return Math.max(1, this.#limit)
  }

  /** What the node gives to all processes together. */
  get whole(): number {
    return this.#whole
  }

  /** What each process would have were they all alike; at least 1. */
  get share(): number {
    return this.#share
  }

  /** The places that may be taken here now; 0 only where a governor gives none. */
  get allowed(): number {
    return this.#limit
  }

  /** Places in use: members and openings of all pools of the node. */
  get taken(): number {
    return this.#taken
  }

  /** True when a member about to be lent or parked should be offered to `heirFor` first. */
  get contended(): boolean {
    return this.#hungry.size > 0 || this.#taken > this.#limit
  }

  /** Sets the allowance (at least 1). Lower: idle members go at once, leased ones as they return. */
  setLimit(limit: number): void {
    const whole = atLeastOne(limit)
    this.allow(whole, whole, whole)
  }

  /** From now on somebody else says how many places there are here. */
  govern(governor: Governor): void {
    this.#governor = governor
  }

  /**
   * Sets what this process may have, 0 included, of what the node gives to all (`whole`); `share` is
   * what each would have were they all alike. Lower: as `setLimit`.
   */
  allow(limit: number, whole: number, share: number): void {
    this.#limit = Math.max(0, Math.floor(limit))
    this.#whole = whole
    this.#share = atLeastOne(share)
    while (this.#taken > this.#limit && this.#reclaim()) {}
    this.#handOn(undefined)
    this.#governor?.changed()
  }

  /** The governor has nothing to give: whoever is hungry gets the place of an idle member here. */
  denied(): void {
    for (let next = this.#neediest(undefined); next !== undefined; ) {
      if (this.#taken >= this.#limit && !this.#reclaim(next)) return
      const before = this.#taken
      this.#handOn(next)
      if (this.#taken <= before) return
      next = this.#neediest(undefined)
    }
  }

  /**
   * Lowers what this process may have by up to `most` places that nobody uses, closing idle members
   * for it; nothing while a pool here is hungry.
   * @returns how many were given up
   */
  yield(most: number): number {
    if (this.hungry > 0) return 0
    const from = this.#limit
    const free = Math.min(most, Math.max(0, this.#limit - this.#taken))
    this.#limit -= free
    for (let left = most - free; left > 0 && this.#reclaim(); left--) this.#limit--
    return from - this.#limit
  }

  /** Pools that would open if they had a place. */
  get hungry(): number {
    let hungry = 0
    for (const pool of this.#hungry) if (pool.wants()) hungry++
    return hungry
  }

  join(pool: Claimant): void {
    this.#members.add(pool)
  }

  leave(pool: Claimant): void {
    if (pool.places() > 0) throw new Error('BUG: a pool left its budget with places taken')
    this.#members.delete(pool)
    this.#hungry.delete(pool)
  }

  /**
   * Takes a place for one opening. `spare` takes only what lies free; otherwise a sibling's idle
   * member makes room, and a pool that gets nothing is called (`grow`) when its turn comes.
   */
  tryTake(pool: Claimant, spare = false): boolean {
    if (this.#handing) {
      if (pool !== this.#chosen) return this.#queue(pool, spare)
      this.#chosen = undefined
      return this.#take(pool)
    }
    while (this.#taken >= this.#limit) {
      // There may be places elsewhere yet; until that is known no idle member is closed here.
      const asks = this.#governor !== undefined && this.#limit < this.#whole
      if (spare || asks || !this.#reclaim(pool)) return this.#queue(pool, spare)
    }
    return this.#take(pool)
  }

  /** Gives one place back; `heir` gets it if it still wants it, else the neediest pool. */
  giveBack(heir?: Heir): void {
    if (this.#taken === 0) throw new Error(`BUG: more places given back to ${this.node} than taken`)
    this.#taken--
    this.#handOn(heir === 'limit' ? undefined : heir)
    this.#governor?.changed()
  }

  /** To whom `holder` must give up a member it is about to lend (`waiting`) or park; or nobody. */
  heirFor(holder: Claimant, waiting: boolean): Heir | undefined {
    if (this.#taken > this.#limit) return 'limit'
    const next = this.#neediest(holder)
    if (next === undefined) return undefined
    if (!waiting) return next
    if (holder.places() > next.places() + 1) return next
    return this.#starves(next) ? next : undefined
  }

  #take(pool: Claimant): true {
    this.#taken++
    this.#hungry.delete(pool)
    return true
  }

  #queue(pool: Claimant, spare: boolean): false {
    if (!spare) {
      this.#hungry.add(pool)
      this.#governor?.changed()
    }
    return false
  }

  /** Hands free places to hungry pools, one place each round, until there are no more of either. */
  #handOn(heir: Claimant | undefined): void {
    if (this.#handing) return
    this.#handing = true
    try {
      let next = heir?.wants() ? heir : this.#neediest(undefined)
      while (next !== undefined && this.#taken < this.#limit) {
        this.#hungry.delete(next)
        this.#chosen = next
        next.grow()
        this.#chosen = undefined
        next = this.#neediest(undefined)
      }
    } finally {
      this.#handing = false
    }
  }

  /** The starving first, the longest so before the others; then whoever has fewest places. */
  #neediest(except: Claimant | undefined): Claimant | undefined {
    let best: Claimant | undefined
    for (const pool of this.#hungry) {
      if (pool === except) continue
      if (!pool.wants()) this.#hungry.delete(pool)
      else if (best === undefined || this.#needier(pool, best)) best = pool
    }
    return best
  }

  #needier(a: Claimant, b: Claimant): boolean {
    const starving = this.#starves(a)
    if (starving !== this.#starves(b)) return starving
    return starving ? a.hungrySince() < b.hungrySince() : a.places() < b.places()
  }

  #starves(pool: Claimant): boolean {
    return this.#clock.monotonic() - pool.hungrySince() >= this.#patienceMs
  }

  /** Makes the pool with the longest idle member give it up; false when nobody has one. */
  #reclaim(except?: Claimant): boolean {
    let giver: Claimant | undefined
    let since = Infinity
    for (const pool of this.#members) {
      const idleSince = pool === except ? undefined : pool.longestIdleSince()
      if (idleSince === undefined || idleSince >= since) continue
      giver = pool
      since = idleSince
    }
    if (giver === undefined) return false
    const outer = this.#handing
    this.#handing = true
    giver.giveUpIdle()
    this.#handing = outer
    return true
  }
}

function atLeastOne(limit: number): number {
  return Math.max(1, Math.floor(limit))
}
