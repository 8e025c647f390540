/**
 * The loop that is the whole failover feature: choose a node, borrow from its pool; no node or a
 * pool retired meanwhile means wait for another topology and choose again, within one deadline.
 * Rule: it is safe to loop because no client byte has been forwarded before a lease exists.
 *
 *   choose ──none──> wait for the topology ──changed──┐
 *     ▲                                               │
 *     ├───────────────────────────────────────────────┘
 *     └─retired── borrow ──> granted | refused
 */
import type { Clock } from '../core/clock.ts'
import { WeirError } from '../core/errors.ts'
import { Deadline, type TimerWheel } from '../core/timer-wheel.ts'
import type { BorrowRefused, BorrowTimeout, Member, Wait } from '../pool/member.ts'
import type { Pool } from '../pool/pool.ts'
import type { PoolSet } from '../pool/pools.ts'
import { whyWaiting } from '../pool/refusal.ts'
import type { TopologyStore, TopologyWait } from '../topology/store.ts'
import type { Topology } from '../topology/topology.ts'
import { Turns } from './balance.ts'
import { type Choice, type ChoiceView, choose, type NoneChosen } from './choose.ts'
import type { EndpointRule } from './endpoint.ts'
import { type AtGate, Gate } from './gate.ts'
import { leasesOf } from './leases.ts'
import { leaves, markOf, NOT_YET } from './leaving.ts'
import type { Waits } from './waits.ts'

/** One session's way to server connections. */
export interface Route<M extends Member> {
  readonly endpoint: Endpoint
  readonly database: string
  readonly user: string
  /** Undefined for clients; see `PoolKey`. */
  readonly purpose?: 'listen' | undefined
  /** The node it was given last; readers are kept while they serve. */
  node: string | undefined
  /** A log position whose effect it may have seen; another reader must be past it. */
  seenLsn: bigint | undefined
  /** The router's own memory: from when on (wall) it had nothing more from a node it left. */
  leftAt?: number
  /** Among idle connections one that this likes is taken first. */
  prefer: (member: M) => boolean
  /** Liked above all others, wherever among the idle it is; undefined nearly always. */
  wanted?: ((member: M) => boolean) | undefined
  /** What it was lent last; it counts only in a pool that rotates. */
  last?: M
  /** The router's own memory: the pool chosen under this very topology. */
  chosen?: { readonly topology: Topology; readonly pool: Pool<M> }
}

/** An endpoint as the router keeps it: the rule, and the memory of its picks. */
export interface Endpoint {
  rule: EndpointRule
  readonly turns: Turns
  readonly gate: Gate
}

export function endpointOf(rule: EndpointRule): Endpoint {
  return { rule, turns: new Turns(), gate: new Gate() }
}

export interface RouteWaiter<M> {
  granted(member: M, node: string): void
  refused(error: WeirError): void
  /** It still waits, for as long as the house thinks worth telling; no failure, but words for it. */
  stillWaits?(notice: WeirError): void
}

export interface RouterOptions<M extends Member> {
  readonly store: TopologyStore
  readonly pools: PoolSet<M>
  readonly clock: Clock
  readonly wheel: TimerWheel
  readonly random: () => number
  /** Bounds those who wait; default no bound. */
  readonly waits?: Waits
}

export class Router<M extends Member> {
  /** Told of each grant to a client, right before it happens; undefined nearly always. */
  onGranted: ((member: M, route: Route<M>) => void) | undefined
  #options: RouterOptions<M>
  #view: ChoiceView & { sticky: string | undefined; seenLsn: bigint | undefined; turns: Turns }

  constructor(options: RouterOptions<M>) {
    this.#options = options
    const { pools, random } = options
    this.#view = {
      leases: (node) => leasesOf(pools, node),
      budget: (node) => pools.budget(node).whole,
      random,
      sticky: undefined,
      seenLsn: undefined,
      turns: new Turns(),
    }
  }

  /** The fast path: an idle connection right now, or undefined. Sets `route.node`. */
  tryBorrow(route: Route<M>): M | undefined {
    if (route.endpoint.gate.closed) return undefined
    const topology = this.#options.store.current
    const { chosen } = route
    if (chosen !== undefined && chosen.topology === topology && chosen.pool.lends) {
      return this.#lent(route, chosen.pool.tryBorrow(route.prefer, route.last, route.wanted))
    }
    const choice = this.choose(route)
    if (!('node' in choice)) return undefined
    // Kept even when nothing is idle: `borrow` then waits there. Picking twice for one session would
    // use up the turn of the other reader, and of two readers one would get every session.
    this.#moved(route, choice.node)
    const { database, user, purpose } = route
    const pool = this.#options.pools.get({ node: choice.node, database, user, purpose })
    route.chosen = { topology, pool }
    return this.#lent(route, pool.tryBorrow(route.prefer, route.last, route.wanted))
  }

  /** The pool that `route` borrows from, while that is certain: nothing has changed since it last did. */
  current(route: Route<M>): Pool<M> | undefined {
    const { chosen } = route
    if (chosen === undefined || route.endpoint.gate.closed) return undefined
    return chosen.topology === this.#options.store.current ? chosen.pool : undefined
  }

  /**
   * The node for `route` now. A session that has to leave its node lands only where everything it
   * can have seen there has arrived; see `markOf`. While that is not known it is as if nobody had.
   */
  choose(route: Route<M>): Choice {
    const { node, seenLsn } = route
    // Whether it has to leave is not known yet; should it, this pick must cost no reader its turn.
    const unmarked = node !== undefined && seenLsn === undefined
    const choice = this.#choose(route, unmarked ? NOT_YET : seenLsn)
    if (!unmarked || !leaves(choice, node)) return this.#noted(route, choice)
    const { nodes } = this.#options.store.current
    const since = nodes.find((n) => n.spec.name === node)?.since ?? -Infinity
    // The writer may stand in meanwhile: who comes from there must still be past what it left first.
    const leftAt = Math.max(since, route.leftAt ?? -Infinity)
    route.leftAt = leftAt
    const mark = markOf(nodes, leftAt, this.#options.clock.wall())
    if (mark === NOT_YET) return choice
    route.seenLsn = mark
    return this.#noted(route, this.#choose(route, mark))
  }

  /** Back where it was: what it sees from now on is not yet in that mark. */
  #noted(route: Route<M>, choice: Choice): Choice {
    if ('node' in choice && choice.node === route.node) route.seenLsn = undefined
    return choice
  }

  #choose(route: Route<M>, seenLsn: bigint | undefined): Choice {
    const view = this.#view
    view.sticky = route.node
    view.seenLsn = seenLsn
    view.turns = route.endpoint.turns
    return choose(route.endpoint.rule, this.#options.store.current, view)
  }

  /** Borrows for `route`, waiting if need be; exactly one callback unless cancelled. */
  borrow(route: Route<M>, waiter: RouteWaiter<M>): Wait {
    return new Errand(this, this.#options, route, waiter, (node) =>
      this.#moved(route, node),
    ).start()
  }

  #moved(route: Route<M>, node: string): void {
    if (route.node === node) return
    route.node = node
    route.seenLsn = undefined
  }

  #lent(route: Route<M>, member: M | undefined): M | undefined {
    if (member === undefined) return undefined
    route.last = member
    if (this.onGranted !== undefined) this.onGranted(member, route)
    return member
  }
}

/** One borrow on its way through the loop. */
class Errand<M extends Member> implements Wait, AtGate {
  #router: Router<M>
  #options: RouterOptions<M>
  #route: Route<M>
  #waiter: RouteWaiter<M>
  #moved: (node: string) => void
  #startedAt: number
  #timeout: BorrowTimeout
  #poolWait: Wait | undefined
  #topologyWait: TopologyWait | undefined
  #deadline: Deadline | undefined
  #notice: Deadline | undefined
  /** In whose line it stands. */
  #pool: Pool<M> | undefined
  #over = false
  /** Why it waits for no pool: a sentence. */
  #why = 'no node'
  #looping = false
  #again = false
  before: AtGate | undefined
  behind: AtGate | undefined

  constructor(
    router: Router<M>,
    options: RouterOptions<M>,
    route: Route<M>,
    waiter: RouteWaiter<M>,
    moved: (node: string) => void,
  ) {
    this.#router = router
    this.#options = options
    this.#route = route
    this.#waiter = waiter
    this.#moved = moved
    this.#startedAt = options.clock.monotonic()
    this.#timeout = route.endpoint.rule.borrowTimeout
  }

  start(): Wait {
    this.#loop()
    if (!this.#over) this.#wait()
    return this
  }

  /** Nothing was at hand: from now on it is one of those who wait. */
  #wait(): void {
    const { waits, wheel, clock } = this.#options
    if (waits?.enter() === false) {
      const many = `${waits.now} clients wait for a server connection already (limits.maxWaitingClients)`
      this.#fail('53300', `${many}: ${this.#reason}`)
      return
    }
    this.#route.endpoint.gate.enter(this)
    const everyMs = waits?.noticeEveryMs
    if (everyMs === undefined || this.#waiter.stillWaits === undefined) return
    const notice = new Deadline(() => {
      wheel.arm(notice, everyMs)
      const waited = ((clock.monotonic() - this.#startedAt) / 1_000).toFixed(1)
      const text = `waiting for a server connection since ${waited} s: ${this.#reason}`
      this.#waiter.stillWaits?.(new WeirError('WEIR_WAITING', text, { sqlstate: '01000' }))
    })
    this.#notice = notice
    wheel.arm(notice, everyMs)
  }

  get #reason(): string {
    return this.#pool === undefined ? this.#why : whyWaiting(this.#pool.stats())
  }

  hold(): void {
    this.#poolWait?.cancel()
    this.#poolWait = undefined
    this.goOn()
  }

  goOn(): void {
    this.#topologyWait?.cancel()
    this.#topologyWait = undefined
    this.#loop()
  }

  cancel(): void {
    this.#end()
  }

  #end(): void {
    this.#over = true
    this.#poolWait?.cancel()
    this.#topologyWait?.cancel()
    if (this.#deadline !== undefined) this.#options.wheel.cancel(this.#deadline)
    if (this.#notice !== undefined) this.#options.wheel.cancel(this.#notice)
    if (this.#route.endpoint.gate.leave(this)) this.#options.waits?.leave()
  }

  /** Refusals may come while `borrow` has not returned yet; a flag turns recursion into a loop. */
  #loop(): void {
    this.#again = true
    if (this.#looping) return
    this.#looping = true
    while (this.#again && !this.#over) {
      this.#again = false
      this.#turn()
    }
    this.#looping = false
  }

  #turn(): void {
    const { gate, rule } = this.#route.endpoint
    if (gate.closed) {
      this.#patient(`endpoint ${rule.name} is paused`)
      return
    }
    const seen = this.#options.store.current
    const choice = this.#router.choose(this.#route)
    if (!('node' in choice)) {
      this.#nobody(choice, seen)
      return
    }
    const { database, user, purpose } = this.#route
    const node = choice.node
    const pool = this.#options.pools.get({ node, database, user, purpose })
    // While it stands in a pool's line, that pool says what it waited for in vain.
    if (this.#deadline !== undefined) this.#options.wheel.cancel(this.#deadline)
    this.#deadline = undefined
    const wait = pool.borrow(
      {
        granted: (member) => {
          this.#end()
          this.#moved(node)
          this.#route.last = member
          this.#router.onGranted?.(member, this.#route)
          this.#waiter.granted(member, node)
        },
        refused: (refusal) => this.#refused(refusal),
      },
      this.#timeout,
      this.#startedAt,
      this.#route.last,
    )
    if (this.#over || this.#again) return
    this.#poolWait = wait
    this.#pool = pool
  }

  #nobody(choice: NoneChosen, seen: Topology): void {
    if (!choice.wait) {
      this.#fail('08001', choice.sentence)
      return
    }
    if (!this.#patient(choice.sentence)) return
    this.#topologyWait = this.#options.store.changed(
      seen,
      () => {
        this.#topologyWait = undefined
        this.#loop()
      },
      choice.wakeOn,
    )
  }

  /** Waits for what is no pool's to give, within its time; false when it would not wait at all. */
  #patient(why: string): boolean {
    this.#why = why
    this.#pool = undefined
    if (this.#timeout === 'nowait') {
      this.#fail('08001', why)
      return false
    }
    if (typeof this.#timeout === 'number' && this.#deadline === undefined) {
      const left = this.#startedAt + this.#timeout - this.#options.clock.monotonic()
      this.#deadline = new Deadline(() => {
        const waited = (this.#options.clock.monotonic() - this.#startedAt) / 1_000
        this.#fail(
          '08001',
          `timed out after ${waited.toFixed(1)} s waiting for a node: ${this.#why}`,
        )
      })
      this.#options.wheel.arm(this.#deadline, Math.max(0, left))
    }
    return true
  }

  #refused(refusal: BorrowRefused): void {
    this.#poolWait = undefined
    if (this.#over) return
    if (refusal.reason === 'retired') {
      this.#loop()
      return
    }
    const cause = refusal.cause
    if (refusal.reason === 'open-failed' && cause instanceof WeirError) {
      this.#end()
      this.#waiter.refused(
        new WeirError('WEIR_OPEN_REFUSED', cause.message, {
          sqlstate: cause.sqlstate,
          detail: refusal.message,
          cause,
          ...(cause.hint === undefined ? {} : { hint: cause.hint }),
        }),
      )
      return
    }
    const sqlstate = refusal.reason === 'draining' ? '57P01' : '53300'
    this.#fail(sqlstate, refusal.message, cause)
  }

  #fail(sqlstate: string, message: string, cause?: unknown): void {
    this.#end()
    this.#waiter.refused(
      new WeirError('WEIR_BORROW_FAILED', message, { sqlstate, retryable: true, cause }),
    )
  }
}
