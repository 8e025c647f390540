/**
 * The seam where control plane and data plane are one process: every question is a look at the plane
 * itself. Rule: nothing here waits and nothing is kept.
 */
import type { InTheWay, PauseTarget } from '../admin/orders.ts'
import type { ClientStatus, WorkerStatus } from '../admin/snapshot.ts'
import type { MetricsSnapshot } from '../metrics/snapshot.ts'
import type { PausedFor } from '../pool/pools.ts'
import type { DataPlane } from './plane.ts'
import {
  clientList,
  lentToSessions,
  planeReport,
  sessionsInTheWay,
  usageNow,
  waitingSessions,
} from './plane-figures.ts'
import type { GrantEvents, PlaneReport, Planes } from './planes.ts'
import { countsNow } from './tally.ts'

export class OnePlane implements Planes {
  #find: () => DataPlane
  #since: number

  /** @param plane made later than this, because the control plane is told of changes before it */
  constructor(plane: () => DataPlane, since: number) {
    this.#find = plane
    this.#since = since
  }

  get #plane(): DataPlane {
    return this.#find()
  }

  refresh(): undefined {}

  refreshWhole(): undefined {}

  lent(target: PauseTarget): number {
    const { supply, sessions } = this.#plane
    return target.node === undefined ? lentToSessions(sessions, target) : supply.lent(target.node)
  }

  waiting(endpoint: string | undefined): number {
    return this.#plane.waiting(endpoint)
  }

  waitingSessions(): number {
    return waitingSessions(this.#plane.sessions)
  }

  listening(): boolean {
    return this.#plane.listening
  }

  outcomes(): Record<string, number> {
    return this.#plane.metrics.outcomes()
  }

  lastAnswerOf(node: string): number {
    return this.#plane.metrics.node(node).response.lastAt
  }

  report(): PlaneReport {
    return planeReport(this.#plane)
  }

  counted(): MetricsSnapshot {
    const { metrics, sessions, servers } = this.#plane
    return countsNow(metrics, sessions, servers.live)
  }

  workers(): WorkerStatus[] {
    const clients = this.#plane.sessions.size
    const since = this.#since
    return [{ number: 0, pid: process.pid, since, state: 'serving', clients, ...usageNow() }]
  }

  inTheWay(target: PauseTarget, most: number): InTheWay[] {
    return sessionsInTheWay(this.#plane.sessions, target, most)
  }

  clients(): ClientStatus[] {
    return clientList(this.#plane.sessions)
  }

  pauseNode(node: string, whom?: PausedFor): void {
    this.#plane.pauseNode(node, whom)
  }

  resumeNode(node: string): void {
    this.#plane.resumeNode(node)
  }

  closeGates(endpoints: readonly string[]): void {
    this.#plane.closeGates(endpoints)
  }

  watchGrants(node: string, events: GrantEvents): void {
    this.#plane.firstAnswers.watch(node, events)
  }

  unwatchGrants(): void {
    this.#plane.firstAnswers.unwatch()
  }
}
