/**
 * Borrow and return for one (node, database, user), ignorant of sockets and protocols: it lends what
 * `open` makes. Rules: first come first served; nobody waits while a member of this epoch is idle,
 * unless paused; nobody is called twice; borrowing what is idle and returning it clean never waits.
 */
import { WeirError } from '../core/errors.ts'
import type { Heir } from './budget.ts'
import { fateOf } from './checklist.ts'
import { Cleaning } from './cleaning.ts'
import { Growth } from './growth.ts'
import { Lending } from './lending.ts'
import { Life } from './life.ts'
import { Line } from './line.ts'
import type { BorrowTimeout, EvictReason, Member, Wait, Waiter } from './member.ts'
import { Roster, type Slot } from './roster.ts'
import type { PoolOptions, PoolSettings, PoolState, PoolStats } from './settings.ts'
import { Tally } from './tally.ts'
import { drawLifetime, overdue } from './trim.ts'
import { QueuedWait } from './wait-queue.ts'

const SETTLED: Wait = { cancel: () => {} }

export class Pool<M extends Member> {
  readonly name: string
  #options: PoolOptions<M>
  #settings: PoolSettings
  #life: Life
  #roster = new Roster<M>()
  #line: Line<M>
  #growth: Growth<M>
  #cleaning: Cleaning<M>
  #tally: Tally
  #lending: Lending<M>

  constructor(options: PoolOptions<M>) {
    const { clock, wheel, open, budget } = options
    this.name = options.name
    this.#options = options
    this.#settings = options.settings
    this.#roster.rotates = options.settings.rotate
    this.#tally = new Tally(options.name, options.observer, options.log)
    this.#life = new Life(options.name)
    this.#line = new Line<M>({
      clock,
      wheel,
      tally: this.#tally,
      stats: () => this.stats(),
      emptied: () => this.#closeIfDone(),
    })
    this.#growth = new Growth<M>({
      open,
      clock,
      wheel,
      budget,
      settings: () => this.#settings,
      roster: this.#roster,
      line: this.#line,
      life: this.#life,
      giveUpIdle: () => this.#evict(this.#roster.longestIdle!, 'budget'),
      arrived: (member, epoch, tookMs) => this.#arrived(member, epoch, tookMs),
      failed: (error, tookMs) => this.#openingFailed(error, tookMs),
    })
    this.#lending = new Lending<M>({
      roster: this.#roster,
      line: this.#line,
      life: this.#life,
      budget,
      claim: this.#growth.claim,
      evict: (slot, reason, destroy, heir) => this.#evict(slot, reason, destroy, heir),
      grow: () => this.#growth.grow(),
    })
    this.#cleaning = new Cleaning<M>({
      roster: this.#roster,
      wheel,
      settings: () => this.#settings,
      ready: (slot) => this.#settle(slot),
      failed: (slot, reason) => this.#evict(slot, reason, true),
    })
  }

  get state(): PoolState {
    return this.#life.state
  }

  /** False once retired, draining or closed: look for another pool. */
  get lends(): boolean {
    return this.#life.lends
  }

  /** True while members are lent, and not each time another for the sake of tests. */
  get serves(): boolean {
    return this.#life.state === 'serving' && !this.#roster.rotates
  }

  /** Somebody waits. */
  get short(): boolean {
    return this.#line.length > 0
  }

  /** Most members it can have. */
  get maximum(): number {
    return this.#growth.maximum
  }

  /** Somebody is about to wait, or lending ends: whoever keeps members without need gives them back. */
  recall: ((all?: boolean) => void) | undefined

  /** Opens one for those to come, where none is idle, being opened, or too many. */
  openAhead(): void {
    if (this.#roster.idle === 0 && this.#growth.opening === 0) this.#growth.stock(1)
  }

  /** Somebody waits in line. */
  get crowded(): boolean {
    return this.#line.length > 0
  }

  /** True when nothing is left: no member, no opening, no waiter. */
  get empty(): boolean {
    return this.#roster.total + this.#growth.opening + this.#line.length === 0
  }

  /**
   * The fast path: an idle member, most recently used first; among the first few, one that `prefer`
   * likes wins. Undefined when none is idle, others wait already, or the pool does not lend now.
   * Only under `rotate` it counts what the borrower had `last`: that one is not lent to it while
   * another is idle or can be opened. One that is `wanted` comes before all.
   */
  tryBorrow(
    prefer?: (member: M) => boolean,
    last?: M,
    wanted?: (member: M) => boolean,
  ): M | undefined {
    if (this.#line.length > 0 || this.#life.state !== 'serving') return undefined
    const best = wanted === undefined ? undefined : this.#roster.takeWanted(wanted)
    if (best !== undefined && best.member.condition() !== 'broken') {
      this.#tally.borrowed++
      return best.member
    }
    if (best !== undefined) this.#evict(best, 'broken', true)
    if (this.#roster.rotates && last !== undefined && this.#opensInsteadOf(last)) return undefined
    for (;;) {
      const slot = this.#roster.takeIdle(prefer, last)
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
   *
   * Under `rotate` a borrower that had `last` waits for a new member beside that idle one; whatever
   * comes free first is its, and the janitor lends it the idle one when no member came.
   */
  borrow(waiter: Waiter<M>, timeout: BorrowTimeout, startedAt?: number, last?: M): Wait {
    const now = this.#options.clock.monotonic()
    const wait = new QueuedWait(waiter, startedAt ?? now, now)
    if (!this.lends) {
      this.#line.refuse(wait, this.#life.why === undefined ? 'draining' : 'retired')
      return SETTLED
    }
    const member = this.tryBorrow(undefined, timeout === 'nowait' ? undefined : last)
    if (member !== undefined) {
      waiter.granted(member)
      return SETTLED
    }
    if (this.recall !== undefined && this.#recalled(waiter)) return SETTLED
    const leftMs = typeof timeout === 'number' ? wait.startedAt + timeout - now : undefined
    if (timeout === 'nowait' || (leftMs !== undefined && leftMs <= 0)) {
      this.#growth.grow(1)
      this.#line.refuse(wait, timeout === 'nowait' ? 'nowait' : 'timeout')
      return SETTLED
    }
    this.#line.join(wait, leftMs)
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
    if (!this.#life.retire(why)) return
    this.#tally.retired(why)
    this.recall?.()
    this.#growth.abort(new WeirError('WEIR_POOL_RETIRED', `pool ${this.name} retired: ${why}`))
    this.#evictIdle('retired')
    this.#line.refuseAll('retired')
    this.#closeIfDone()
  }

  /** Replaces every member without refusing anybody: idle ones now, leased ones on return. */
  renew(): void {
    this.#life.renew()
    this.recall?.(true)
    this.#evictIdle('retired')
  }

  /**
   * Every member there is now is replaced like one whose lifetime is over, at moments spread over
   * `ms`; nobody is refused for it.
   */
  replaceWithin(ms: number): void {
    const now = this.#options.clock.monotonic()
    for (const slot of this.#roster.slots()) {
      slot.diesAt = Math.min(slot.diesAt, now + this.#options.random() * ms)
    }
  }

  /** Borrowers wait and nothing is opened; what is leased goes on. */
  pause(): void {
    this.#life.pause()
    this.recall?.()
  }

  resume(): void {
    this.#life.resume()
    this.#lending.lendIdle()
  }

  /** New borrowers are refused, those in line are served; resolves when every member is gone. */
  drain(): Promise<void> {
    this.#life.drain()
    this.recall?.()
    this.#lending.lendIdle()
    this.#closeIfDone()
    return this.#life.closed()
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
    this.#roster.rotates = settings.rotate
    this.#growth.grow()
  }

  /** Housekeeping, about once a second: lifetime, idle trimming, `minIdle`. `now` is monotonic. */
  janitor(now: number): void {
    const idle = this.#roster.idleSlots()
    for (const { slot, reason } of overdue(idle, this.#settings, this.#growth.maximum, now)) {
      this.#evict(slot, reason)
    }
    this.#lending.lendIdle()
    this.stock(this.#settings.minIdle - this.#roster.idle)
  }

  /** Opens up to `count` ahead of need, out of places that lie free, and no more than at once. */
  stock(count: number): void {
    if (this.lends) this.#growth.stock(count)
  }

  stats(): PoolStats {
    return {
      name: this.name,
      state: this.#life.state,
      epoch: this.#life.epoch,
      retiredBecause: this.#life.why,
      total: this.#roster.total,
      idle: this.#roster.idle,
      leased: this.#roster.leased,
      held: this.#roster.held,
      resetting: this.#roster.resetting,
      opening: this.#growth.opening,
      maximum: this.#growth.maximum,
      waiting: this.#line.length,
      oldestWaitMs: this.#line.oldestWaitMs,
      ...this.#tally.snapshot(),
    }
  }

  /** Whether what was given back serves `waiter` now. */
  #recalled(waiter: Waiter<M>): boolean {
    this.recall?.()
    const member = this.tryBorrow()
    if (member !== undefined) waiter.granted(member)
    return member !== undefined
  }

  #settle(slot: Slot<M>): void {
    const now = this.#options.clock.monotonic()
    const fate = fateOf({
      condition: slot.member.condition(),
      outdated: slot.epoch !== this.#life.epoch,
      expired: now >= slot.diesAt,
      unneeded: this.#life.state === 'draining' && this.#line.length === 0,
    })
    if (fate === 'lend') this.#lending.place(slot, now)
    else if (fate === 'reset') this.#cleaning.reset(slot)
    else if (fate === 'hold') this.#cleaning.hold(slot)
    else if (fate === 'finish') this.#cleaning.finish(slot)
    else this.#evict(slot, fate, fate === 'broken')
  }

  #arrived(member: M, epoch: number, tookMs: number): void {
    const { clock, random } = this.#options
    this.#tally.arrived(tookMs)
    const diesAt = clock.monotonic() + drawLifetime(this.#settings, random())
    this.#settle(this.#roster.add(member, epoch, diesAt))
    this.#growth.grow()
  }

  #openingFailed(error: Error, tookMs: number): void {
    if (this.#life.why === undefined) this.#tally.failed(error, tookMs)
    this.#options.budget.giveBack()
    const permanent = error instanceof WeirError && error.code === 'WEIR_OPEN_REFUSED'
    // While members remain they still serve the line; without any, waiting will not mend it.
    if (permanent && this.#roster.total === 0) this.#line.refuseAll('open-failed')
    this.#growth.grow()
    this.#closeIfDone()
  }

  #opensInsteadOf(last: M): boolean {
    return this.#roster.onlyIdle(last) && this.#growth.couldOpen
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

  #evictIdle(reason: EvictReason): void {
    for (const slot of this.#roster.idleSlots()) this.#evict(slot, reason)
  }

  #closeIfDone(): void {
    if (!this.#life.ending || !this.empty) return
    this.#life.close()
    this.#growth.abort(new WeirError('WEIR_POOL_CLOSED', `pool ${this.name} is closed`))
    this.#options.budget.leave(this.#growth.claim)
  }
}
