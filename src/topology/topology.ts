/**
 * Topology is a value: all nodes with role, health and lag, at one epoch. Rule: it is made only by
 * the pure reducer in `observe.ts`; a new epoch means that role or health of some node changed.
 */
export type Role = 'writer' | 'reader' | 'unknown'

/**
 * - `unknown`: not probed yet.
 * - `up`: answers probes.
 * - `suspect`: a sign of trouble (a failed probe, a hint from the data plane); being probed fast.
 * - `down`: gets no leases.
 */
export type Health = 'unknown' | 'up' | 'suspect' | 'down'

/** Where a node is and what the configuration says of it; never changes while the node exists. */
export interface NodeSpec {
  /** Unique name, `node-1`. */
  readonly name: string
  readonly host: string
  readonly port: number
  /** Directory of the node's Unix socket when it is on this machine; preferred over TCP. */
  readonly socketDirectory?: string | undefined
  /** Relative weight for `roundRobin` and `random`; default 1. */
  readonly weight: number
  /** Reader endpoints leave it out, as its operator has asked for. */
  readonly noReads?: boolean | undefined
}

/** What one node was last seen to be. */
export interface NodeState {
  readonly spec: NodeSpec
  readonly role: Role
  readonly health: Health
  /** Milliseconds a reader is behind; 0 on a writer; undefined when not known. */
  readonly lagMs: number | undefined
  /** Last write-ahead log position as a number of bytes: written (writer) or replayed (reader). */
  readonly lsn: bigint | undefined
  /** Wall-clock milliseconds at which that position was asked for, rounded down: it is no older. */
  readonly positionAt: number | undefined
  readonly timeline: number | undefined
  /** The node's own `max_connections` minus what it reserves for superusers. */
  readonly connectionLimit: number | undefined
  /** Moving round-trip time of probes in milliseconds, for `fastestResponse`. */
  readonly responseMs: number | undefined
  /** It takes writes and must not: another node is, or was, further. Implies `down`. */
  readonly fenced: boolean
  /** `server_version_num`, e.g. 180004. */
  readonly versionNum: number | undefined
  /** One sentence: why role and health are what they are. */
  readonly because: string
  /** Wall-clock milliseconds of the last change of role or health. */
  readonly since: number
}

export interface Topology {
  /** Grows by one with every change of any node's role or health, and when nodes come or go. */
  readonly epoch: number
  /** In configuration order. */
  readonly nodes: readonly NodeState[]
}

/** What a sign of trouble can be; log and metric print these same words. */
export const HINT_KINDS = ['refused', 'reset', 'timeout', 'shutdown', 'read-only'] as const

/**
 * A sign of trouble seen by the data plane on the byte path. It never changes a role by itself: it
 * makes the monitor probe at once.
 */
export interface Hint {
  readonly node: string
  readonly kind: (typeof HINT_KINDS)[number]
  /** Code or SQLSTATE that gave it away, e.g. ECONNREFUSED, 57P01, 25006. */
  readonly sign: string
}
