/**
 * What the running proxy looks like at one moment, as plain data for status page, console and
 * metrics: what the control plane knows, and what its data planes say of themselves. Rule: reads
 * everything, changes nothing.
 */
import type { PauseStatus } from '../admin/orders.ts'
import type {
  EndpointStatus,
  FailoverStatus,
  NodeStatus,
  Occurrence,
  PoolStatus,
  StatusSnapshot,
  WorkerStatus,
} from '../admin/snapshot.ts'
import type { Clock } from '../core/clock.ts'
import { Turns } from '../endpoint/balance.ts'
import { type ChoiceView, choose } from '../endpoint/choose.ts'
import type { EndpointRule } from '../endpoint/endpoint.ts'
import type { SourceState } from '../topology/source/source-watch.ts'
import type { TopologyStore } from '../topology/store.ts'
import type { PlaneReport } from './planes.ts'

export interface Sources {
  readonly version: string
  readonly startedAt: number
  readonly clock: Clock
  readonly store: TopologyStore
  readonly source: SourceState
  readonly events: readonly Occurrence[]
  readonly failovers: { list(): readonly FailoverStatus[] }
  readonly pauses: { list(): readonly PauseStatus[] }
  readonly endpoints: readonly EndpointRule[]
  readonly report: PlaneReport
  readonly workers: readonly WorkerStatus[]
}

export function appSnapshot(from: Sources): StatusSnapshot {
  const { report, store } = from
  const pools = inOrder(report.pools, store)
  return {
    version: from.version,
    startedAt: from.startedAt,
    uptimeMs: from.clock.wall() - from.startedAt,
    epoch: store.current.epoch,
    source: { ...from.source, ok: from.source.ok ?? null },
    workers: from.workers,
    nodes: nodeList(from, pools),
    endpoints: from.endpoints.map((rule) => endpointStatus(from, rule)),
    pools,
    clients: report.clients,
    certificates: report.certificates,
    pins: Object.entries(report.pins)
      .filter(([, count]) => count > 0)
      .map(([reason, count]) => ({ reason, count })),
    pauses: from.pauses.list(),
    events: from.events,
    failovers: from.failovers.list(),
  }
}

/** By node as they are configured, so that a list that is looked at again has not moved. */
function inOrder(pools: readonly PoolStatus[], { current }: TopologyStore): PoolStatus[] {
  const place = new Map(current.nodes.map(({ spec }, i) => [spec.name, i]))
  const rank = ({ node }: PoolStatus): number => place.get(node) ?? place.size
  const key = ({ database, user, state }: PoolStatus): string => `${database}/${user}/${state}`
  return [...pools].sort((a, b) => rank(a) - rank(b) || (key(a) < key(b) ? -1 : 1))
}

function nodeList({ store, report }: Sources, pools: readonly PoolStatus[]): NodeStatus[] {
  return store.current.nodes.map((node) => {
    const { name, host, port } = node.spec
    const own = pools.filter((p) => p.node === name)
    const apart = report.dedicated[name] ?? 0
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
      budget: node.connectionLimit === undefined ? null : (report.budgets[name] ?? null),
      because: node.because,
    }
  })
}

function endpointStatus({ store, report }: Sources, rule: EndpointRule): EndpointStatus {
  const view: ChoiceView = {
    leases: (node) =>
      report.pools
        .filter((p) => p.node === node && p.state !== 'retired' && p.state !== 'closed')
        .reduce((sum, p) => sum + p.active + p.waiting, 0),
    budget: (node) => report.budgets[node] ?? 0,
    random: () => 0,
    // A memory of its own: looking must not move the real one.
    turns: new Turns(),
  }
  const choice = choose(rule, store.current, view)
  // The sentence names the endpoint for the log; here it stands beside its name.
  const chooses =
    'node' in choice ? choice.node : choice.sentence.replace(`endpoint ${rule.name}: `, '')
  const balanced = 'node' in choice && choice.why === 'balanced'
  const { clients = 0, address = 'by name only' } = report.endpoints[rule.name] ?? {}
  return {
    name: rule.name,
    kind: rule.kind,
    address,
    clients,
    chooses: balanced ? `several readers (${rule.balance})` : chooses,
  }
}
