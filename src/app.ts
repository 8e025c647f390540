/**
 * The composition root: control plane and data plane are put together here, in one process or in
 * several. Rule: rooms get what they need as parameters; nothing is found by a global name.
 */
import type { Admin } from './admin/http.ts'
import type { Readiness, StatusSnapshot } from './admin/snapshot.ts'
import type { App, AppOptions } from './app/app.ts'
import { Auditing } from './app/auditing.ts'
import { Control } from './app/control.ts'
import { OnePlane } from './app/one-plane.ts'
import { DataPlane, tooManyClients } from './app/plane.ts'
import { SecretKeeper } from './app/secret-keeper.ts'
import { changeOf, inPart } from './app/workers/rolling.ts'
import { SeveralProcesses } from './app/workers/several.ts'
import { workerCount } from './app/workers/share.ts'
import { lineToPrimary, startShell } from './app/workers/shells.ts'
import { runWorker } from './app/workers/worker.ts'
import type { Settings } from './config/settings.ts'
import { systemClock } from './core/clock.ts'
import type { WeirError } from './core/errors.ts'
import type { Log } from './core/log.ts'
import { until } from './core/until.ts'
import { Metrics } from './metrics/metrics.ts'
import { Network } from './net/network.ts'
import { Sessions } from './session/sessions.ts'
import { TopologyStore } from './topology/store.ts'

export type { App, AppOptions } from './app/app.ts'

/**
 * Builds and starts a proxy.
 * @throws WeirError `WEIR_PORT_TAKEN` and the like, naming port and setting; nothing is left running
 */
export async function startApp(options: AppOptions): Promise<App> {
  const { workerProgram, settings } = options
  const count = workerProgram === undefined ? 1 : workerCount(settings)
  const app =
    workerProgram === undefined || count === 1
      ? new OneProcess(options)
      : new SeveralProcesses({ ...options, count, startShell: () => startShell(workerProgram) })
  try {
    await app.start()
  } catch (error) {
    await app.stop()
    throw error
  }
  return app
}

/**
 * Makes this process one of several that serve clients: it does as the one that started it says, and
 * ends when that one is gone.
 */
export function startWorker(log: (settings: Settings, number: number) => Log): void {
  runWorker({ log, line: lineToPrimary(), exit: (code) => process.exit(code) })
}

/**
 * Both planes in this process: they share clock, topology and counters, and the seam between them is
 * a call.
 */
class OneProcess implements App {
  #settings: Settings
  #log: Log
  #graceMs: number
  #plane: DataPlane
  #control: Control
  #keeper: SecretKeeper
  #audit: Auditing
  #reloading: Promise<void> = Promise.resolve()
  #stopped: Promise<void> | undefined

  constructor({ settings, log, version, clock: given, graceMs = 5_000 }: AppOptions) {
    const network = new Network()
    const { turn } = network
    const clock = given ?? { ...systemClock, monotonic: () => turn.now() }
    const metrics = new Metrics()
    const store = new TopologyStore(log)
    const sessions = new Sessions(settings.instance.id)
    const most = settings.limits.maxClientConnections
    this.#settings = settings
    this.#log = log
    this.#graceMs = graceMs
    const planes = new OnePlane(() => this.#plane, clock.wall())
    const { general: counters } = metrics
    const audit = new Auditing({ settings: settings.audit, clock, log, counters })
    this.#audit = audit
    const common = { settings, log, clock, store, metrics, audit }
    this.#control = new Control({ ...common, version, planes, secrets: () => this.#plane.secrets })
    this.#plane = new DataPlane({
      ...{ ...common, network, sessions },
      hint: (hint) => this.#control.hint(hint),
      doubt: () => this.#keeper.doubt(),
      full: () => (sessions.size < most ? undefined : tooManyClients(sessions.size, most)),
    })
    this.#keeper = new SecretKeeper({
      ...{ clock, log, counters: metrics.general, audit },
      apply: (entries) => this.#plane.takeSecrets(entries),
      tell: (sentence) => this.#control.chronicle.tell(sentence),
    })
    store.subscribe(() => this.#control.failovers.acted())
  }

  get admin(): Admin | undefined {
    return this.#control.admin
  }

  get endpoints() {
    return this.#plane.places.map((p) => ({ name: p.settings.name, addresses: p.door.addresses }))
  }

  async start(): Promise<void> {
    await this.#audit.open()
    await this.#keeper.load(this.#settings.auth)
    await this.#plane.prepare()
    this.#control.watch()
    await this.#plane.open()
    await this.#control.openAdmin()
    this.#audit.tell({ kind: 'change', what: 'start', outcome: 'done' })
  }

  snapshot(): StatusSnapshot {
    return this.#control.snapshot()
  }

  ready(): Readiness {
    return this.#control.ready()
  }

  async whenReady(withinMs: number): Promise<void> {
    await until(() => this.ready().ready, withinMs, { what: 'a writer' })
  }

  /**
   * Users, passwords and the certificate; a process cannot take more over and keep its clients. The
   * last one wins; one that comes meanwhile waits.
   */
  reload(next: Settings): Promise<void> {
    this.#reloading = this.#reloading.catch(() => {}).then(() => this.#reload(next))
    return this.#reloading
  }

  async #reload(next: Settings): Promise<void> {
    if (this.#stopped !== undefined) return
    const { settings, taken, refused } = changeOf(this.#settings, next, false)
    const steps = {
      audit: () => this.#audit.renew(settings.audit),
      admin: () => this.#control.renewAdmin(settings),
      secrets: () => this.#keeper.load(settings.auth),
      doors: () => this.#plane.renew(settings),
    }
    const done: string[] = []
    for (const [name, step] of Object.entries(steps)) {
      try {
        await step()
        done.push(name)
      } catch (error) {
        throw this.#reloadedInPart(done, error)
      }
    }
    this.#settings = settings
    const what = taken.length === 0 ? 'nothing in them was changed' : `changed: ${taken.join(', ')}`
    this.#audit.tell({ kind: 'change', what: 'settings', outcome: 'done', detail: what })
    this.#log.info({}, `users, passwords and certificate read anew (${what})`)
    if (refused.length === 0) return
    this.#log.warn(
      { refused },
      `not changed without a restart: ${refused.join(', ')} (with several workers more can be)`,
    )
  }

  /** What is new already stays so: whoever reads the error must not take the old for what holds. */
  #reloadedInPart(done: readonly string[], cause: unknown): WeirError {
    const error = inPart(done, cause)
    const { message: detail } = error
    this.#audit.tell({ kind: 'change', what: 'settings', outcome: 'failed', detail })
    return error
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.#keeper.stop()
    this.#control.drain()
    await this.#plane.stop(this.#graceMs)
    await this.#control.stop()
    this.#audit.tell({ kind: 'change', what: 'stop', outcome: 'done' })
    await this.#audit.close()
  }
}
