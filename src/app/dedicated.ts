/**
 * Server connections for one client alone (replication), opened for it and closed with it. Rule: each
 * client has a pool of one to itself, so choosing, waiting, trying again and failing over are those
 * of every borrower, the node's budget counts the connection, and no other pool ever sees it.
 */
import { WeirError } from '../core/errors.ts'
import { type Route, Router, type RouteWaiter } from '../endpoint/router.ts'
import type { Wait } from '../pool/member.ts'
import type { Pool } from '../pool/pool.ts'
import { type PausedFor, type PoolKey, PoolSet, type PoolSetOptions } from '../pool/pools.ts'
import type { Introduction } from '../protocol/contract.ts'
import type { ServerConnection } from '../server/server-connection.ts'
import type { Dedicated } from '../session/rooms.ts'
import type { TopologyStore } from '../topology/store.ts'
import type { OwnOpening } from './servers.ts'

type Own = PoolSet<ServerConnection>

export interface DedicatedOptions
  extends Omit<PoolSetOptions<ServerConnection>, 'open' | 'budget'> {
  readonly store: TopologyStore
  /** The pools of everybody; theirs are the budgets. */
  readonly pools: Own
  readonly router: Router<ServerConnection>
  readonly open: (key: PoolKey, signal: AbortSignal, own: OwnOpening) => Promise<ServerConnection>
}

export class DedicatedServers implements Dedicated {
  #options: DedicatedOptions
  #owners = new Set<Own>()

  constructor(options: DedicatedOptions) {
    this.#options = options
  }

  open(
    who: Introduction,
    route: Route<ServerConnection>,
    waiter: RouteWaiter<ServerConnection>,
  ): Wait {
    const { pools, settings } = this.#options
    const own: Own = new PoolSet<ServerConnection>({
      ...this.#options,
      settings: (key) => ({
        ...settings(key),
        maximum: 1,
        minIdle: 0,
        openingsAtOnce: 1,
        maxLifetimeMs: Infinity,
        rotate: false,
      }),
      budget: (node) => pools.budget(node),
      paused: (node) => pools.paused(node),
      open: (key, signal) => this.#open(own, key, signal, who),
    })
    this.#owners.add(own)
    // The pools of all know how busy each node is; this choice is then kept.
    const choice = this.#options.router.choose(route)
    if ('node' in choice) route.node = choice.node
    let over = false
    const patient = 'node' in choice ? this.#patient(route) : route
    const wait = new Router({ ...this.#options, pools: own }).borrow(patient, {
      granted: (server, node) => {
        over = true
        route.node = node
        waiter.granted(server, node)
      },
      refused: (error) => {
        over = true
        this.#forget(own)
        waiter.refused(error)
      },
    })
    return {
      cancel: () => {
        if (over) return
        over = true
        wait.cancel()
        this.#forget(own)
      },
    }
  }

  /** There never is one idle: who would not wait for a lease still waits for his own login. */
  #patient(route: Route<ServerConnection>): Route<ServerConnection> {
    const { rule, turns, gate } = route.endpoint
    if (rule.borrowTimeout !== 'nowait') return route
    const { database, user, node } = route
    const borrowTimeout = this.#options.settings({ node: node!, database, user }).openTimeoutMs
    return { ...route, endpoint: { rule: { ...rule, borrowTimeout }, turns, gate } }
  }

  /** How many there are on that node, those being opened included. */
  places(node: string): number {
    let sum = 0
    for (const own of this.#owners) for (const pool of own.ofNode(node)) sum += placesOf(pool)
    return sum
  }

  /** Whoever waits there looks for another node. */
  retireNode(node: string, why: string): void {
    for (const own of this.#owners) own.retireNode(node, why)
  }

  /** Nobody is given one there until `resumeNode`; those that are lent go on. */
  pauseNode(node: string, whom: PausedFor): void {
    for (const own of this.#owners) own.pauseNode(node, whom)
  }

  resumeNode(node: string): void {
    for (const own of [...this.#owners]) own.resumeNode(node)
  }

  /** Cuts those on that node; their clients are told. */
  forceNode(node: string): void {
    for (const own of [...this.#owners]) own.forceNode(node)
  }

  async #open(
    own: Own,
    key: PoolKey,
    signal: AbortSignal,
    who: Introduction,
  ): Promise<ServerConnection> {
    const { share: limit } = this.#options.pools.budget(key.node)
    // This one is counted already. Streams last for ever: the last place is for everybody else.
    if (this.places(key.node) >= limit) {
      throw new WeirError(
        'WEIR_OPEN_REFUSED',
        `replication connections hold all but one of the ${limit} server connections for ${key.node}`,
        { sqlstate: '53300', hint: 'pool.maxConnectionsPercent sets how many a node gives Weir.' },
      )
    }
    const pool = own.find(key)
    const home = {
      release: (server: ServerConnection): void => home.discard(server),
      discard: (server: ServerConnection): void => {
        pool?.discard(server, 'broken')
        this.#forget(own)
      },
      lost: (server: ServerConnection): void => pool?.lost(server),
    }
    try {
      return await this.#options.open(key, signal, { who, home })
    } catch (error) {
      throw atOnce(error)
    }
  }

  #forget(own: Own): void {
    this.#owners.delete(own)
    void own.drain()
  }
}

const placesOf = (pool: Pool<ServerConnection>): number => {
  const { total, opening } = pool.stats()
  return total + opening
}

/** A node with as many walsenders as it may have says so itself; whoever streams knows to wait. */
function atOnce(error: unknown): unknown {
  if (!(error instanceof WeirError) || error.sqlstate !== '53300') return error
  const { message, sqlstate, detail, hint } = error
  return new WeirError('WEIR_OPEN_REFUSED', message, {
    sqlstate,
    retryable: true,
    cause: error,
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
  })
}
