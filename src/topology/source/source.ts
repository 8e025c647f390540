/**
 * Where the list of nodes comes from, as one small interface with one file for each kind. Rule: a
 * source says which nodes there are and where; it never says what they are. Whom it calls leader is
 * only a reason to probe at once: roles come from the nodes' own answers, whoever claims otherwise.
 */
import type { NodeSpec } from '../topology.ts'

export const SOURCE_KINDS = ['static', 'patroni', 'dns', 'aurora'] as const
export type SourceKind = (typeof SOURCE_KINDS)[number]

/** One answer of a source. */
export interface Listing {
  /** Never empty: whoever has no node to name rejects instead. */
  readonly nodes: readonly NodeSpec[]
  /** Name of the node it takes for the writer, where it has an opinion. */
  readonly leader?: string | undefined
  /** Who answered, for the log: a URL, a resolver, a host. */
  readonly from: string
}

export interface Source {
  readonly kind: SourceKind
  /** Where it asks, for people: `http://10.0.0.11:8008, http://10.0.0.12:8008`. */
  readonly place: string
  /**
   * Asks once. Rejects when there is no answer or none that names a node.
   *
   * @param signal aborted when nobody waits for the answer any more
   */
  list(signal: AbortSignal): Promise<Listing>
  /** Lets go of what it holds open. */
  close(): Promise<void>
}
