/**
 * The nodes of the configuration file. Rule: they are known before anything is asked, so this one
 * answers in the same turn and is asked only once.
 */
import type { NodeSpec } from '../topology.ts'
import type { Listing } from './source.ts'

/** The list as it stands in the file, in that order. */
export function staticListing(nodes: readonly NodeSpec[]): Listing {
  return { nodes, from: 'the configuration' }
}
