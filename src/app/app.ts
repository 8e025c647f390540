/** What a running Weir is to whoever started it. Rule: the same in one process and in several. */
import type { Admin } from '../admin/http.ts'
import type { Readiness, StatusSnapshot } from '../admin/snapshot.ts'
import type { Settings } from '../config/settings.ts'
import type { Clock } from '../core/clock.ts'
import type { Log } from '../core/log.ts'
import type { Address } from '../net/network.ts'

export interface AppOptions {
  readonly settings: Settings
  readonly log: Log
  readonly version: string
  readonly clock?: Clock
  /** How long a stop waits for transactions to end (ms). Default 5000. */
  readonly graceMs?: number
  /** The program of a worker (calls `runWorker`). Without one Weir is one process. */
  readonly workerProgram?: string
}

/** A running proxy. */
export interface App {
  readonly endpoints: readonly { readonly name: string; readonly addresses: readonly Address[] }[]
  readonly admin: Admin | undefined
  snapshot(): StatusSnapshot
  ready(): Readiness
  /** Resolves when a writer is known, or rejects after `withinMs`. */
  whenReady(withinMs: number): Promise<void>
  /**
   * Takes other settings over, as far as that goes without a restart; says in the log what was taken
   * over and what was not. Rejects when nothing was.
   */
  reload(settings: Settings): Promise<void>
  /** Ends client sessions at their next boundary, then everything. */
  stop(): Promise<void>
}
