/**
 * Where sessions get their server connections: the pools of everybody with the router over them, and
 * the connections that serve one client each. Rule: what happens to a node happens to both.
 */
import type { Clock } from '../core/clock.ts'
import type { Log } from '../core/log.ts'
import type { TimerWheel } from '../core/timer-wheel.ts'
import { Router } from '../endpoint/router.ts'
import type { Waits } from '../endpoint/waits.ts'
import type { Budget } from '../pool/budget.ts'
import { type PausedFor, type PoolKey, PoolSet } from '../pool/pools.ts'
import type { PoolObserver, PoolSettings } from '../pool/settings.ts'
import type { ServerConnection } from '../server/server-connection.ts'
import type { TopologyStore } from '../topology/store.ts'
import { DedicatedServers } from './dedicated.ts'
import type { OwnOpening } from './servers.ts'

/** How the names of pools end whose members listen; a retired one has only its name left. */
const LISTENS = ' (listen)'

export interface SupplyOptions {
  readonly open: (key: PoolKey, signal: AbortSignal, own?: OwnOpening) => Promise<ServerConnection>
  readonly settings: (key: PoolKey) => PoolSettings
  readonly store: TopologyStore
  readonly clock: Clock
  readonly wheel: TimerWheel
  readonly random: () => number
  readonly observer: PoolObserver
  readonly log: Log
  readonly waits: Waits
  /** Default one of its own for each node. */
  readonly budget?: (node: string) => Budget
}

export class Supply {
  readonly pools: PoolSet<ServerConnection>
  readonly router: Router<ServerConnection>
  readonly dedicated: DedicatedServers

  constructor(options: SupplyOptions) {
    const { open } = options
    const pools = new PoolSet<ServerConnection>({
      ...options,
      open: (key, signal) => open(key, signal),
    })
    this.pools = pools
    this.router = new Router({ ...options, pools })
    this.dedicated = new DedicatedServers({ ...options, pools, router: this.router })
  }

  /** Nobody is sent to that node any more; what is out there goes on. */
  retire(node: string, why: string): void {
    this.pools.retireNode(node, why)
    this.dedicated.retireNode(node, why)
  }

  /** Nothing there is lent until `resumeNode`; what is out there goes on. */
  pauseNode(node: string, whom: PausedFor = 'all'): void {
    this.pools.pauseNode(node, whom)
    this.dedicated.pauseNode(node, whom)
  }

  resumeNode(node: string): void {
    this.pools.resumeNode(node)
    this.dedicated.resumeNode(node)
  }

  /**
   * How many of the node's server connections are out there. One that listens for many clients is
   * not counted: it is out there for good, and is replaced when it is lost.
   */
  lent(node: string): number {
    let lent = this.dedicated.places(node)
    this.pools.forEach((pool, key) => {
      const listens = key === undefined ? pool.name.endsWith(LISTENS) : key.purpose === 'listen'
      if (!listens && pool.name.startsWith(`${node}/`)) lent += pool.stats().leased
    })
    return lent
  }

  /** The server connections of that user make way for new ones within so long (ms). */
  replace(user: string, withinMs: number): void {
    this.pools.forEach((pool, key) => {
      if (key?.user === user) pool.replaceWithin(withinMs)
    })
  }

  /** Cuts everything that is out there. */
  cut(node: string): void {
    this.pools.forceNode(node)
    this.dedicated.forceNode(node)
  }
}
