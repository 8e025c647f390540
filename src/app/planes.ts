/**
 * The seam between the control plane and its data planes: what the one may ask and order of the
 * others, all of it plain data. Rule: with one process behind it every answer is of this moment and
 * costs a call; with several, figures are as fresh as the last `refresh`, and orders arrive at each
 * process in the order in which they were given.
 */
import type { InTheWay, PauseTarget } from '../admin/orders.ts'
import type { ClientStatus, ClientsStatus, PoolStatus, WorkerStatus } from '../admin/snapshot.ts'
import type { MetricsSnapshot } from '../metrics/snapshot.ts'
import type { PausedFor } from '../pool/pools.ts'

/** What data planes look like, all together. */
export interface PlaneReport {
  readonly pools: readonly PoolStatus[]
  /** Server connections that serve one client each, by node. */
  readonly dedicated: Readonly<Record<string, number>>
  /** How many server connections there may be, by node. */
  readonly budgets: Readonly<Record<string, number>>
  /** Of each endpoint: its clients, and where it listens. */
  readonly endpoints: Readonly<Record<string, { clients: number; address: string }>>
  readonly clients: ClientsStatus
  /** Pins set since the start, by reason. */
  readonly pins: Readonly<Record<string, number>>
  /** When each certificate shown to clients ends (ms since 1970), by file. */
  readonly certificates: Readonly<Record<string, number>>
}

/** What a process has used. */
export interface Usage {
  readonly cpuSeconds: number
  readonly memoryBytes: number
}

/** Told of the first grant and the first answer of a new writer. Monotonic milliseconds. */
export interface GrantEvents {
  borrowed(at: number): void
  replied(at: number): void
}

export interface Planes {
  /** Brings the figures below up to date; undefined where they always are. Never rejects. */
  refresh(): Promise<void> | undefined
  /** Brings `report` and `counted` up to date as well. */
  refreshWhole(): Promise<void> | undefined
  /** Server connections that are lent: of a node, or to the sessions of one endpoint or of all. */
  lent(target: PauseTarget): number
  /** How many wait for a server connection, of one endpoint or of all. */
  waiting(endpoint: string | undefined): number
  /** Client sessions that wait for a server connection, at no gate counted twice. */
  waitingSessions(): number
  /** Whether everybody who listens is heard. */
  listening(): boolean
  /** What became of sessions that lost their server, since the start. */
  outcomes(): Readonly<Record<string, number>>
  /** When a node last answered a client (monotonic); 0: never. */
  lastAnswerOf(node: string): number
  report(): PlaneReport
  /** Everything counted so far, and what is alive now. */
  counted(): MetricsSnapshot
  /** One entry for each process that serves clients. */
  workers(): readonly WorkerStatus[]

  /** Up to `most` sessions that have something lent. */
  inTheWay(target: PauseTarget, most: number): readonly InTheWay[] | Promise<readonly InTheWay[]>
  clients(): readonly ClientStatus[] | Promise<readonly ClientStatus[]>

  pauseNode(node: string, whom?: PausedFor): void
  resumeNode(node: string): void
  /** From now on the gates of these endpoints are closed and all others open. */
  closeGates(endpoints: readonly string[]): void
  /** Tells of the next grant and answer of `node` to a client of a writer's endpoint. */
  watchGrants(node: string, events: GrantEvents): void
  unwatchGrants(): void
}
