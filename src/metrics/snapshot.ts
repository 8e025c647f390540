/**
 * The seam between data plane and control plane, counters going up. A worker calls `snapshot()`
 * and sends the result as JSON; the control plane adds what N workers sent with `merge`. Rule:
 * every leaf is a number that may be added, so `merge` needs no knowledge of any single metric and
 * is associative and commutative.
 */
import { LatencyBuckets, type LatencyCounts } from './buckets.ts'
import type { EndpointCounters, GeneralCounters, NodeCounters } from './counters.ts'
import { Histograms } from './histograms.ts'
import { Reasons } from './reasons.ts'

/** A class of counters as plain JSON. */
export type Counts<T> = {
  readonly [K in keyof T]: T[K] extends number
    ? number
    : T[K] extends Reasons
      ? Readonly<Record<string, number>>
      : T[K] extends LatencyBuckets
        ? LatencyCounts
        : T[K] extends Histograms
          ? Readonly<Record<string, LatencyCounts>>
          : never
}

export type EndpointCounts = Counts<EndpointCounters>
export type NodeCounts = Counts<NodeCounters>
export type GeneralCounts = Counts<GeneralCounters>

export interface MetricsSnapshot {
  /** By endpoint name. */
  readonly endpoints: Readonly<Record<string, EndpointCounts>>
  /** By node name. */
  readonly nodes: Readonly<Record<string, NodeCounts>>
  readonly general: GeneralCounts
}

/** The plain copy of one object of counters. */
export function countsOf<T extends object>(counters: T): Counts<T> {
  const out: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(counters)) {
    const several =
      value instanceof Reasons || value instanceof LatencyBuckets || value instanceof Histograms
    out[key] = several ? value.snapshot() : value
  }
  return out as Counts<T>
}

/** The sum of two snapshots; neither is changed. */
export function merge(a: MetricsSnapshot, b: MetricsSnapshot): MetricsSnapshot {
  return add(a, b) as MetricsSnapshot
}

function add(a: unknown, b: unknown): unknown {
  if (a === undefined) return b
  if (b === undefined) return a
  if (typeof a === 'number' && typeof b === 'number') return a + b
  if (Array.isArray(a) && Array.isArray(b)) {
    const longer = a.length >= b.length ? a : b
    return longer.map((_, i) => add(a[i], b[i]))
  }
  if (isTree(a) && isTree(b)) {
    const keys = new Set([...Object.keys(a), ...Object.keys(b)])
    return Object.fromEntries([...keys].map((key) => [key, add(own(a, key), own(b, key))]))
  }
  throw new Error(`BUG: cannot add ${typeof a} and ${typeof b} in a metrics snapshot`)
}

/** A reason or a node may be called `constructor`; only own keys count. */
function own(tree: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(tree, key) ? tree[key] : undefined
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
