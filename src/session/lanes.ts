/**
 * The server connections that are shared, by pool and by the settings they have. Rule: an idle
 * connection comes before a place behind somebody, up to as many as the node can use at once; and a
 * pool that is short of connections has back whatever nobody rides on, at once.
 *
 *   request ──> place on a connection ──> answer
 *       └──> line of its lane ─┘   └──> (slow, recalled) the ordinary way
 */
import { availableParallelism } from 'node:os'
import { isLoopbackAddress } from '../core/address-list.ts'
import type { Clock } from '../core/clock.ts'
import type { Router } from '../endpoint/router.ts'
import type { Pool } from '../pool/pool.ts'
import type { ServerConnection } from '../server/server-connection.ts'
import { LaneLine } from './lane-line.ts'
import { isQuick } from './quickness.ts'
import type { Passer, Places, Shared, SharingRules } from './rider.ts'
import { handBack, type Rooms } from './rooms.ts'
import { type Lane, SharedServer } from './shared-server.ts'

export interface LanesOptions {
  readonly rules: SharingRules
  readonly clock: Clock
  readonly home: Rooms['home']
  readonly router: Router<ServerConnection>
}

/** A lane waits so long in line (ms); its riders take the ordinary way meanwhile. */
const ASK_MS = 10_000

/** All of this process. */
export class Lanes implements Places {
  readonly options: LanesOptions
  #byPool = new Map<Pool<ServerConnection>, Map<string, OneLane>>()
  #servers = new Set<SharedServer>()
  #late: SharedServer[] = []
  #flushing = false
  #ticking: NodeJS.Timeout | undefined

  constructor(options: LanesOptions) {
    this.options = options
  }

  board(passer: Passer, chunk: Buffer): Shared | undefined {
    const pool = this.options.router.current(passer.route)
    if (pool === undefined || !pool.serves) return undefined
    const ride = passer.rides.find(chunk)
    if (ride === undefined) return undefined
    const { settingsKey } = passer
    let lane = passer.place instanceof OneLane ? passer.place : undefined
    if (lane === undefined || lane.pool !== pool || lane.key !== settingsKey || lane.over) {
      lane = this.#laneOf(pool, settingsKey)
      passer.place = lane
    }
    const quick = isQuick(ride.cost, this.options.rules, lane.now())
    const { line } = lane
    const server = quick && line.length > 0 ? undefined : lane.place(passer, quick)
    if (server !== undefined) return server.board(passer, ride, quick) ? server : undefined
    return quick && lane.passable ? line.join(passer, ride) : undefined
  }

  #laneOf(pool: Pool<ServerConnection>, key: string): OneLane {
    let lanes = this.#byPool.get(pool)
    if (lanes === undefined) {
      lanes = new Map()
      this.#byPool.set(pool, lanes)
      pool.recall = (all) => this.#recall(pool, all)
    }
    let lane = lanes.get(key)
    if (lane === undefined) {
      lane = new OneLane(this, pool, key)
      lanes.set(key, lane)
      this.#watch()
    }
    return lane
  }

  /**
   * The pool is short, or stops lending. Those who need a server connection of their own have half of
   * them at least: what is beyond the other half goes back as soon as it can, and what nobody uses.
   */
  #recall(pool: Pool<ServerConnection>, all = false): void {
    const servers = [...(this.#byPool.get(pool)?.values() ?? [])].flatMap((lane) => lane.servers)
    const most = pool.serves && !all ? shareOf(pool) : 0
    let left = servers.length
    for (const server of servers) {
      if (left > most) server.recall()
      else if (server.unused) server.rest()
      else continue
      left--
    }
    for (const lane of this.#byPool.get(pool)?.values() ?? []) lane.refill()
  }

  /** How many server connections of `pool` are shared. */
  of(pool: Pool<ServerConnection>): number {
    let count = 0
    for (const { servers } of this.#byPool.get(pool)?.values() ?? []) count += servers.length
    return count
  }

  added(server: SharedServer): void {
    this.#servers.add(server)
    this.#watch()
  }

  #watch(): void {
    if (this.#ticking !== undefined) return
    this.#ticking = setInterval(() => this.#tick(), this.options.rules.tickMs)
    this.#ticking.unref()
  }

  removed(server: SharedServer): void {
    this.#servers.delete(server)
  }

  #tick(): void {
    for (const server of [...this.#servers]) server.tick()
    for (const [pool, lanes] of this.#byPool) {
      for (const lane of [...lanes.values()]) lane.line.tick(this.options.rules)
      this.#sweep(pool, lanes)
    }
    if (this.#byPool.size > 0) return
    clearInterval(this.#ticking)
    this.#ticking = undefined
  }

  /** Lanes without connections go: of clients whose settings are theirs alone there is no end. */
  #sweep(pool: Pool<ServerConnection>, lanes: Map<string, OneLane>): void {
    for (const lane of lanes.values()) {
      if (!lane.needless) continue
      lane.over = true
      lanes.delete(lane.key)
    }
    if (lanes.size > 0) return
    this.#byPool.delete(pool)
    pool.recall = undefined
  }

  flushLater(server: SharedServer): void {
    this.#late.push(server)
    if (this.#flushing) return
    this.#flushing = true
    // All that can be read now is read first, so that it leaves together.
    setImmediate(() => {
      this.#flushing = false
      for (const { server } of this.#late.splice(0)) server.link.flush()
    })
  }
}

/** Server connections of one pool that have the same settings. */
export class OneLane implements Lane {
  readonly pool: Pool<ServerConnection>
  readonly key: string
  readonly rules: SharingRules
  readonly servers: SharedServer[] = []
  /** Those for whom no server connection has a place. */
  readonly line = new LaneLine()
  /** Nobody has used it for a while: look for another. */
  over = false
  #lanes: Lanes
  #most = 1
  #asking = false

  constructor(lanes: Lanes, pool: Pool<ServerConnection>, key: string) {
    this.#lanes = lanes
    this.pool = pool
    this.key = key
    this.rules = lanes.options.rules
  }

  /** It has no server connection, and asks for none. */
  get needless(): boolean {
    return this.servers.length === 0 && !this.#asking && this.line.length === 0
  }

  /** True when there will be places soon. */
  get passable(): boolean {
    return this.servers.some((server) => server.passable)
  }

  /** Those who wait take the places there are; when there will be none, the ordinary way. */
  refill(): void {
    const { line } = this
    while (line.length > 0 && this.pool.serves) {
      const first = line.first!
      const server = this.place(first, true)
      if (server === undefined) break
      const ride = line.shift()
      if (server.board(first, ride, true)) first.boarded(server)
      else first.putBack('stale')
    }
    if (this.servers.length === 0 || !this.pool.serves) line.clear()
  }

  /** Where the next one may board: who is not known to be quick only where nobody rides. */
  place(passer: Passer, quick: boolean): SharedServer | undefined {
    let best: SharedServer | undefined
    for (const server of this.servers) {
      if (server.open && (best === undefined || server.depth < best.depth)) best = server
    }
    if (best?.depth === 0) return best
    const more = this.servers.length < this.#most ? this.#more(passer) : undefined
    return more ?? (quick ? best : undefined)
  }

  /** One that lies idle in the pool, when it has these settings; where others wait one is asked for. */
  #more({ route }: Passer): SharedServer | undefined {
    const { pool } = this
    const server = pool.tryBorrow(route.prefer)
    if (server !== undefined) return this.#take(server)
    if (pool.short) this.#ask()
    else if (this.servers.length > 0) pool.openAhead()
    return undefined
  }

  /** Stands in line as any borrower, once. */
  #ask(): void {
    if (this.#asking || this.#lanes.of(this.pool) >= shareOf(this.pool)) return
    this.#asking = true
    const waiter = {
      granted: (server: ServerConnection) => {
        this.#asking = false
        this.#take(server)
      },
      refused: () => {
        this.#asking = false
      },
    }
    this.pool.borrow(waiter, ASK_MS)
  }

  #take(server: ServerConnection): SharedServer | undefined {
    const { conversation } = server
    if (this.over || !conversation.bare || conversation.settingsKey !== this.key) {
      this.pool.release(server)
      return undefined
    }
    const shared = new SharedServer(server, this)
    this.servers.push(shared)
    this.#most = mostOf(server, this.rules)
    this.#lanes.added(shared)
    return shared
  }

  now(): number {
    return this.#lanes.options.clock.monotonic()
  }

  flushLater(server: SharedServer): void {
    this.#lanes.flushLater(server)
  }

  free(shared: SharedServer): void {
    this.#remove(shared)
    handBack(this.#lanes.options, shared.server, false)
    this.refill()
  }

  gone(shared: SharedServer): void {
    this.#remove(shared)
    this.#lanes.options.home(shared.server).discard(shared.server, 'broken')
    this.refill()
  }

  #remove(shared: SharedServer): void {
    shared.end()
    const at = this.servers.indexOf(shared)
    if (at >= 0) this.servers.splice(at, 1)
    this.#lanes.removed(shared)
  }
}

/**
 * A node on this machine works on as many statements at once as there are processors, and gains
 * nothing by more connections than keep those busy. Of one elsewhere nothing is known: there only
 * those ride behind others for whom no connection is idle.
 */
function mostOf({ link }: ServerConnection, { connections }: SharingRules): number {
  if (connections !== 'auto') return connections
  const { remoteAddress } = link
  const local = remoteAddress === undefined || isLoopbackAddress(remoteAddress)
  return local ? availableParallelism() : Number.POSITIVE_INFINITY
}

/** Of a pool's connections so many may be kept although somebody waits. */
function shareOf(pool: Pool<ServerConnection>): number {
  return Math.floor(pool.maximum / 2)
}
