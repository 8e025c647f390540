/**
 * What the control plane knows at the moment of a scrape and the data plane does not count: which
 * node is what, and how full the pools are. Rule: a subset of the admin room's `StatusSnapshot` by
 * shape, so the composition root passes that one value to both and they can never disagree.
 */
export interface NodeSample {
  readonly name: string
  readonly role: 'writer' | 'reader' | 'unknown'
  readonly health: 'unknown' | 'up' | 'suspect' | 'down'
  readonly lagMs: number | null
  readonly timeline: number | null
  /** Server connections this node may have from us, all pools together; null: not known yet. */
  readonly budget: number | null
}

export interface PoolSample {
  readonly node: string
  readonly database: string
  readonly user: string
  /** Open server connections: idle, active and those being cleaned. */
  readonly total: number
  readonly idle: number
  readonly active: number
  readonly waiting: number
  readonly opening: number
  readonly maximum: number
  readonly longestWaitMs: number
}

export interface WorkerSample {
  readonly number: number
  readonly state: 'starting' | 'serving' | 'leaving'
  readonly clients: number
  readonly cpuSeconds: number
  readonly memoryBytes: number
}

export interface ControlSample {
  readonly version: string
  /** Wall-clock milliseconds. */
  readonly startedAt: number
  readonly epoch: number
  /** Where the nodes come from; `ok` is null before its first answer. */
  readonly source: { readonly kind: string; readonly ok: boolean | null }
  readonly workers: readonly WorkerSample[]
  /** When each certificate shown to clients ends (ms since 1970), by file; default none. */
  readonly certificates?: Readonly<Record<string, number>>
  readonly nodes: readonly NodeSample[]
  readonly pools: readonly PoolSample[]
  readonly clients: {
    /** Sessions that wait for a server connection, whether in a pool's line or for a node. */
    readonly waiting: number
    /** Bytes they sent on meanwhile. */
    readonly heldBytes: number
  }
  /** What an operator has paused. */
  readonly pauses: readonly unknown[]
}
