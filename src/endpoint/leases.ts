/** How busy a node is, as far as this Weir keeps it so. */
import type { Member } from '../pool/member.ts'
import type { PoolSet } from '../pool/pools.ts'

/**
 * Leases out on a node and those waited for: in a burst a node whose first connections are still
 * being opened would look free, and get everybody.
 */
export function leasesOf<M extends Member>(pools: PoolSet<M>, node: string): number {
  let sum = 0
  for (const pool of pools.ofNode(node)) {
    const { leased, waiting } = pool.stats()
    sum += leased + waiting
  }
  return sum
}
