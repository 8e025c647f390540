/**
 * How many server connections a pooler under test may have. Rule: every pooler gets the same number,
 * and it leaves room on a node for the instrument's own connections and for a person with psql.
 */

/** More than a pooler needs for a few hundred clients, less than any of them would open by itself. */
const MOST = 60
const LEFT_FREE = 10

/** @param nodeConnections connections one node takes */
export function poolSize(nodeConnections: number): number {
  return Math.max(4, Math.min(MOST, Math.floor((nodeConnections - LEFT_FREE) * 0.6)))
}
