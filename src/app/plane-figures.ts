/**
 * What one data plane looks like right now, counted from its sessions and pools. Rule: reads
 * everything, changes nothing; plain data comes out.
 */
import type { InTheWay, PauseTarget } from '../admin/orders.ts'
import type { ClientStatus, ClientsStatus, PoolStatus } from '../admin/snapshot.ts'
import type { Endpoint } from '../endpoint/router.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Address } from '../net/network.ts'
import type { PoolKey, PoolSet } from '../pool/pools.ts'
import type { ServerConnection } from '../server/server-connection.ts'
import type { SessionState } from '../session/session-state.ts'
import type { Session, Sessions } from '../session/sessions.ts'
import type { PlaneReport, Usage } from './planes.ts'

export interface FigureSources {
  readonly supply: {
    readonly pools: PoolSet<ServerConnection>
    readonly dedicated: { places(node: string): number }
    lent(node: string): number
  }
  readonly sessions: Sessions
  readonly metrics: Metrics
  readonly held: { readonly total: number }
  readonly nodes: readonly string[]
  /** When the certificates end that are shown to clients. */
  readonly expiries: readonly { readonly file: string; readonly at: number }[]
  readonly places: readonly {
    readonly endpoint: Endpoint
    readonly door: { readonly addresses: readonly Address[] }
  }[]
}

/** In the order of a session's life; a closed one is no longer listed. */
const SESSION_STATES: readonly SessionState[] = ['welcoming', 'idle', 'waiting', 'leased', 'riding']

export function planeReport(from: FigureSources): PlaneReport {
  const { nodes, places, sessions, supply, metrics } = from
  const byEndpoint = new Map<string, number>()
  for (const { route } of sessions) {
    const { name } = route.endpoint.rule
    byEndpoint.set(name, (byEndpoint.get(name) ?? 0) + 1)
  }
  const pins: Record<string, number> = {}
  for (const counts of Object.values(metrics.snapshot().endpoints)) {
    for (const [reason, n] of Object.entries(counts.pins)) {
      pins[reason] = (pins[reason] ?? 0) + Number(n)
    }
  }
  return {
    pools: poolList(supply.pools),
    dedicated: byName(nodes, (node) => supply.dedicated.places(node)),
    budgets: byName(nodes, (node) => supply.pools.budget(node).limit),
    endpoints: Object.fromEntries(
      places.map(({ endpoint: { rule }, door }) => {
        const address = door.addresses.map(addressText).join(', ') || 'by name only'
        return [rule.name, { clients: byEndpoint.get(rule.name) ?? 0, address }]
      }),
    ),
    clients: clientsStatus(sessions, from.held.total),
    pins,
    certificates: Object.fromEntries(from.expiries.map(({ file, at }) => [file, at])),
  }
}

/** What this process has used. */
export function usageNow(): Usage {
  const { user, system } = process.cpuUsage()
  return { cpuSeconds: (user + system) / 1_000_000, memoryBytes: process.memoryUsage.rss() }
}

/** @param heldBytes what they have sent on while they wait */
export function clientsStatus(sessions: Sessions, heldBytes: number): ClientsStatus {
  const states = new Map<string, number>()
  let pinned = 0
  for (const { state, pins } of sessions) {
    states.set(state, (states.get(state) ?? 0) + 1)
    if (pins.size > 0) pinned++
  }
  const byState: Record<string, number> = {}
  for (const state of SESSION_STATES) {
    const here = states.get(state)
    if (here !== undefined) byState[state] = here
  }
  return {
    total: sessions.size,
    active: (byState.leased ?? 0) + (byState.riding ?? 0),
    waiting: byState.waiting ?? 0,
    heldBytes,
    pinned,
    byState,
  }
}

export function clientList(sessions: Sessions): ClientStatus[] {
  return [...sessions].map((session) => ({
    id: session.id,
    endpoint: session.route.endpoint.rule.name,
    user: session.who.user,
    database: session.who.database,
    state: session.state,
    node: session.leasedNode ?? session.route.node ?? null,
    pins: [...session.pins],
    channels: [...session.channels],
    waitedMs: session.state === 'waiting' ? Math.round(session.waitedMs) : null,
  }))
}

/** Sessions that wait for a server connection. */
export function waitingSessions(sessions: Iterable<{ readonly state: string }>): number {
  let waiting = 0
  for (const { state } of sessions) if (state === 'waiting') waiting++
  return waiting
}

/** How many have something lent, of one endpoint or of all. */
export function lentToSessions(sessions: Iterable<Session>, target: PauseTarget): number {
  let lent = 0
  for (const session of sessions) if (holdsOf(target, session)) lent++
  return lent
}

export function sessionsInTheWay(
  sessions: Iterable<Session>,
  target: PauseTarget,
  most: number,
): InTheWay[] {
  const list: InTheWay[] = []
  for (const session of sessions) {
    const { id, route, who, leasedNode, pins } = session
    if (leasedNode === undefined || !holdsOf(target, session)) continue
    const { user, database } = who
    const endpoint = route.endpoint.rule.name
    list.push({ id, endpoint, user, database, node: leasedNode, pins: [...pins] })
    if (list.length === most) break
  }
  return list
}

function holdsOf(target: PauseTarget, { leasedNode, route }: Session): boolean {
  if (leasedNode === undefined) return false
  if (target.node !== undefined) return target.node === leasedNode
  return target.endpoint === undefined || target.endpoint === route.endpoint.rule.name
}

function poolList(pools: PoolSet<ServerConnection>): PoolStatus[] {
  const list: PoolStatus[] = []
  pools.forEach((pool, key) => {
    const stats = pool.stats()
    // A retired pool is shown until its last member is back.
    if (key === undefined && stats.total === 0) return
    const [node = '', database = '', user = ''] =
      key === undefined ? stats.name.split('/') : [key.node, key.database, userOf(key)]
    list.push({
      node,
      database,
      user,
      state: stats.state,
      total: stats.total,
      idle: stats.idle,
      active: stats.leased,
      waiting: stats.waiting,
      opening: stats.opening,
      maximum: stats.maximum,
      longestWaitMs: Math.round(stats.oldestWaitMs),
    })
  })
  return list
}

/** Two pools may differ in their purpose alone; retired ones bear it in their name. */
function userOf({ user, purpose }: PoolKey): string {
  return purpose === undefined ? user : `${user} (${purpose})`
}

function byName(names: readonly string[], of: (name: string) => number): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, of(name)]))
}

function addressText(address: Address): string {
  return 'path' in address ? address.path : `${address.host}:${address.port}`
}
