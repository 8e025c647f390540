/**
 * All pools, by node, database and user; one budget per node. Rule: a retired pool is forgotten here
 * at once, so the next `get` makes a fresh one, while its leased members still count in the node's
 * budget until they are back.
 */
import type { Clock } from '../core/clock.ts'
import type { Log } from '../core/log.ts'
import type { TimerWheel } from '../core/timer-wheel.ts'
import { Budget } from './budget.ts'
import type { Member } from './member.ts'
import { Pool } from './pool.ts'
import type { PoolObserver, PoolSettings } from './settings.ts'

export interface PoolKey {
  readonly node: string
  readonly database: string
  readonly user: string
  /**
   * Members that are lent for good, to listen for many clients, come from a pool of their own: in one
   * with a small maximum they would leave nothing for anybody. Undefined for the clients' own pool.
   */
  readonly purpose?: 'listen' | undefined
}

export interface PoolSetOptions<M> {
  open: (key: PoolKey, signal: AbortSignal) => Promise<M>
  settings: (key: PoolKey) => PoolSettings
  clock: Clock
  wheel: TimerWheel
  random: () => number
  observer: PoolObserver
  log: Log
  /** Of a set that shares the budgets of another; default one of its own for each node. */
  budget?: (node: string) => Budget
  /** Of such a set: whether the other one has that node paused. */
  paused?: (node: string) => PausedFor | undefined
  /** A pool with nothing in it is forgotten after this long. Default 10 minutes. */
  emptyAfterMs?: number
}

/** `clients`: connections that listen for many clients are lent and opened nevertheless. */
export type PausedFor = 'all' | 'clients'

interface Entry<M extends Member> {
  readonly key: PoolKey
  readonly pool: Pool<M>
  emptySince: number | undefined
}

interface NodePools<M extends Member> {
  readonly budget: Budget
  /** database -> user and purpose -> pool. */
  readonly byDatabase: Map<string, Map<string, Entry<M>>>
}

export class PoolSet<M extends Member> {
  #options: PoolSetOptions<M>
  #nodes = new Map<string, NodePools<M>>()
  /** Retired or draining pools whose last members are still out. */
  #leaving = new Set<Pool<M>>()
  #draining = false
  /** Nodes of which nothing is lent, or nothing to clients. */
  #paused = new Map<string, PausedFor>()

  constructor(options: PoolSetOptions<M>) {
    this.#options = options
  }

  /** The pool of `key`, made on first need; one that lends, unless the whole set drains. */
  get(key: PoolKey): Pool<M> {
    const entry = this.#node(key.node).byDatabase.get(key.database)?.get(lastKey(key))
    if (entry !== undefined) {
      if (entry.pool.lends || this.#draining) return entry.pool
      this.#forget(entry)
    }
    const pool = this.#add(key)
    if (this.#draining) void pool.drain()
    return pool
  }

  /** The pool of `key` if there is one. */
  find(key: PoolKey): Pool<M> | undefined {
    return this.#nodes.get(key.node)?.byDatabase.get(key.database)?.get(lastKey(key))?.pool
  }

  ofNode(node: string): Pool<M>[] {
    return [...this.#entriesOf(node)].map((entry) => entry.pool)
  }

  /** Shared by the node's pools; set its limit when the node has told its `max_connections`. */
  budget(node: string): Budget {
    return this.#node(node).budget
  }

  /** Retires every pool of the node; waiters are refused with `retired`. The budget stays. */
  retireNode(node: string, why: string): void {
    for (const entry of [...this.#entriesOf(node)]) {
      this.#forget(entry)
      entry.pool.retire(why)
    }
  }

  /**
   * Nothing of that node is lent or opened until `resumeNode`, in pools yet to be made as well;
   * borrowers wait in line and what is lent goes on.
   */
  pauseNode(node: string, whom: PausedFor = 'all'): void {
    this.#paused.set(node, whom)
    for (const { pool, key } of this.#entriesOf(node)) {
      if (pool.lends && this.#isPaused(key)) pool.pause()
    }
  }

  /** Whoever waits is served in the order of arrival. */
  resumeNode(node: string): void {
    this.#paused.delete(node)
    for (const { pool } of [...this.#entriesOf(node)]) if (pool.state === 'paused') pool.resume()
  }

  /** For whom the node is paused, if it is. */
  paused(node: string): PausedFor | undefined {
    return this.#paused.get(node) ?? this.#options.paused?.(node)
  }

  #isPaused({ node, purpose }: PoolKey): boolean {
    const whom = this.paused(node)
    return whom === 'all' || (whom === 'clients' && purpose === undefined)
  }

  /** Cuts every member of the node's pools, retired ones too; borrowers are told by the member. */
  forceNode(node: string): void {
    for (const pool of this.#leaving) if (pool.name.startsWith(`${node}/`)) pool.force()
    for (const entry of this.#entriesOf(node)) entry.pool.force()
  }

  /** Every pool that lends, then those on their way out. */
  forEach(fn: (pool: Pool<M>, key: PoolKey | undefined) => void): void {
    for (const entry of this.#entries()) fn(entry.pool, entry.key)
    for (const pool of this.#leaving) if (pool.state !== 'closed') fn(pool, undefined)
  }

  /** Drains every pool; resolves when the last member is back and closed. */
  async drain(): Promise<void> {
    this.#draining = true
    const done: Promise<void>[] = []
    this.forEach((pool) => {
      done.push(pool.drain())
    })
    await Promise.all(done)
  }

  /** Housekeeping of all pools, about once a second. `now` is monotonic milliseconds. */
  janitor(now: number): void {
    const emptyAfterMs = this.#options.emptyAfterMs ?? 600_000
    for (const pool of this.#leaving) if (pool.state === 'closed') this.#leaving.delete(pool)
    for (const entry of [...this.#entries()]) {
      entry.pool.janitor(now)
      if (!entry.pool.empty) entry.emptySince = undefined
      else entry.emptySince ??= now
      if (entry.emptySince === undefined || now - entry.emptySince < emptyAfterMs) continue
      this.#forget(entry)
      entry.pool.retire('unused')
    }
  }

  #node(name: string): NodePools<M> {
    let node = this.#nodes.get(name)
    if (node === undefined) {
      const { clock } = this.#options
      const budget = this.#options.budget?.(name) ?? new Budget({ node: name, clock })
      node = { budget, byDatabase: new Map() }
      this.#nodes.set(name, node)
    }
    return node
  }

  #add(key: PoolKey): Pool<M> {
    const { open, settings, clock, wheel, random, observer, log } = this.#options
    const { budget, byDatabase } = this.#node(key.node)
    const pool = new Pool<M>({
      name: nameOf(key),
      open: (signal) => open(key, signal),
      settings: settings(key),
      budget,
      clock,
      wheel,
      random,
      observer,
      log,
    })
    if (this.#isPaused(key)) pool.pause()
    let byUser = byDatabase.get(key.database)
    if (byUser === undefined) {
      byUser = new Map()
      byDatabase.set(key.database, byUser)
    }
    byUser.set(lastKey(key), { key, pool, emptySince: undefined })
    return pool
  }

  #forget({ key, pool }: Entry<M>): void {
    const byDatabase = this.#nodes.get(key.node)?.byDatabase
    const byUser = byDatabase?.get(key.database)
    byUser?.delete(lastKey(key))
    if (byUser?.size === 0) byDatabase?.delete(key.database)
    this.#leaving.add(pool)
  }

  *#entriesOf(node: string): Generator<Entry<M>> {
    for (const byUser of this.#nodes.get(node)?.byDatabase.values() ?? []) yield* byUser.values()
  }

  *#entries(): Generator<Entry<M>> {
    for (const node of this.#nodes.keys()) yield* this.#entriesOf(node)
  }
}

/** No user name holds a NUL. */
function lastKey({ user, purpose }: PoolKey): string {
  return purpose === undefined ? user : `${user}\0${purpose}`
}

function nameOf({ node, database, user, purpose }: PoolKey): string {
  return `${node}/${database}/${user}${purpose === undefined ? '' : ` (${purpose})`}`
}
