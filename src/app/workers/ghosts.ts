/**
 * What a killed worker leaves behind: server connections whose backends may go on for a while, as
 * one does that is in the middle of a statement. Rule: its part of a node's allowance is given to
 * nobody until the node itself says that those backends are gone.
 */
import type { Duplex } from 'node:stream'
import pg from 'pg'
import type { Clock } from '../../core/clock.ts'
import type { NodeSpec } from '../../topology/topology.ts'

export interface GhostsParts {
  readonly clock: Clock
  /** A connection that `connect` logs in by itself. */
  readonly stream: (node: NodeSpec) => Duplex
  /** Undefined for a node that is no longer one of ours. */
  readonly node: (name: string) => NodeSpec | undefined
}

/** Between two questions to the node (ms). */
const ASK_MS = 100
/** What was being opened when the worker died, and nobody heard of, is gone by then (ms). */
const UNHEARD_MS = 500

export class Ghosts {
  #parts: GhostsParts
  #stopped = false

  constructor(parts: GhostsParts) {
    this.#parts = parts
  }

  /** Resolves when none of these backends is left on the node, or the node is none of ours. */
  async gone(node: string, backends: ReadonlySet<number>): Promise<void> {
    await this.#moment(UNHEARD_MS)
    while (!this.#stopped) {
      const spec = this.#parts.node(node)
      if (spec === undefined) return
      const left = await this.#left(spec, [...backends]).catch(() => undefined)
      if (left === 0) return
      await this.#moment(ASK_MS)
    }
  }

  stop(): void {
    this.#stopped = true
  }

  async #left(spec: NodeSpec, backends: number[]): Promise<number> {
    const client = new pg.Client({
      stream: () => this.#parts.stream(spec),
      ...{ ssl: false, connectionTimeoutMillis: 2_000, query_timeout: 2_000 },
    })
    client.on('error', () => {})
    try {
      await client.connect()
      const { rows } = await client.query<{ n: number }>(
        'select count(*)::int as n from pg_catalog.pg_stat_activity where pid = any($1::int[])',
        [backends],
      )
      return rows[0]?.n ?? 0
    } finally {
      await client.end().catch(() => {})
    }
  }

  #moment(ms: number): Promise<void> {
    return new Promise((resolve) => this.#parts.clock.after(ms, resolve))
  }
}
