/**
 * What topology asks of a protocol: look at one node and say what it is. Rule: a probe never
 * rejects and never throws; whatever goes wrong is a `ProbeFailure` with one of four kinds, so that
 * this room knows no error code of any protocol.
 */
import type { NodeSpec } from './topology.ts'

/** The node answered and said what it is. */
export interface ProbeAnswer {
  readonly ok: true
  /** True on a reader, false on a node that takes writes. */
  readonly inRecovery: boolean
  readonly timeline: number | undefined
  /** Bytes written (writer) or replayed (reader). */
  readonly lsn: bigint | undefined
  /** Reader: bytes received and flushed, replayed or not. */
  readonly receivedLsn: bigint | undefined
  /** Reader: whether it is receiving right now; undefined when the role may not see it. */
  readonly streaming: boolean | undefined
  /** Reader: milliseconds since the commit time of the last transaction it replayed. */
  readonly replayAgeMs: number | undefined
  readonly connectionLimit: number | undefined
  readonly versionNum: number | undefined
  /** Milliseconds since which the position may be no older, where that is not `responseMs`. */
  readonly positionMs?: number
  /** Milliseconds the question took, without the time for opening a connection. */
  readonly responseMs: number
}

/**
 * - `refused`: nobody listens there; the surest sign of death there is.
 * - `timeout`: no answer in time (frozen, cut off, overloaded).
 * - `busy`: it answers, but not us: it has no connection left, refuses our login, or answers clients
 *   and not our question. Alive, so never a reason for `down`: a rotated password is no outage.
 * - `other`: starting up, shutting down, connection torn.
 */
export type FailureKind = 'refused' | 'timeout' | 'busy' | 'other'

export interface ProbeFailure {
  readonly ok: false
  readonly kind: FailureKind
  /** Plain words that complete "node-1 is down: ...". */
  readonly why: string
}

export type ProbeResult = ProbeAnswer | ProbeFailure

export type PromotionAnswer =
  | { readonly promoted: false }
  | {
      readonly promoted: true
      readonly timeline: number | undefined
      /** Bytes written, as of no more than `positionMs` ago. */
      readonly lsn: bigint | undefined
      readonly positionMs: number
    }

export interface Probe {
  /**
   * Looks at one node. When `signal` aborts, the work is dropped at once and its connection
   * destroyed: a new probe of the same node may begin in the same turn.
   */
  probe(node: NodeSpec, signal: AbortSignal): Promise<ProbeResult>
  /**
   * A way to wait on a reader for the moment in which it takes writes; left out by who knows none.
   * Each call resolves as soon as the node was promoted, or when a moment has passed; with undefined
   * when it cannot be waited on now. Never rejects. The node looks at itself every `stepMs`; all
   * ends when `signal` aborts.
   */
  promotionWait?(
    node: NodeSpec,
    signal: AbortSignal,
  ): (stepMs: number) => Promise<PromotionAnswer | undefined>
  /** Calls `listener` when a kept connection is lost while nobody was asking: a passive sign. */
  onLost(listener: (node: string, why: string) => void): void
  /** Lets go of what is kept for a node that is no longer watched. */
  forget(node: string): void
  close(): Promise<void>
}
