/**
 * Shares the allowance of one node out among the workers. Rule: a place is given back before it is
 * granted, so what all of them may have never adds up to more than the allowance; and whoever wants
 * a place gets one in turn:
 *
 * - what lies free goes to whoever has fewest, a place at a time;
 * - then the others are asked for what they do not use, idle connections included;
 * - then whoever has more than one place more than the asker gives up one as it comes back;
 * - an asker that has none after `PATIENCE_MS` is owed one, though nobody has many.
 *
 * What a worker holds is the most it can have in use: its limit as it was last known to be, or what
 * it has taken beyond it. What a killed one held counts until somebody says that it is gone.
 */
import type { Clock, Timer } from '../../core/clock.ts'
import { UNKNOWN_LIMIT } from '../../pool/budget.ts'
import type { Allowance, Need } from './messages.ts'

/** How a worker is told. */
export interface Debtor {
  allow(allowance: Allowance): void
  yield(node: string, order: number, most: number): void
  denied(node: string): void
}

interface Account {
  readonly debtor: Debtor
  order: number
  /** Orders that may lower its limit and were not answered yet. */
  lowering: number
  /** As it was last told, or yielded to. */
  limit: number
  /** The most it can have in use. */
  held: number
  wants: number
  /** Since when it wants something and got nothing (monotonic). */
  hungrySince: number
  /** What was done for it in this round: the others were asked; its own idle ones were named. */
  asked: boolean
  denied: boolean
}

/** Two logins a second at worst is the price of starving nobody. */
const PATIENCE_MS = 1_000
/** How often it looks again while somebody wants what nobody has. */
const LOOK_MS = 20
/** Places that go to one worker at once while many lie free. */
const AT_ONCE = 4

export class Broker {
  readonly node: string
  #clock: Clock
  #seats: number
  #limit = UNKNOWN_LIMIT
  #accounts = new Map<number, Account>()
  /** Of workers that are gone while their server connections may not be. */
  #ghosts = new Map<number, number>()
  #timer: Timer | undefined
  #stopped = false

  /** @param seats how many workers there are when all is well */
  constructor(node: string, clock: Clock, seats: number) {
    this.node = node
    this.#clock = clock
    this.#seats = seats
  }

  get limit(): number {
    return this.#limit
  }

  /** The most that can be in use now; never more than the limit, unless that was lowered. */
  get held(): number {
    let held = 0
    for (const account of this.#accounts.values()) held += account.held
    for (const ghost of this.#ghosts.values()) held += ghost
    return held
  }

  /** By worker, for people. */
  shares(): { worker: number; limit: number; held: number }[] {
    return [...this.#accounts].map(([worker, { limit, held }]) => ({ worker, limit, held }))
  }

  setLimit(limit: number): void {
    const whole = Math.max(1, Math.floor(limit))
    if (whole === this.#limit) return
    this.#limit = whole
    for (const account of this.#accounts.values()) this.#tell(account, account.limit)
    this.#settle()
  }

  /** A worker begins: it gets what all would have were they alike, as far as that lies free. */
  join(worker: number, debtor: Debtor): void {
    const account: Account = {
      ...{ debtor, order: 0, lowering: 0, limit: 0, held: 0, wants: 0 },
      ...{ hungrySince: Infinity, asked: false, denied: false },
    }
    this.#accounts.set(worker, account)
    const first = Math.max(0, Math.min(this.#share, this.#limit - this.held))
    account.held = first
    this.#tell(account, first)
  }

  /** A worker is gone, and its server connections may not be: `release` says when they are. */
  leave(worker: number): void {
    const account = this.#accounts.get(worker)
    if (account === undefined) return
    this.#accounts.delete(worker)
    if (account.held > 0) this.#ghosts.set(worker, account.held)
    for (const other of this.#accounts.values()) this.#tell(other, other.limit)
    this.#settle()
  }

  /** The server connections of a worker that is gone are gone too. */
  release(worker: number): void {
    if (this.#ghosts.delete(worker)) this.#settle()
  }

  /** Whether a worker that is gone still counts. */
  haunts(worker: number): boolean {
    return this.#ghosts.has(worker)
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  /** How a worker stands. */
  heard(worker: number, { order, limit, taken, wants }: Need): void {
    const account = this.#accounts.get(worker)
    if (account === undefined) return
    if (order === account.order) {
      account.lowering = 0
      account.limit = limit
      account.held = Math.max(limit, taken)
    }
    if (wants === 0) {
      account.hungrySince = Infinity
      account.asked = false
      account.denied = false
    } else if (account.wants === 0) account.hungrySince = this.#clock.monotonic()
    if (wants > account.wants) account.asked = false
    account.wants = wants
    this.#settle()
  }

  get #share(): number {
    return Math.floor(this.#limit / Math.max(this.#seats, this.#accounts.size))
  }

  #tell(account: Account, limit: number): void {
    if (limit < account.limit) account.lowering++
    account.limit = limit
    account.order++
    account.debtor.allow({
      kind: 'allowance',
      node: this.node,
      order: account.order,
      limit,
      whole: this.#limit,
      share: Math.max(1, this.#share),
    })
  }

  #settle(): void {
    if (this.#stopped) return
    this.#shrink()
    this.#grant()
    const wanting = this.#wanting()
    for (const account of wanting) this.#findFor(account)
    this.#timer?.cancel()
    this.#timer = undefined
    if (wanting.length > 0) this.#timer = this.#clock.after(LOOK_MS, () => this.#look())
  }

  #look(): void {
    for (const account of this.#wanting()) {
      account.asked = false
      account.denied = false
    }
    this.#settle()
  }

  /** Whoever wants something, who waits longest of those without any first, then who has fewest. */
  #wanting(): Account[] {
    return [...this.#accounts.values()]
      .filter((a) => a.wants > 0)
      .sort((a, b) => a.held - b.held || a.hungrySince - b.hungrySince)
  }

  #grant(): void {
    for (let free = this.#limit - this.held; free > 0; free = this.#limit - this.held) {
      // What one has beyond its limit it has to give back first.
      const wanting = this.#wanting().filter((a) => a.lowering === 0 && a.held <= a.limit)
      const first = wanting[0]
      if (first === undefined) return
      const places = Math.min(first.wants, AT_ONCE, Math.max(1, Math.floor(free / wanting.length)))
      first.wants -= places
      first.held += places
      first.hungrySince = first.wants > 0 ? this.#clock.monotonic() : Infinity
      this.#tell(first, first.limit + places)
    }
  }

  /** The allowance itself was lowered below what is out there. */
  #shrink(): void {
    let over = -this.#limit
    for (const account of this.#accounts.values()) over += account.limit
    while (over > 0) {
      const most = this.#fullest(undefined)
      if (most === undefined || most.limit === 0) return
      this.#tell(most, most.limit - 1)
      over--
    }
  }

  #findFor(account: Account): void {
    if (!account.asked) {
      account.asked = true
      for (const other of this.#accounts.values()) {
        if (other === account || other.limit === 0) continue
        if (other.lowering > 0) {
          // It has not answered the last time yet.
          account.asked = false
          continue
        }
        other.order++
        other.lowering++
        other.debtor.yield(this.node, other.order, account.wants)
      }
    }
    if (this.#coming() >= this.#wanted()) return
    // The others had nothing to spare; an idle connection of its own may still serve it.
    if (!account.denied) {
      account.denied = true
      account.debtor.denied(this.node)
    }
    const giver = this.#fullest(account)
    if (giver === undefined || giver.limit === 0) return
    const starves = this.#clock.monotonic() - account.hungrySince >= PATIENCE_MS
    if (giver.limit > account.held + 1 || (starves && account.held === 0)) {
      this.#tell(giver, giver.limit - 1)
    }
  }

  #wanted(): number {
    let wanted = 0
    for (const { wants } of this.#accounts.values()) wanted += wants
    return wanted
  }

  /** Orders on their way that may bring something, and places that come back. */
  #coming(): number {
    let coming = 0
    for (const { lowering, held, limit } of this.#accounts.values()) {
      coming += lowering + Math.max(0, held - limit)
    }
    return coming
  }

  #fullest(except: Account | undefined): Account | undefined {
    let most: Account | undefined
    for (const account of this.#accounts.values()) {
      if (account !== except && (most === undefined || account.limit > most.limit)) most = account
    }
    return most
  }
}
