/** A member without a link and a pool around it, for tests: the test turns clock and logins by hand. */
import { FakeClock } from '../../../src/core/clock.ts'
import { silentLog } from '../../../src/core/log.ts'
import { TimerWheel } from '../../../src/core/timer-wheel.ts'
import { Budget } from '../../../src/pool/budget.ts'
import type {
  BorrowRefused,
  BorrowTimeout,
  Condition,
  EvictReason,
  Member,
  Wait,
} from '../../../src/pool/member.ts'
import { Pool } from '../../../src/pool/pool.ts'
import {
  DEFAULT_POOL_SETTINGS,
  type PoolSettings,
  silentObserver,
} from '../../../src/pool/settings.ts'

let lastId = 0

export class FakeMember implements Member {
  readonly id = ++lastId
  state: Condition = 'clean'
  ended: EvictReason | undefined
  destroyed = false
  resets = 0
  /** What `reset` waits for; it cleans on `true`. */
  resetting: Gate<boolean> | undefined
  settling: Gate<void> | undefined
  finishing: Gate<void> | undefined

  condition(): Condition {
    return this.state
  }
  async reset(): Promise<boolean> {
    this.resets++
    this.resetting = gate<boolean>()
    const clean = await this.resetting.promise
    if (clean) this.state = 'clean'
    return clean
  }
  settled(): Promise<void> {
    this.settling ??= gate<void>()
    return this.settling.promise
  }
  finished(): Promise<void> {
    this.finishing ??= gate<void>()
    return this.finishing.promise
  }
  close(reason: EvictReason): void {
    this.#end(reason)
  }
  destroy(reason: EvictReason): void {
    this.destroyed = true
    this.state = 'broken'
    if (reason !== 'forced' || this.ended === undefined) this.#end(reason)
  }
  #end(reason: EvictReason): void {
    if (this.ended !== undefined && this.ended !== 'forced') {
      throw new Error(`member ${this.id} ended twice: ${this.ended}, ${reason}`)
    }
    this.ended = reason
  }
}

export interface Gate<T> {
  promise: Promise<T>
  resolve(value: T): void
  reject(error: Error): void
}

export function gate<T>(): Gate<T> {
  let resolve!: (value: T) => void
  let reject!: (error: Error) => void
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

/** Lets every promise that is ready run. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 12; i++) await Promise.resolve()
}

/** One borrower and what became of it. */
export class Borrower {
  member: FakeMember | undefined
  refusal: BorrowRefused | undefined
  calls = 0
  wait: Wait | undefined
  onGranted: ((member: FakeMember) => void) | undefined
  onRefused: (() => void) | undefined

  granted(member: FakeMember): void {
    this.calls++
    this.member = member
    this.onGranted?.(member)
  }
  refused(error: BorrowRefused): void {
    this.calls++
    this.refusal = error
    this.onRefused?.()
  }
}

/** Time shared by several pools. */
export class House {
  readonly clock = new FakeClock()
  readonly wheel = new TimerWheel(100, () => this.clock.monotonic())

  budget(limit: number, patienceMs?: number): Budget {
    return new Budget({
      node: 'node-1',
      clock: this.clock,
      limit,
      ...(patienceMs === undefined ? {} : { patienceMs }),
    })
  }

  /** Moves clock and deadlines on in steps of the wheel's tick. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 100) {
      this.clock.advance(Math.min(100, left))
      this.wheel.turn()
      await settle()
    }
  }

  pool(
    options: Partial<PoolSettings> & { name?: string; budget?: Budget; random?: () => number } = {},
  ): FakePool {
    const { name, budget, random, ...settings } = options
    return new FakePool(
      this,
      name ?? 'node-1/app/weir',
      budget ?? this.budget(100),
      settings,
      random,
    )
  }
}

export class FakePool {
  readonly pool: Pool<FakeMember>
  readonly budget: Budget
  readonly house: House
  /** Logins under way, oldest first. */
  readonly logins: (Gate<FakeMember> & { signal: AbortSignal })[] = []
  readonly members: FakeMember[] = []
  openCalls = 0

  constructor(
    house: House,
    name: string,
    budget: Budget,
    settings: Partial<PoolSettings>,
    random: () => number = () => 0,
  ) {
    this.house = house
    this.budget = budget
    this.pool = new Pool<FakeMember>({
      name,
      budget,
      clock: house.clock,
      wheel: house.wheel,
      random,
      settings: { ...DEFAULT_POOL_SETTINGS, maxLifetimeMs: Infinity, ...settings },
      observer: silentObserver,
      log: silentLog,
      open: (signal) => {
        this.openCalls++
        const login = { ...gate<FakeMember>(), signal }
        this.logins.push(login)
        signal.addEventListener('abort', () => {
          const at = this.logins.indexOf(login)
          if (at < 0) return
          this.logins.splice(at, 1)
          login.reject(signal.reason as Error)
        })
        return login.promise
      },
    })
  }

  borrow(timeout: BorrowTimeout = 'unlimited', startedAt?: number): Borrower {
    const borrower = new Borrower()
    borrower.wait = this.pool.borrow(borrower, timeout, startedAt)
    return borrower
  }

  /** Lets the oldest `count` logins succeed. */
  async login(count = 1): Promise<FakeMember[]> {
    const made: FakeMember[] = []
    for (let i = 0; i < count; i++) {
      const member = new FakeMember()
      this.members.push(member)
      made.push(member)
      this.logins.shift()!.resolve(member)
      await settle()
    }
    return made
  }

  async failLogin(error: Error): Promise<void> {
    this.logins.shift()!.reject(error)
    await settle()
  }

  /** `count` idle members. */
  async fill(count: number): Promise<FakeMember[]> {
    const borrowers = Array.from({ length: count }, () => this.borrow())
    while (borrowers.some((b) => b.member === undefined)) await this.login()
    const members = borrowers.map((b) => b.member!)
    for (const member of members) this.pool.release(member)
    return members
  }
}
