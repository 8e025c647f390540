/**
 * Borrow and return for one (node, database, user). Knows no sockets and no protocol: it lends
 * whatever `open` makes. Rules: first come first served, nobody waits while a member of this epoch
 * is idle (unless paused), and nobody is called twice. Borrowing an idle member and returning a
 * clean one is synchronous.
 *
 *   serving <-> paused;  serving, paused -> draining -> closed;  any of them -> retired -> closed
 */
import type { Clock } from '../core/clock.ts'
import { messageOf, WeirError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { Machine, type Moves } from '../core/machine.ts'
import type { TimerWheel } from '../core/timer-wheel.ts'
import type { Budget, Heir } from './budget.ts'
import { fateOf } from './checklist.ts'
import { Cleaning } from './cleaning.ts'
import { Growth } from './growth.ts'
import type { BorrowTimeout, EvictReason, Member, RefusalReason, Wait, Waiter } from './member.ts'
import { refusal } from './refusal.ts'
import { Roster, type Slot } from './roster.ts'
import type { PoolObserver, PoolSettings, PoolState, PoolStats } from './settings.ts'
import { Tally } from './tally.ts'
import { overdue } from './trim.ts'
import { QueuedWait, WaitQueue } from './wait-queue.ts'

const MOVES: Moves<PoolState> = {
  serving: ['paused', 'draining', 'retired'],
  paused: ['serving', 'draining', 'retired'],
  draining: ['retired', 'closed'],
  retired: ['closed'],
  closed: [],
}

const SETTLED: Wait = { cancel: () => {} }

export interface PoolOptions<M> {
  /** As people read it: `node-1/app/weir`. */
  name: string
  /**
   * Makes one logged-in, clean member. A WeirError `WEIR_OPEN_REFUSED` says that waiting will not
   * mend it; anything else is tried again while somebody waits.
   */
  open: (signal: AbortSignal) => Promise<M>
  budget: Budget
  clock: Clock
  /** One for all pools; deadlines are as coarse as its tick. */
  wheel: TimerWheel
  /** 0 <= r < 1, for the spread of lifetimes. */
  random: () => number
  settings: PoolSettings
  observer: PoolObserver
  log: Log
}

export class Pool<M extends Member> {
  readonly name: string
  #options: PoolOptions<M>
  #settings: PoolSettings
  #machine: Machine<PoolState>
  #roster = new Roster<M>()
  #waiters: WaitQueue<M>
  #growth: Growth<M>
  #cleaning: Cleaning<M>
  #tally: Tally
  /** Retiring and renewing add one; a member of an older epoch is closed when it comes back. */
  #epoch = 1
  /** A waiter is being called: what comes back meanwhile is lent by the loop that called it. */
  #lending = false
  #lastServedAt = -Infinity
  #why: string | undefined
  #drained: (() => void)[] = []

  constructor(options: PoolOptions<M>) {
    const { clock, wheel, open, budget } = options
    this.name = options.name
    this.#options = options
    this.#settings = options.settings
    this.#tally = new Tally(options.name, options.observer, options.log)
    this.#machine = new Machine(`pool ${options.name}`, MOVES, 'serving')
    this.#waiters = new WaitQueue(
      wheel,
      (wait) => this.#refuse(wait, 'timeout'),
      () => this.#closeIfDone(),
    )
    this.#growth = new Growth<M>({
      open,
      clock,
      wheel,
      budget,
      settings: () => this.#settings,
      epoch: () => this.#epoch,
      mayOpen: () => this.#machine.is('serving', 'draining'),
      members: () => this.#roster.total,
      waiting: () => this.#waiters.size,
      hungrySince: () => Math.max(this.#waiters.head?.queuedAt ?? Infinity, this.#lastServedAt),
      longestIdleSince: () => this.#roster.longestIdle?.idleSince,
      giveUpIdle: () => this.#evict(this.#roster.longestIdle!, 'budget'),
      arrived: (member, epoch, tookMs) => this.#arrived(member, epoch, tookMs),
      failed: (error, tookMs) => this.#openingFailed(error, tookMs),
    })
    this.#cleaning = new Cleaning<M>({
      roster: this.#roster,
      wheel,
      timeoutMs: () => this.#settings.cleanTimeoutMs,
      ready: (slot) => this.#settle(slot),
      failed: (slot, reason) => this.#evict(slot, reason, true),
    })
  }

  get state(): PoolState {
    return this.#machine.state
  }

  /** False once retired, draining or closed: look for another pool. */
  get lends(): boolean {
    return this.#machine.is('serving', 'paused')
  }

  /** True when nothing is left: no member, no opening, no waiter. */
  get empty(): boolean {
    return this.#roster.total + this.#growth.opening + this.#waiters.size === 0
  }

  /**
   * The fast path: an idle member, most recently used first; among the first few, one that `prefer`
   * likes wins. Undefined when none is idle, others wait already, or the pool does not lend now.
   */
  tryBorrow(prefer?: (member: M) => boolean): M | undefined {
    if (this.#waiters.size > 0 || this.#machine.state !== 'serving') return undefined
    for (;;) {
      const slot = this.#roster.takeIdle(prefer)
      if (slot === undefined) return undefined
      if (slot.member.condition() !== 'broken') {
        this.#tally.borrowed++
        return slot.member
      }
      this.#evict(slot, 'broken', true)
    }
  }

  /**
   * Borrows, waiting in line if need be. The waiter may be called before this returns.
   *
   * - a number: milliseconds, counted from `startedAt` (monotonic; default now), so that a borrower
   *   sent on from a retired pool keeps its one deadline;
   * - `nowait`: refused at once when nothing is idle; one opening is still started for the next
   *   borrower, or the pool could never grow;
   * - `unlimited`: waits for ever.
   */
  borrow(waiter: Waiter<M>, timeout: BorrowTimeout, startedAt?: number): Wait {
    const now = this.#options.clock.monotonic()
    const wait = new QueuedWait(waiter, startedAt ?? now, now)
    if (!this.lends) {
      this.#refuse(wait, this.#why === undefined ? 'draining' : 'retired')
      return SETTLED
    }
    const member = this.tryBorrow()
    if (member !== undefined) {
      waiter.granted(member)
      return SETTLED
    }
    const leftMs = typeof timeout === 'number' ? wait.startedAt + timeout - now : undefined
    if (timeout === 'nowait' || (leftMs !== undefined && leftMs <= 0)) {
      this.#growth.grow(1)
      this.#refuse(wait, timeout === 'nowait' ? 'nowait' : 'timeout')
      return SETTLED
    }
    this.#waiters.push(wait, leftMs)
    this.#growth.grow()
    return wait
  }

  /** Takes a leased member back, in whatever condition. */
  release(member: M): void {
    const slot = this.#leased(member, 'released')
    slot.rounds = 0
    this.#settle(slot)
  }

  /** A leased member will not come back: its link died or its stream cannot be trusted. */
  discard(member: M, reason: EvictReason): void {
    this.#evict(this.#leased(member, 'discarded'), reason, true)
  }

  /** The link of a member that is not leased died by itself; harmless for one that has left. */
  lost(member: M): void {
    const slot = this.#roster.find(member)
    if (slot === undefined) return
    if (slot.place === 'leased') {
      throw new Error(`BUG: member ${member.id} of pool ${this.name} is leased: discard it instead`)
    }
    this.#evict(slot, 'broken', true)
  }

  /** Closes the pool for good: every waiter is refused, leased members die on return. */
  retire(why: string): void {
    if (this.#machine.is('retired', 'closed')) return
    this.#machine.to('retired')
    this.#why = why
    this.#tally.retired(why)
    this.#growth.abort(new WeirError('WEIR_POOL_RETIRED', `pool ${this.name} retired: ${why}`))
    this.renew()
    this.#refuseAll('retired')
    this.#closeIfDone()
  }

  /** Replaces every member without refusing anybody: idle ones now, leased ones on return. */
  renew(): void {
    this.#epoch++
    for (const slot of this.#roster.idleSlots()) this.#evict(slot, 'retired')
  }

  /** Borrowers wait and nothing is opened; what is leased goes on. */
  pause(): void {
    if (!this.#machine.is('paused')) this.#machine.to('paused')
  }

  resume(): void {
    if (this.#machine.is('serving')) return
    this.#machine.to('serving')
    this.#lendIdle()
  }

  /** New borrowers are refused, those in line are served; resolves when every member is gone. */
  drain(): Promise<void> {
    if (this.lends) {
      this.#machine.to('draining')
      this.#lendIdle()
      this.#closeIfDone()
    }
    if (this.#machine.is('closed')) return Promise.resolve()
    return new Promise((resolve) => this.#drained.push(resolve))
  }

  /** Cuts every member at once; leased ones stay counted until their borrower returns them. */
  force(): void {
    for (const slot of [...this.#roster.slots()]) {
      if (slot.place === 'leased') slot.member.destroy('forced')
      else if (slot.place !== 'gone') this.#evict(slot, 'forced', true)
    }
  }

  reconfigure(settings: PoolSettings): void {
    this.#settings = settings
    this.#growth.grow()
  }

  /** Housekeeping, about once a second: lifetime, idle trimming, `minIdle`. `now` is monotonic. */
  janitor(now: number): void {
    const idle = this.#roster.idleSlots()
    for (const { slot, reason } of overdue(idle, this.#settings, this.#growth.maximum, now)) {
      this.#evict(slot, reason)
    }
    this.#lendIdle()
    if (this.lends) this.#growth.stock(this.#settings.minIdle - this.#roster.idle)
  }

  stats(): PoolStats {
    const { borrowed, opened, openFailed, evictions, longestWaitMs, lastError } = this.#tally
    const head = this.#waiters.head
    return {
      name: this.name,
      state: this.#machine.state,
      epoch: this.#epoch,
      total: this.#roster.total,
      idle: this.#roster.idle,
      leased: this.#roster.count('leased'),
      held: this.#roster.count('held'),
      resetting: this.#roster.count('resetting'),
      opening: this.#growth.opening,
      waiting: this.#waiters.size,
      maximum: this.#growth.maximum,
      borrowed,
      opened,
      openFailed,
      evicted: { ...evictions },
      oldestWaitMs: head === undefined ? 0 : this.#options.clock.monotonic() - head.startedAt,
      longestWaitMs,
      lastError: lastError === undefined ? undefined : messageOf(lastError),
    }
  }

  #settle(slot: Slot<M>): void {
    const now = this.#options.clock.monotonic()
    const fate = fateOf({
      condition: slot.member.condition(),
      outdated: slot.epoch !== this.#epoch,
      expired: now >= slot.diesAt,
      unneeded: this.#machine.state === 'draining' && this.#waiters.size === 0,
    })
    if (fate === 'lend') this.#place(slot, now)
    else if (fate === 'reset') this.#cleaning.reset(slot)
    else if (fate === 'hold') this.#cleaning.hold(slot)
    else this.#evict(slot, fate, fate === 'broken')
  }

  #place(slot: Slot<M>, now: number): void {
    const waiting = this.#waiters.size > 0 && !this.#machine.is('paused')
    const { budget } = this.#options
    // A login just paid for serves a waiter once before a sibling may have its place.
    if (budget.contended && !(waiting && slot.place === 'arriving')) {
      const heir = budget.heirFor(this.#growth.claim, waiting)
      if (heir !== undefined) {
        this.#evict(slot, 'budget', false, heir)
        return
      }
    }
    slot.idleSince = now
    if (!waiting || this.#lending) {
      this.#roster.move(slot, 'idle')
      return
    }
    this.#lend(slot)
    this.#lendIdle()
  }

  #lend(slot: Slot<M>): void {
    if (slot.place !== 'leased') this.#roster.move(slot, 'leased')
    const wait = this.#waiters.shift()!
    this.#lastServedAt = this.#options.clock.monotonic()
    this.#tally.waited(this.#lastServedAt - wait.startedAt)
    this.#lending = true
    try {
      wait.waiter.granted(slot.member)
    } finally {
      this.#lending = false
    }
  }

  /** Works out afresh what to do with idle members; a missed event cannot wedge it. */
  #lendIdle(): void {
    if (this.#lending) return
    while (this.#waiters.size > 0 && !this.#machine.is('paused')) {
      const slot = this.#roster.takeIdle()
      if (slot === undefined) break
      this.#lend(slot)
    }
    const { budget } = this.#options
    for (let slot = this.#roster.longestIdle; slot; slot = this.#roster.longestIdle) {
      const heir = budget.contended ? budget.heirFor(this.#growth.claim, false) : undefined
      if (heir !== undefined) this.#evict(slot, 'budget', false, heir)
      else if (this.#machine.is('draining')) this.#evict(slot, 'draining')
      else break
    }
    this.#growth.grow()
  }

  #arrived(member: M, epoch: number, tookMs: number): void {
    const { maxLifetimeMs, lifetimeSpread } = this.#settings
    const { clock, random } = this.#options
    this.#tally.arrived(tookMs)
    const lifetimeMs = maxLifetimeMs * (1 - lifetimeSpread * random())
    this.#settle(this.#roster.add(member, epoch, clock.monotonic() + lifetimeMs))
    this.#growth.grow()
  }

  #openingFailed(error: Error, tookMs: number): void {
    if (!this.#machine.is('retired')) this.#tally.failed(error, tookMs)
    this.#options.budget.giveBack()
    const permanent = error instanceof WeirError && error.code === 'WEIR_OPEN_REFUSED'
    // While members remain they still serve the line; without any, waiting will not mend it.
    if (permanent && this.#roster.total === 0) this.#refuseAll('open-failed')
    this.#growth.grow()
    this.#closeIfDone()
  }

  #leased(member: M, verb: string): Slot<M> {
    const slot = this.#roster.find(member)
    if (slot?.place === 'leased') return slot
    const why = slot === undefined ? 'it is not lent by this pool' : `it is back (${slot.place})`
    throw new Error(`BUG: member ${member.id} ${verb} to pool ${this.name}, but ${why}`)
  }

  #evict(slot: Slot<M>, reason: EvictReason, destroy = false, heir?: Heir): void {
    this.#roster.move(slot, 'gone')
    this.#cleaning.forget(slot)
    this.#tally.evicted(reason)
    if (destroy) slot.member.destroy(reason)
    else slot.member.close(reason)
    this.#options.budget.giveBack(heir)
    this.#growth.grow()
    this.#closeIfDone()
  }

  /** Refuses those in line now; one that borrows again at once is not refused twice. */
  #refuseAll(reason: RefusalReason): void {
    for (let left = this.#waiters.size; left > 0; left--) {
      const head = this.#waiters.head
      if (head !== undefined) this.#refuse(head, reason)
    }
  }

  #refuse(wait: QueuedWait<M>, reason: RefusalReason): void {
    const waitedMs = this.#options.clock.monotonic() - wait.startedAt
    const { total, idle } = this.#roster
    const picture = {
      name: this.name,
      total,
      active: total - idle,
      idle,
      waiting: this.#waiters.size,
      lastError: this.#tally.lastError,
      why: this.#why,
    }
    this.#waiters.remove(wait)
    this.#tally.refused(reason, waitedMs)
    wait.waiter.refused(refusal(reason, picture, waitedMs))
  }

  #closeIfDone(): void {
    if (!this.#machine.is('draining', 'retired') || !this.empty) return
    this.#machine.to('closed')
    this.#growth.abort(new WeirError('WEIR_POOL_CLOSED', `pool ${this.name} is closed`))
    this.#options.budget.leave(this.#growth.claim)
    for (const resolve of this.#drained) resolve()
  }
}
