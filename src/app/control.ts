/**
 * The control plane: who is writer, what happened, what is paused, and what is seen from outside.
 * Rule: no byte of a client passes here; what it knows of the data planes it knows through the seam
 * (`planes.ts`), so it does not matter how many there are and in which process.
 */
import type { Admin } from '../admin/http.ts'
import type { Readiness, StatusSnapshot } from '../admin/snapshot.ts'
import type { Secrets } from '../auth/secrets.ts'
import type { Settings } from '../config/settings.ts'
import { type Audit, noAudit } from '../core/audit.ts'
import type { Clock } from '../core/clock.ts'
import type { Log } from '../core/log.ts'
import { isServing } from '../endpoint/eligible.ts'
import { exposition } from '../metrics/exposition.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { TopologyStore } from '../topology/store.ts'
import type { Hint } from '../topology/topology.ts'
import { AdminDoor } from './admin-door.ts'
import { Chronicle } from './chronicle.ts'
import { Pauses } from './pauses.ts'
import type { Planes } from './planes.ts'
import { appSnapshot } from './snapshot.ts'
import { Failovers } from './timeline.ts'
import { Watching } from './watching.ts'

export interface ControlParts {
  readonly settings: Settings
  readonly version: string
  readonly log: Log
  readonly clock: Clock
  readonly store: TopologyStore
  /** Its own counters; those of the data planes are theirs. */
  readonly metrics: Metrics
  readonly planes: Planes
  /** Default: nothing is written down. */
  readonly audit?: Audit
  /** Known when it begins to watch. */
  readonly secrets: () => Secrets
}

export class Control {
  readonly failovers: Failovers
  readonly pauses: Pauses
  readonly chronicle: Chronicle
  readonly startedAt: number
  #parts: ControlParts
  #settings: Settings
  #watching: Watching | undefined
  #draining = false
  #door: AdminDoor | undefined

  /** Made before the data planes: it is told of a change before anything is done about it. */
  constructor(parts: ControlParts) {
    const { clock, log, store, planes, metrics, settings } = parts
    this.#parts = parts
    this.#settings = settings
    this.startedAt = clock.wall()
    this.failovers = new Failovers({ store, planes, metrics, clock }, log, {
      tell: (event) => this.chronicle.add(event),
      promotedAt: async (node) => this.#watching?.promotedAt(node),
    })
    this.pauses = new Pauses({
      ...{ clock, log, store, planes },
      endpoints: () => this.#settings.endpoints.map((e) => e.name),
      tell: (text) => this.chronicle.tell(text),
    })
    this.chronicle = new Chronicle({ store, metrics, clock })
  }

  /** The settings are others from now on, as far as they can be without a restart. */
  set settings(settings: Settings) {
    this.#settings = settings
    this.#watching?.renew(settings)
  }

  get admin(): Admin | undefined {
    return this.#door?.admin
  }

  /** A sign of trouble from the byte path. */
  hint(hint: Hint): void {
    if (!this.#draining) this.#watching?.hint(hint)
  }

  /** Begins to ask the nodes; needs the secrets. */
  watch(): void {
    const { settings, metrics, store, clock, log, planes } = this.#parts
    this.#watching = new Watching({
      ...{ settings, metrics, store, clock, log },
      secrets: this.#parts.secrets(),
      lastAnswerOf: (node) => planes.lastAnswerOf(node),
      heard: (node, answer) => this.failovers.heard(node, answer),
      say: (text) => this.chronicle.tell(text),
    })
    this.#watching.start()
  }

  async openAdmin(): Promise<void> {
    const { planes, log, settings, clock, metrics, audit = noAudit } = this.#parts
    if (!settings.admin.enabled) return
    const fresh = async (): Promise<StatusSnapshot> => {
      await planes.refreshWhole()
      return this.snapshot()
    }
    this.#door = new AdminDoor({
      ...{ settings: settings.admin, clock, log, audit, counters: metrics.general },
      shown: {
        snapshot: fresh,
        clients: () => planes.clients(),
        metrics: exposition(async () => {
          const control = await fresh()
          return { counted: planes.counted(), control }
        }),
        ready: () => this.ready(),
        commands: this.pauses,
      },
    })
    await this.#door.open()
  }

  /** Takes over other users of the admin port. @throws WeirError; then nothing has changed */
  async renewAdmin(settings: Settings): Promise<void> {
    await this.#door?.renew(settings.admin)
  }

  snapshot(): StatusSnapshot {
    const { version, clock, store, planes } = this.#parts
    const { startedAt, failovers, pauses } = this
    return appSnapshot({
      ...{ version, startedAt, clock, store, failovers, pauses },
      source: this.#watching!.source,
      events: this.chronicle.events,
      endpoints: this.#settings.endpoints,
      report: planes.report(),
      workers: planes.workers(),
    })
  }

  ready(): Readiness {
    const writer = this.#parts.store.current.nodes.find((n) => n.role === 'writer')
    if (this.#draining) return { ready: false, why: 'Weir is stopping.' }
    if (writer === undefined) return { ready: false, why: 'No writer is known yet.' }
    // One that is only suspect serves: a lost connection is no reason to be taken out of rotation.
    if (!isServing(writer)) return { ready: false, why: `The writer is away: ${writer.because}.` }
    return { ready: true, why: `The writer is ${writer.spec.name}.` }
  }

  /** Weir stops: it is not ready any more, and takes no hints. */
  drain(): void {
    this.#draining = true
  }

  /** When the data planes have stopped. */
  async stop(): Promise<void> {
    this.failovers.stop()
    this.pauses.stop()
    await this.#watching?.stop()
    await this.#door?.close()
  }
}
