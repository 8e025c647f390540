/**
 * What the running proxy looks like at one moment, as plain data for status page, console and
 * metrics. Rule: reads everything, changes nothing.
 */
import type { PauseStatus } from '../admin/orders.ts'
import type {
  ClientStatus,
  EndpointStatus,
  FailoverStatus,
  NodeStatus,
  Occurrence,
  PoolStatus,
  StatusSnapshot,
} from '../admin/snapshot.ts'
import type { Clock } from '../core/clock.ts'
import { Turns } from '../endpoint/balance.ts'
import { type ChoiceView, choose } from '../endpoint/choose.ts'
import { type Endpoint, leasesOf } from '../endpoint/router.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Address } from '../net/network.ts'
import type { PoolKey, PoolSet } from '../pool/pools.ts'
import type { ServerConnection } from '../server/server-connection.ts'
import type { SessionState } from '../session/session-state.ts'
import type { Sessions } from '../session/sessions.ts'
import type { SourceState } from '../topology/source/source-watch.ts'
import type { TopologyStore } from '../topology/store.ts'

export interface Sources {
  readonly version: string
  readonly startedAt: number
  readonly clock: Clock
  readonly store: TopologyStore
  readonly source: SourceState
  readonly supply: {
    readonly pools: PoolSet<ServerConnection>
    readonly dedicated: { places(node: string): number }
  }
  readonly sessions: Sessions
  readonly metrics: Metrics
  readonly events: readonly Occurrence[]
  readonly failovers: { list(): readonly FailoverStatus[] }
  readonly held: { readonly total: number }
  readonly pauses: { list(): readonly PauseStatus[] }
  readonly places: readonly {
    readonly endpoint: Endpoint
    readonly door: { readonly addresses: readonly Address[] }
  }[]
}

/** In the order of a session's life; a closed one is no longer listed. */
const SESSION_STATES: readonly SessionState[] = ['welcoming', 'idle', 'waiting', 'leased']

export function appSnapshot(from: Sources): StatusSnapshot {
  const pools = poolList(from)
  const clients = clientList(from.sessions)
  const byState: Record<string, number> = {}
  for (const state of SESSION_STATES) {
    const here = clients.filter((c) => c.state === state).length
    if (here > 0) byState[state] = here
  }
  const pins = new Map<string, number>()
  for (const counts of Object.values(from.metrics.snapshot().endpoints)) {
    for (const [reason, n] of Object.entries(counts.pins)) {
      pins.set(reason, (pins.get(reason) ?? 0) + Number(n))
    }
  }
  return {
    version: from.version,
    startedAt: from.startedAt,
    uptimeMs: from.clock.wall() - from.startedAt,
    epoch: from.store.current.epoch,
    source: { ...from.source, ok: from.source.ok ?? null },
    nodes: nodeList(from, pools),
    endpoints: from.places.map((place) => endpointStatus(from, place, clients)),
    pools,
    clients: {
      total: clients.length,
      active: byState.leased ?? 0,
      waiting: byState.waiting ?? 0,
      heldBytes: from.held.total,
      pinned: clients.filter((c) => c.pins.length > 0).length,
      byState,
    },
    pins: [...pins].filter(([, count]) => count > 0).map(([reason, count]) => ({ reason, count })),
    pauses: from.pauses.list(),
    events: from.events,
    failovers: from.failovers.list(),
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

/** By node as they are configured, so that a list that is looked at again has not moved. */
function poolList({ supply: { pools }, store }: Sources): PoolStatus[] {
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
  const place = new Map(store.current.nodes.map(({ spec }, i) => [spec.name, i]))
  const rank = ({ node }: PoolStatus): number => place.get(node) ?? place.size
  const key = ({ database, user, state }: PoolStatus): string => `${database}/${user}/${state}`
  return list.sort((a, b) => rank(a) - rank(b) || (key(a) < key(b) ? -1 : 1))
}

/** Two pools may differ in their purpose alone; retired ones bear it in their name. */
function userOf({ user, purpose }: PoolKey): string {
  return purpose === undefined ? user : `${user} (${purpose})`
}

function nodeList(
  { store, supply: { pools, dedicated } }: Sources,
  poolStatuses: readonly PoolStatus[],
): NodeStatus[] {
  return store.current.nodes.map((node) => {
    const { name, host, port } = node.spec
    const own = poolStatuses.filter((p) => p.node === name)
    const apart = dedicated.places(name)
    return {
      name,
      host,
      port,
      role: node.role,
      health: node.health,
      fenced: node.fenced,
      // What a node said before it went is not known of it now.
      lagMs: node.lagMs === undefined || node.health === 'down' ? null : Math.round(node.lagMs),
      timeline: node.timeline ?? null,
      leases: own.reduce((sum, p) => sum + p.active, apart),
      connections: own.reduce((sum, p) => sum + p.total, apart),
      budget: node.connectionLimit === undefined ? null : pools.budget(name).limit,
      because: node.because,
    }
  })
}

function endpointStatus(
  { store, supply: { pools } }: Sources,
  place: Sources['places'][number],
  clients: readonly ClientStatus[],
): EndpointStatus {
  const { rule } = place.endpoint
  const view: ChoiceView = {
    leases: (node) => leasesOf(pools, node),
    budget: (node) => pools.budget(node).limit,
    random: () => 0,
    // A memory of its own: looking must not move the real one.
    turns: new Turns(),
  }
  const choice = choose(rule, store.current, view)
  // The sentence names the endpoint for the log; here it stands beside its name.
  const chooses =
    'node' in choice ? choice.node : choice.sentence.replace(`endpoint ${rule.name}: `, '')
  const balanced = 'node' in choice && choice.why === 'balanced'
  return {
    name: rule.name,
    kind: rule.kind,
    address: place.door.addresses.map(addressText).join(', ') || 'by name only',
    clients: clients.filter((c) => c.endpoint === rule.name).length,
    chooses: balanced ? `several readers (${rule.balance})` : chooses,
  }
}

function addressText(address: Address): string {
  return 'path' in address ? address.path : `${address.host}:${address.port}`
}
