/**
 * Who is the writer, when each node only says what it thinks of itself. Rule: a node is writer only
 * if it claims to be and nobody is known to have been further; timelines decide, because every
 * promotion starts a higher one. Claimants that lose are down, and fenced when they are heard to
 * claim it nevertheless: whoever was frozen or cut off before the promotion is only down.
 */
import type { ObservedNode, ObservedTopology } from './observed.ts'

/**
 * The same topology with the role of writer given to the one node that deserves it, or to none.
 *
 * @param at wall-clock milliseconds; a new writer's trail begins there.
 * @param heard the node whose answer this is about, if it is about one
 */
export function elect(
  topology: ObservedTopology,
  at: number,
  heard: string | undefined,
): ObservedTopology {
  const claimants = topology.nodes.filter(claims)
  if (claimants.length === 0) return topology
  // Before the first writer is named everybody must have been heard or have failed once: an old
  // writer that happens to answer first must not get the writes meant for the new one.
  if (topology.writerTimeline === undefined && topology.nodes.some((n) => n.health === 'unknown')) {
    return topology
  }
  const furthest = topology.nodes.reduce(
    (most, node) => Math.max(most, node.timeline ?? 0),
    topology.writerTimeline ?? 0,
  )
  const best = claimants.reduce((a, b) => (beats(b, a) ? b : a))
  const winner = timelineOf(best, furthest) >= furthest ? best : undefined
  const nodes = topology.nodes.map((node) => {
    if (node === winner) return { ...node, role: 'writer' as const, fenced: false }
    if (claims(node)) {
      // Its last answer may be from before there was a rival: it is fenced when it answers so again.
      const fenced = node.fenced || node.spec.name === heard
      return { ...node, role: 'unknown' as const, health: 'down' as const, fenced }
    }
    if (node.role === 'writer' && winner !== undefined) return { ...node, role: 'unknown' as const }
    return node
  })
  if (winner === undefined) return { ...topology, nodes }
  const moved = winner.role !== 'writer'
  return {
    ...topology,
    nodes,
    writerTimeline: furthest,
    trail: !moved ? topology.trail : winner.lsn === undefined ? [] : [{ at, lsn: winner.lsn }],
  }
}

/** A writer that merely missed a probe still stands; one that is down does not. */
function claims(node: ObservedNode): boolean {
  if (node.claim !== 'writer') return false
  return node.answering || (node.role === 'writer' && node.health !== 'down')
}

/** A claimant that cannot tell its timeline is taken at its word. */
function timelineOf(node: ObservedNode, furthest: number): number {
  return node.timeline ?? furthest
}

function beats(challenger: ObservedNode, holder: ObservedNode): boolean {
  const a = challenger.timeline ?? 0
  const b = holder.timeline ?? 0
  if (a !== b) return a > b
  return challenger.role === 'writer' && holder.role !== 'writer'
}
