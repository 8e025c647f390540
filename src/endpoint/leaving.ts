/**
 * How far another node must have got before a session that leaves its own may land there. Rule: only
 * positions asked for after the session was last served can cover what it has seen; a position from
 * before may be half a second old in calm times.
 *
 * A writer that serves is ahead of every reader, so its answer alone is enough. Nobody is waited for
 * who may never answer: a node that is away, or one that has been suspect for long and is not down.
 */
import type { NodeState } from '../topology/topology.ts'
import type { Choice } from './choose.ts'
import { isServing } from './eligible.ts'

/** A mark that no reader has passed: for as long as the true one is not known. */
export const NOT_YET = 2n ** 64n

/** A suspect node is down or well again by then; otherwise it is alive and will not have us. */
const SUSPECT_MS = 3_000

/**
 * The furthest log position, in bytes, that nodes which serve are known to have had after `leftAt`;
 * `NOT_YET` until those that could be ahead have answered, undefined where no node tells positions.
 *
 * @param leftAt wall-clock milliseconds from which on the session saw nothing more of its node
 * @param now wall-clock milliseconds
 */
export function markOf(
  nodes: readonly NodeState[],
  leftAt: number,
  now: number,
): bigint | undefined {
  const telling = nodes.filter((node) => isServing(node) && node.lsn !== undefined)
  const awaited = telling.filter(
    (node) => node.health === 'up' || Math.abs(now - node.since) < SUSPECT_MS,
  )
  const writer = awaited.find((node) => node.role === 'writer')
  const ahead = writer === undefined ? awaited : [writer]
  // In a wall clock that was set back nobody would have answered for as long as that.
  const comparable = leftAt <= now
  if (comparable && ahead.some((node) => (node.positionAt ?? -Infinity) <= leftAt)) return NOT_YET
  return telling.reduce<bigint | undefined>(
    (most, { lsn }) => (most === undefined || lsn! > most ? lsn : most),
    undefined,
  )
}

/** Whether a choice made with `NOT_YET` says that the session leaves `node`, or only stands in there. */
export function leaves(choice: Choice, node: string): boolean {
  if (!('node' in choice)) return choice.none === 'behind'
  if (choice.why === 'no-reader') return true
  return choice.node !== node && choice.why !== 'writer' && choice.why !== 'instance'
}
