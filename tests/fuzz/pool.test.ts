/**
 * Three pools of one node under random borrowers, logins, failures and commands. After every step
 * the books must balance; at the end everything in line is served, and everything is given back.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { WeirError } from '../../src/core/errors.ts'
import type { Budget } from '../../src/pool/budget.ts'
import type { BorrowTimeout, Condition } from '../../src/pool/member.ts'
import type { PoolStats } from '../../src/pool/settings.ts'
import { Borrower, type FakeMember, type FakePool, House, settle } from '../unit/pool/fake-pool.ts'

const POOLS = 3
const MAXIMUM = 4
const OPENINGS = 2
const TICK = 100

type Habit = 'keep' | 'return' | 'again'
type Step =
  | { do: 'borrow'; pool: number; timeout: BorrowTimeout; habit: Habit }
  | { do: 'tryBorrow' | 'pause' | 'resume' | 'renew' | 'janitor' | 'force'; pool: number }
  | { do: 'retire' | 'drain'; pool: number }
  | { do: 'cancel' | 'discard' | 'lost'; pick: number }
  | { do: 'release'; pick: number; condition: Condition }
  | { do: 'login'; pool: number; outcome: 'good' | 'bad' | 'refused' }
  | { do: 'cleaned'; pick: number; good: boolean }
  | { do: 'limit'; limit: number }
  | { do: 'pass'; ms: number }

const pool = fc.nat(POOLS - 1)
const pick = fc.nat(1000)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('borrow' as const),
      pool,
      timeout: fc.constantFrom<BorrowTimeout>('unlimited', 'unlimited', 'nowait', 250, 2000, 0),
      habit: fc.constantFrom<Habit>('keep', 'keep', 'keep', 'return', 'again'),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom(
        ...(['tryBorrow', 'tryBorrow', 'janitor', 'pause', 'resume', 'resume', 'renew'] as const),
      ),
      pool,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('retire', 'drain', 'force'), pool }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('cancel', 'discard', 'lost'), pick }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('release' as const),
      pick,
      condition: fc.constantFrom<Condition>(
        'clean',
        'clean',
        'clean',
        'dirty',
        'owes',
        'cancel-pending',
        'unfinished',
        'broken',
      ),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('login' as const),
      pool,
      outcome: fc.constantFrom('good', 'good', 'good', 'good', 'bad', 'refused'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('cleaned' as const), pick, good: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('limit' as const), limit: fc.nat(8) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ms: fc.constantFrom(10, 60, 300, 1100, 6000),
    }),
  },
)

interface Case {
  borrower: Borrower
  of: FakePool
  timeout: BorrowTimeout
  at: number
  cancelled: boolean
  inLine: boolean
}

class World {
  readonly house = new House()
  readonly budget: Budget = this.house.budget(6)
  readonly all: FakePool[] = []
  readonly pools: FakePool[] = []
  readonly cases: Case[] = []
  /** Who holds what, kept apart from the pool's own books. */
  readonly leases = new Map<FakeMember, FakePool>()
  /** Told by callbacks, where a throw might be lost. */
  readonly faults: string[] = []
  #took = 0

  constructor() {
    for (let i = 0; i < POOLS; i++) this.pools.push(this.#make())
  }

  #make(): FakePool {
    let draw = 0
    const made = this.house.pool({
      name: `node-1/app/user-${this.all.length}`,
      budget: this.budget,
      maximum: MAXIMUM,
      openingsAtOnce: OPENINGS,
      minIdle: this.all.length % 2,
      idleTimeoutMs: 5_000,
      maxLifetimeMs: 20_000,
      lifetimeSpread: 0.5,
      random: () => (draw = (draw + 0.37) % 1),
    })
    this.all.push(made)
    return made
  }

  lent(member: FakeMember, of: FakePool): void {
    if (this.leases.has(member)) this.faults.push('lent twice')
    if (member.ended !== undefined) this.faults.push(`lent after it ended: ${member.ended}`)
    this.leases.set(member, of)
  }

  borrow(of: FakePool, timeout: BorrowTimeout, habit: Habit): void {
    const borrower = new Borrower()
    const entry: Case = {
      borrower,
      of,
      timeout,
      at: this.house.clock.monotonic(),
      cancelled: false,
      inLine: true,
    }
    borrower.onGranted = (member) => {
      if (entry.cancelled) this.faults.push('granted after it was cancelled')
      this.lent(member, of)
      const first = this.cases.find((c) => c.of === of && c.inLine)
      if (first !== entry) this.faults.push('served out of turn')
      entry.inLine = false
      if (habit === 'return') this.giveBack(member, 'clean')
      if (habit === 'again') this.borrow(of, 'unlimited', 'keep')
    }
    borrower.onRefused = () => {
      if (entry.cancelled) this.faults.push('refused after it was cancelled')
      entry.inLine = false
    }
    this.cases.push(entry)
    borrower.wait = of.pool.borrow(borrower, timeout)
  }

  giveBack(member: FakeMember, condition: Condition): void {
    const of = this.leases.get(member)!
    this.leases.delete(member)
    if (member.state === 'clean') member.state = condition
    of.pool.release(member)
  }

  inLine(): Case[] {
    return this.cases.filter((c) => c.inLine)
  }

  async step(s: Step): Promise<void> {
    switch (s.do) {
      case 'borrow':
        return this.borrow(this.pools[s.pool]!, s.timeout, s.habit)
      case 'tryBorrow': {
        const of = this.pools[s.pool]!
        const member = of.pool.tryBorrow()
        if (member !== undefined) this.lent(member, of)
        return
      }
      case 'pause':
      case 'resume':
        if (this.pools[s.pool]!.pool.lends) this.pools[s.pool]!.pool[s.do]()
        return
      case 'renew':
      case 'force':
        return this.pools[s.pool]!.pool[s.do]()
      case 'janitor':
        return this.pools[s.pool]!.pool.janitor(this.house.clock.monotonic())
      case 'retire':
        this.pools[s.pool]!.pool.retire('a test')
        this.pools[s.pool] = this.#make()
        return
      case 'drain':
        void this.pools[s.pool]!.pool.drain()
        this.pools[s.pool] = this.#make()
        return
      case 'cancel': {
        const entry = choose(this.inLine(), s.pick)
        if (entry === undefined) return
        entry.cancelled = true
        entry.inLine = false
        return entry.borrower.wait!.cancel()
      }
      case 'discard': {
        const lease = choose([...this.leases], s.pick)
        if (lease === undefined) return
        this.leases.delete(lease[0])
        return lease[1].pool.discard(lease[0], 'broken')
      }
      case 'lost': {
        const of = choose(this.all, s.pick)!
        const member = choose(
          of.members.filter((m) => !this.leases.has(m)),
          s.pick,
        )
        if (member !== undefined) of.pool.lost(member)
        return
      }
      case 'release': {
        const lease = choose([...this.leases], s.pick)
        if (lease !== undefined) this.giveBack(lease[0], s.condition)
        return
      }
      case 'login': {
        const of = this.pools[s.pool]!
        if (of.logins.length === 0) return
        if (s.outcome === 'good') await of.login()
        else await of.failLogin(refusedOrBad(s.outcome))
        return
      }
      case 'cleaned':
        return this.clean(s.pick, s.good)
      case 'limit':
        return this.budget.setLimit(s.limit)
      case 'pass':
        return this.house.pass(s.ms)
    }
  }

  clean(index: number, good: boolean): void {
    const busy = this.all.flatMap((p) =>
      p.members.filter((m) => !m.ended && (m.resetting ?? m.settling ?? m.finishing) !== undefined),
    )
    const member = choose(busy, index)
    if (member === undefined) return
    if (member.settling !== undefined) {
      member.state = good ? 'clean' : 'dirty'
      member.settling.resolve()
      member.settling = undefined
    } else if (member.finishing !== undefined) {
      member.finishing.resolve()
      member.finishing = undefined
    } else {
      member.resetting!.resolve(good)
      member.resetting = undefined
    }
  }

  check(): void {
    must(this.faults.length === 0, this.faults.join('; '))
    let places = 0
    const idleOnNode = this.all.some((of) => of.pool.stats().idle > 0)
    for (const of of this.all) {
      const s = of.pool.stats()
      places += s.total + s.opening
      let leased = 0
      for (const holder of this.leases.values()) if (holder === of) leased++
      let waiting = 0
      for (const c of this.cases) if (c.of === of && c.inLine) waiting++
      must(s.total === s.idle + s.leased + s.held + s.resetting, 'total adds up', s)
      must(s.leased === leased, 'leases agree with the borrowers', s)
      must(s.total + s.opening <= MAXIMUM, 'within the maximum', s)
      must(s.opening <= OPENINGS, 'few openings at once', s)
      must(s.waiting === waiting, 'the line is who waits', s)
      must(s.state === 'paused' || s.waiting === 0 || s.idle === 0, 'nobody waits for an idle', s)
      must(s.state !== 'closed' || s.total + s.opening + s.waiting === 0, 'closed is empty', s)
      const starved =
        (s.state === 'serving' || s.state === 'draining') &&
        s.waiting > s.opening &&
        s.opening < OPENINGS &&
        s.total + s.opening < MAXIMUM &&
        s.lastError === undefined
      must(!starved || this.budget.taken >= this.budget.limit, 'no free place is overlooked', s)
      must(!starved || !idleOnNode, 'no sibling idles while one starves', s)
    }
    must(this.budget.taken === places, 'the budget is what the pools hold')
    must(places <= Math.max(this.budget.limit, this.#took), 'within the budget, or shrinking')
    this.#took = places
    for (const c of this.cases) {
      must(c.borrower.calls === (c.inLine || c.cancelled ? 0 : 1), 'everybody is called once')
      if (!c.inLine || typeof c.timeout !== 'number') continue
      const waited = this.house.clock.monotonic() - c.at
      must(waited <= c.timeout + 2 * TICK, 'deadlines are kept')
    }
  }

  /** Good times: every lease comes back clean, every login works. Nobody may be left in line. */
  async serveAll(): Promise<void> {
    for (const of of this.pools) if (of.pool.state === 'paused') of.pool.resume()
    for (let round = 0; this.inLine().length > 0; round++) {
      if (round > 400) throw new Error(`${this.inLine().length} borrowers starve`)
      const lease = [...this.leases][0]
      if (lease !== undefined) this.giveBack(lease[0], 'clean')
      for (let i = 0; i < 3; i++) this.clean(0, true)
      for (const of of this.all) if (of.logins.length > 0) await of.login()
      await settle()
      await this.house.pass(TICK)
      this.check()
    }
  }

  async end(): Promise<void> {
    for (const of of this.all) of.pool.retire('the end')
    for (const member of [...this.leases.keys()]) this.giveBack(member, 'clean')
    // What is left unfinished has its time, and its cleaning after that.
    await this.house.pass(11_000)
    this.check()
    for (const of of this.all) expect(of.pool.state).toBe('closed')
    expect(this.budget.taken, 'every place is given back').toBe(0)
    expect(this.house.wheel.armed, 'no deadline left').toBe(0)
    expect(this.house.clock.pending, 'no timer left').toBe(0)
    for (const of of this.all) {
      for (const member of of.members) expect(member.ended, 'every member ended').toBeDefined()
    }
  }
}

/** `expect` would be most of the run. */
function must(holds: boolean, invariant: string, stats?: PoolStats): void {
  if (!holds) throw new Error(`does not hold: ${invariant} ${JSON.stringify(stats) ?? ''}`)
}

function choose<T>(from: readonly T[], index: number): T | undefined {
  return from.length === 0 ? undefined : from[index % from.length]
}

function refusedOrBad(outcome: 'bad' | 'refused'): Error {
  if (outcome === 'bad') return new Error('connection refused')
  return new WeirError('WEIR_OPEN_REFUSED', 'password authentication failed')
}

test('whatever happens, the books balance, turns are kept and nobody starves', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 120, size: 'max' }),
      async (steps) => {
        const world = new World()
        for (const s of steps) {
          await world.step(s)
          await settle()
          world.check()
        }
        await world.serveAll()
        await world.end()
      },
    ),
    { seed: 20_260, numRuns: Number(process.env.WEIR_FUZZ_RUNS ?? 1_500) },
  )
})
