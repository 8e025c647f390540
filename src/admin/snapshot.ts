/**
 * What the admin room may see: one read-only value, given by the composition root (what it may do is
 * in `orders.ts`). Rule: everything here is plain JSON (null, never undefined), because
 * `/status` is this value as it stands, and programs read it.
 */
import type { PauseStatus } from './orders.ts'

export interface NodeStatus {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly role: 'writer' | 'reader' | 'unknown'
  readonly health: 'unknown' | 'up' | 'suspect' | 'down'
  /** It takes writes though another node is the writer, and gets no client: somebody must look at it. */
  readonly fenced: boolean
  /** How far a reader is behind; 0 on a writer; null when not known, as of a node that is down. */
  readonly lagMs: number | null
  readonly timeline: number | null
  /** Server connections lent to sessions now. */
  readonly leases: number
  /** Server connections open now. */
  readonly connections: number
  /** How many may be open, all pools of the node together; null until the node was asked. */
  readonly budget: number | null
  /** One sentence: the last change of role or health, and why it came. */
  readonly because: string
}

/** Where the list of nodes comes from. */
export interface SourceStatus {
  readonly kind: 'static' | 'patroni' | 'dns' | 'aurora'
  /** Whom it asks. */
  readonly place: string
  /** Whether it answered when it was last asked; null before the first answer. */
  readonly ok: boolean | null
  /** One sentence: what it said, or why it did not. */
  readonly because: string
  /** Wall-clock milliseconds since when it answers, or does not. */
  readonly since: number
}

/** A process that serves clients. */
export interface WorkerStatus {
  /** Unlike that of any other that lives; 0 when Weir is one process. */
  readonly number: number
  readonly pid: number
  /** Wall-clock milliseconds since when it serves. */
  readonly since: number
  /** `leaving`: takes no new clients and stays until its last one has left. */
  readonly state: 'starting' | 'serving' | 'leaving'
  readonly clients: number
  /** User and system, since its start. */
  readonly cpuSeconds: number
  readonly memoryBytes: number
}

export interface EndpointStatus {
  readonly name: string
  readonly kind: 'writer' | 'reader' | 'custom' | 'instance'
  /** `127.0.0.1:6432`. */
  readonly address: string
  /** Client sessions open now. */
  readonly clients: number
  /** The node a new session would get, or a sentence why there is none or no single one. */
  readonly chooses: string
}

export interface PoolStatus {
  readonly node: string
  readonly database: string
  readonly user: string
  /** `retired`: lends no more and is shown until its last server connection is back. */
  readonly state: 'serving' | 'paused' | 'draining' | 'retired' | 'closed'
  /** Open server connections: idle, active and those being cleaned. */
  readonly total: number
  readonly idle: number
  /** Lent now. */
  readonly active: number
  /** Sessions waiting for a lease. */
  readonly waiting: number
  /** Logins under way. */
  readonly opening: number
  readonly maximum: number
  /** How long the first in the queue has waited; 0 when nobody waits. */
  readonly longestWaitMs: number
}

export interface ClientsStatus {
  readonly total: number
  /** Holding a lease, alone or with others. */
  readonly active: number
  readonly waiting: number
  /** Bytes they sent on while they wait. */
  readonly heldBytes: number
  readonly pinned: number
  /** Every state of the client session machine that is occupied. */
  readonly byState: Readonly<Record<string, number>>
}

/** One client session, as `/clients` lists it. */
export interface ClientStatus {
  readonly id: number
  readonly endpoint: string
  readonly user: string
  readonly database: string
  readonly state: string
  /** Node of the lease it holds, or of the reader it keeps. */
  readonly node: string | null
  readonly pins: readonly string[]
  /** What it listens to through the shared listener. */
  readonly channels: readonly string[]
  /** Milliseconds it has been waiting for a lease; null when it is not. */
  readonly waitedMs: number | null
}

export interface Occurrence {
  /** Wall-clock milliseconds. */
  readonly at: number
  /** One sentence for a person. */
  readonly text: string
}

/** One change of writer. Times are wall-clock milliseconds with a fraction. */
export interface FailoverStatus {
  /** Counts from 1 since the start. */
  readonly number: number
  /** The writer before and after. */
  readonly from: string
  readonly to: string
  /**
   * When each step was reached; a step that nobody saw is left out. `fault` is the last sign of life
   * of the old writer, so trouble began after it; `promoted` is when the new one began to take
   * writes, or was first seen to.
   */
  readonly timeline: Readonly<
    Partial<
      Record<
        | 'fault'
        | 'suspected'
        | 'down'
        | 'promoted'
        | 'observed'
        | 'retired'
        | 'first-borrow'
        | 'first-reply',
        number
      >
    >
  >
  /** The last time the new writer said that it still was a reader. */
  readonly promotedNotBefore: number | null
  /** Whether `promoted` is what the new writer told, and not merely its first answer as one. */
  readonly promotedTold: boolean
  /** What clients that lost a server connection were told, by kind. */
  readonly outcomes: Readonly<Record<string, number>>
  /** Most client sessions that waited for a server connection at once. */
  readonly waitingPeak: number
  /** How long no server connection of a writer was lent; null until one is. */
  readonly heldMs: number | null
  /** False while outcomes and waiting clients are still counted for it. */
  readonly over: boolean
}

export interface StatusSnapshot {
  readonly version: string
  /** Wall-clock milliseconds. */
  readonly startedAt: number
  readonly uptimeMs: number
  readonly epoch: number
  readonly source: SourceStatus
  readonly workers: readonly WorkerStatus[]
  readonly nodes: readonly NodeStatus[]
  readonly endpoints: readonly EndpointStatus[]
  readonly pools: readonly PoolStatus[]
  readonly clients: ClientsStatus
  /** When each certificate shown to clients ends (ms since 1970), by file. */
  readonly certificates?: Readonly<Record<string, number>>
  /** Pins set since the start, by reason. */
  readonly pins: readonly { readonly reason: string; readonly count: number }[]
  /** What an operator has paused. */
  readonly pauses: readonly PauseStatus[]
  /** The newest last. */
  readonly events: readonly Occurrence[]
  /** The last changes of writer, the newest last. */
  readonly failovers: readonly FailoverStatus[]
}

export interface Readiness {
  readonly ready: boolean
  /** One sentence, ready or not. */
  readonly why: string
}
