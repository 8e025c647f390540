/**
 * How a catalogue row gets its numbers: from the summed snapshot of the data plane or from the
 * control plane's sample. Rule: readers are pure and look at nothing else.
 */
import type { LatencyCounts } from './buckets.ts'
import type { ControlSample, NodeSample, PoolSample, WorkerSample } from './control-sample.ts'
import type { EndpointCounts, GeneralCounts, MetricsSnapshot, NodeCounts } from './snapshot.ts'

export interface Source {
  readonly counted: MetricsSnapshot
  readonly control: ControlSample
}

/** One series at one moment; a histogram's value is its buckets. */
export interface Reading {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number | LatencyCounts
}

export type Reader = (source: Source) => Reading[]
type Value = number | LatencyCounts | undefined

export function perEndpoint(pick: (counts: EndpointCounts) => Value): Reader {
  return ({ counted }) =>
    Object.entries(counted.endpoints).flatMap(([endpoint, c]) => one({ endpoint }, pick(c)))
}

export function perEndpointReason(
  pick: (counts: EndpointCounts) => Readonly<Record<string, number>>,
  label = 'reason',
): Reader {
  return ({ counted }) =>
    Object.entries(counted.endpoints).flatMap(([endpoint, c]) =>
      Object.entries(pick(c)).flatMap(([reason, n]) => one({ endpoint, [label]: reason }, n)),
    )
}

export function perNode(pick: (counts: NodeCounts) => Value): Reader {
  return ({ counted }) =>
    Object.entries(counted.nodes).flatMap(([node, c]) => one({ node }, pick(c)))
}

export function perNodeReason(
  pick: (counts: NodeCounts) => Readonly<Record<string, number>>,
): Reader {
  return ({ counted }) =>
    Object.entries(counted.nodes).flatMap(([node, c]) =>
      Object.entries(pick(c)).flatMap(([reason, n]) => one({ node, reason }, n)),
    )
}

/** A property of a node as the control plane sees it; undefined leaves the series out. */
export function perKnownNode(pick: (node: NodeSample) => Value): Reader {
  return ({ control }) => control.nodes.flatMap((n) => one({ node: n.name }, pick(n)))
}

/** The sum over the pools of each node; a node without pools reads 0. */
export function poolsOfNode(pick: (pool: PoolSample) => number): Reader {
  return ({ control }) => {
    const sums = new Map(control.nodes.map((n) => [n.name, 0]))
    for (const pool of control.pools) {
      sums.set(pool.node, (sums.get(pool.node) ?? 0) + pick(pool))
    }
    return [...sums].flatMap(([node, sum]) => one({ node }, sum))
  }
}

export function perPool(pick: (pool: PoolSample) => number): Reader {
  return ({ control }) => together(control.pools).flatMap((p) => one(poolLabels(p), pick(p)))
}

/** Each process that serves clients. */
export function perWorker(pick: (worker: WorkerSample) => number): Reader {
  return ({ control }) => control.workers.flatMap((w) => one({ worker: String(w.number) }, pick(w)))
}

/** Each pool once per state, so that a graph can stack them. */
export const poolStates: Reader = ({ control }) =>
  together(control.pools).flatMap((p) => [
    { labels: { ...poolLabels(p), state: 'active' }, value: p.active },
    { labels: { ...poolLabels(p), state: 'idle' }, value: p.idle },
    { labels: { ...poolLabels(p), state: 'opening' }, value: p.opening },
  ])

/** Each node once per role, 1 for the one it has. */
export const nodeRoles: Reader = ({ control }) =>
  control.nodes.flatMap((n) =>
    (['writer', 'reader', 'unknown'] as const).map((role) => ({
      labels: { node: n.name, role },
      value: n.role === role ? 1 : 0,
    })),
  )

/** 1 while whoever names the nodes answers. */
export const sourceUp: Reader = ({ control: { source } }) =>
  one({ kind: source.kind }, source.ok === true ? 1 : 0)

/** Seconds since 1970, as Prometheus has moments. */
export const certificateExpiry: Reader = ({ control: { certificates = {} } }) =>
  Object.entries(certificates).flatMap(([file, at]) => one({ file }, at / 1_000))

/** 100 while a node of the role answers, else 0; AWS averages it over a minute, so may a query. */
export const availability: Reader = ({ control }) =>
  (['writer', 'reader'] as const).map((role) => ({
    labels: { role },
    value: control.nodes.some((n) => n.role === role && n.health === 'up') ? 100 : 0,
  }))

/** What belongs to no endpoint and no node, counted or timed by `label`. */
export function countedBy(
  label: string,
  pick: (counts: GeneralCounts) => Readonly<Record<string, number | LatencyCounts>>,
): Reader {
  return ({ counted }) =>
    Object.entries(pick(counted.general)).flatMap(([key, n]) => one({ [label]: key }, n))
}

export function single(pick: (source: Source) => Value): Reader {
  return (source) => one({}, pick(source))
}

/**
 * A retired pool is there beside its successor until its last member is back. Both bear the same
 * labels, and a series may appear only once.
 */
function together(pools: readonly PoolSample[]): readonly PoolSample[] {
  const byName = new Map<string, PoolSample>()
  for (const pool of pools) {
    const key = JSON.stringify(poolLabels(pool))
    const other = byName.get(key)
    byName.set(key, other === undefined ? pool : both(other, pool))
  }
  return [...byName.values()]
}

function both(a: PoolSample, b: PoolSample): PoolSample {
  return {
    node: a.node,
    database: a.database,
    user: a.user,
    total: a.total + b.total,
    idle: a.idle + b.idle,
    active: a.active + b.active,
    waiting: a.waiting + b.waiting,
    opening: a.opening + b.opening,
    maximum: Math.max(a.maximum, b.maximum),
    longestWaitMs: Math.max(a.longestWaitMs, b.longestWaitMs),
  }
}

function poolLabels(pool: PoolSample): Record<string, string> {
  return { node: pool.node, database: pool.database, user: pool.user }
}

function one(labels: Record<string, string>, value: Value): Reading[] {
  return value === undefined ? [] : [{ labels, value }]
}
