/**
 * Whether a node may serve at all. Rule: one question, one function; what is not known counts
 * against a node only where the endpoint set a limit that it might break.
 */
import type { NodeState, Topology } from '../topology/topology.ts'
import type { CustomType } from './endpoint.ts'

/** Up, or merely suspect. */
export function isServing(node: NodeState): boolean {
  return node.health === 'up' || node.health === 'suspect'
}

/** Nodes whose present role fits; a node of unknown role fits nowhere. */
export function withRole(topology: Topology, type: CustomType): readonly NodeState[] {
  switch (type) {
    case 'READER':
      return topology.nodes.filter((n) => n.role === 'reader')
    case 'WRITER':
      return topology.nodes.filter((n) => n.role === 'writer')
    case 'ANY':
      return topology.nodes.filter((n) => n.role !== 'unknown')
    default:
      return type satisfies never
  }
}

/** Not further behind than the limit; a reader whose lag nobody knows is not trusted with one. */
export function isFresh(node: NodeState, maxLagMs: number | undefined): boolean {
  if (maxLagMs === undefined || node.role === 'writer') return true
  return node.lagMs !== undefined && node.lagMs <= maxLagMs
}

/** Has replayed at least up to `seenLsn`; a writer always has. */
export function isPast(node: NodeState, seenLsn: bigint | undefined): boolean {
  if (seenLsn === undefined || node.role === 'writer') return true
  return node.lsn !== undefined && node.lsn >= seenLsn
}
