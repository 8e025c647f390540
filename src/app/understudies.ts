/**
 * Understudies: while the writer is away, every reader that may be the next one has a few connections
 * for each of its pools, logged in and idle, so that the first borrow after a promotion need not wait
 * for a login. Rule: they are opened out of places that lie free, never more than one burst of
 * openings, and are ordinary members of the reader's pool: unused ones are trimmed like all others.
 */

import type { Member } from '../pool/member.ts'
import type { PoolKey, PoolSet } from '../pool/pools.ts'
import type { Topology } from '../topology/topology.ts'

export interface UnderstudiesParts<M extends Member> {
  readonly pools: PoolSet<M>
  /** As many are opened for each pool, if its writer had so many. */
  readonly most: number
}

/**
 * Opens them when the writer has just gone. To be called before its pools are retired, because they
 * tell who will want to write.
 */
export function prepareUnderstudies<M extends Member>(
  now: Topology,
  before: Topology,
  { pools, most }: UnderstudiesParts<M>,
): void {
  const writer = before.nodes.find((n) => n.role === 'writer' && n.health !== 'down')?.spec.name
  const gone = now.nodes.some((n) => n.spec.name === writer && n.health === 'down')
  if (writer === undefined || !gone || now.nodes.some(isWriter)) return
  const wanted: [PoolKey, number][] = []
  pools.forEach((pool, key) => {
    if (key?.node !== writer || key.purpose !== undefined) return
    const { total, opening, waiting } = pool.stats()
    const count = Math.min(most, Math.max(total + opening, waiting))
    if (count > 0) wanted.push([key, count])
  })
  for (const { spec, role, health } of now.nodes) {
    if (role !== 'reader' || health !== 'up') continue
    for (const [key, count] of wanted) {
      const pool = pools.get({ ...key, node: spec.name })
      const { idle, opening } = pool.stats()
      pool.stock(count - idle - opening)
    }
  }
}

function isWriter({ role, health }: Topology['nodes'][number]): boolean {
  return role === 'writer' && health !== 'down'
}
