/**
 * One report out of those of several workers. Rule: what can be added is added, a wait is the longest
 * there is; nothing is averaged.
 */
import type { ClientsStatus, PoolStatus } from '../../admin/snapshot.ts'
import { type MetricsSnapshot, merge } from '../../metrics/snapshot.ts'
import type { PlaneReport } from '../planes.ts'

export function mergeReports(reports: readonly PlaneReport[]): PlaneReport {
  const endpoints: Record<string, { clients: number; address: string }> = {}
  for (const [name, { clients, address }] of reports.flatMap((r) => Object.entries(r.endpoints))) {
    const known = endpoints[name]
    endpoints[name] = {
      clients: (known?.clients ?? 0) + clients,
      address: known?.address ?? address,
    }
  }
  return {
    pools: mergePools(reports.flatMap((r) => r.pools)),
    dedicated: sums(reports.map((r) => r.dedicated)),
    budgets: sums(reports.map((r) => r.budgets)),
    endpoints,
    clients: reports.map((r) => r.clients).reduce(bothClients, NO_CLIENTS),
    pins: sums(reports.map((r) => r.pins)),
    certificates: earliest(reports.map((r) => r.certificates)),
  }
}

const NO_CLIENTS: ClientsStatus = {
  total: 0,
  active: 0,
  waiting: 0,
  heldBytes: 0,
  pinned: 0,
  byState: {},
}

function bothClients(a: ClientsStatus, b: ClientsStatus): ClientsStatus {
  return {
    total: a.total + b.total,
    active: a.active + b.active,
    waiting: a.waiting + b.waiting,
    heldBytes: a.heldBytes + b.heldBytes,
    pinned: a.pinned + b.pinned,
    byState: sums([a.byState, b.byState]),
  }
}

function mergePools(pools: readonly PoolStatus[]): PoolStatus[] {
  const byName = new Map<string, PoolStatus>()
  for (const pool of pools) {
    const key = JSON.stringify([pool.node, pool.database, pool.user, pool.state])
    const other = byName.get(key)
    byName.set(key, other === undefined ? pool : bothPools(other, pool))
  }
  return [...byName.values()]
}

function bothPools(a: PoolStatus, b: PoolStatus): PoolStatus {
  return {
    ...a,
    total: a.total + b.total,
    idle: a.idle + b.idle,
    active: a.active + b.active,
    waiting: a.waiting + b.waiting,
    opening: a.opening + b.opening,
    maximum: a.maximum + b.maximum,
    longestWaitMs: Math.max(a.longestWaitMs, b.longestWaitMs),
  }
}

export function sums(tables: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const all = new Map<string, number>()
  for (const [name, n] of tables.flatMap((t) => Object.entries(t))) {
    all.set(name, (all.get(name) ?? 0) + n)
  }
  return Object.fromEntries(all)
}

/** Fields of counters that say how things are now; what a gone worker counted of them is over. */
const NOW = {
  endpoints: ['clients', 'clientsTls', 'listening'],
  nodes: ['tls', 'inTransaction', 'pinned'],
  general: ['listeners', 'listenedChannels'],
} as const

/** What stays of the counters of a worker that is gone. */
export function outlasting(counted: MetricsSnapshot): MetricsSnapshot {
  const without = <T extends object>(counts: T, fields: readonly string[]): T =>
    ({ ...counts, ...Object.fromEntries(fields.map((field) => [field, 0])) }) as T
  const each = <T extends object>(table: Readonly<Record<string, T>>, fields: readonly string[]) =>
    Object.fromEntries(Object.entries(table).map(([name, c]) => [name, without(c, fields)]))
  return {
    endpoints: each(counted.endpoints, NOW.endpoints),
    nodes: each(counted.nodes, NOW.nodes),
    general: without(counted.general, NOW.general),
  }
}

export function mergeCounted(all: readonly MetricsSnapshot[]): MetricsSnapshot {
  return all.reduce(merge)
}

/** A worker that still shows an older certificate must be seen. */
function earliest(ends: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const all: Record<string, number> = {}
  for (const [file, at] of ends.flatMap((one) => Object.entries(one))) {
    all[file] = Math.min(all[file] ?? at, at)
  }
  return all
}
