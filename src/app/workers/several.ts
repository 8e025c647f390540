/**
 * Weir as several processes: the control plane here, a data plane in each worker. Rule: a worker that
 * dies is replaced at once and only its clients notice; one that is replaced on a reload goes when
 * its last client has left, and takes new clients until its successor serves.
 */
import { randomBytes } from 'node:crypto'
import type { Admin } from '../../admin/http.ts'
import type { Readiness, StatusSnapshot } from '../../admin/snapshot.ts'
import { Secrets } from '../../auth/secrets.ts'
import type { Settings } from '../../config/settings.ts'
import { systemClock } from '../../core/clock.ts'
import type { Log } from '../../core/log.ts'
import { until } from '../../core/until.ts'
import { Metrics } from '../../metrics/metrics.ts'
import { addressOfNode } from '../../server/node-address.ts'
import { TopologyStore } from '../../topology/store.ts'
import type { App, AppOptions } from '../app.ts'
import { Auditing } from '../auditing.ts'
import { Control } from '../control.ts'
import { controlLogins } from '../control-logins.ts'
import { SecretKeeper } from '../secret-keeper.ts'
import { Crew } from './crew.ts'
import { Ghosts } from './ghosts.ts'
import type { Hand, Shell } from './hand.ts'
import { machineTime } from './machine-time.ts'
import { News } from './news.ts'
import { Purse } from './purse.ts'
import { changeOf, inPart } from './rolling.ts'
import { shareOf } from './share.ts'
import { Staff } from './staff.ts'

export interface SeveralOptions extends AppOptions {
  readonly count: number
  readonly startShell: () => Shell
}

/** How often each worker tells all it has counted: so much is lost of one that is killed (ms). */
const WHOLE_MS = 1_000

export class SeveralProcesses implements App {
  #settings: Settings
  #log: Log
  #count: number
  #graceMs: number
  #store: TopologyStore
  #metrics = new Metrics()
  #secrets = new Secrets()
  #pepper = randomBytes(32)
  #crew: Crew
  #purse: Purse
  #ghosts: Ghosts
  #staff: Staff
  #control: Control
  #keeper: SecretKeeper
  #audit: Auditing
  #news: News
  #telling: NodeJS.Timeout | undefined
  #rolling: Promise<void> = Promise.resolve()
  #stopped: Promise<void> | undefined

  constructor(options: SeveralOptions) {
    const { settings, log, version, clock = systemClock, count, graceMs = 5_000 } = options
    this.#settings = settings
    this.#log = log

    this.#count = count
    this.#graceMs = graceMs
    const store = new TopologyStore(log)
    this.#store = store
    const metrics = this.#metrics
    const { general: counters } = metrics
    this.#audit = new Auditing({
      ...{ settings: settings.audit, clock, log, counters },
      onClosed: (closed) => this.#crew.tell({ kind: 'audit-closed', closed }),
    })
    const audit = this.#audit
    this.#crew = new Crew({
      time: machineTime(clock),
      own: () => metrics.snapshot(),
      budgets: () => this.#purse.limits,
      acted: (at) => this.#control.failovers.acted(at),
    })
    this.#ghosts = new Ghosts({
      clock,
      stream: (spec) =>
        controlLogins(this.#settings, this.#secrets).stream(addressOfNode(spec), 'weir ghosts'),
      node: (name) => store.current.nodes.find(({ spec }) => spec.name === name)?.spec,
    })
    this.#purse = new Purse({ clock, ghosts: this.#ghosts, seats: count })
    this.#control = new Control({
      ...{ settings, log, clock, store, metrics, version, audit },
      planes: this.#crew,
      secrets: () => this.#secrets,
    })
    this.#keeper = new SecretKeeper({
      ...{ clock, log, counters: metrics.general, audit },
      apply: async (entries) => {
        await this.#secrets.replace(entries)
        this.#crew.tell({ kind: 'secrets', entries })
      },
      tell: (sentence) => this.#control.chronicle.tell(sentence),
    })
    this.#secrets.onDoubt = () => this.#keeper.doubt()
    store.subscribe((now) => this.#purse.look(now, this.#settings))
    this.#news = new News({ store, clock, tell: (now, said) => this.#crew.topology(now, said) })
    this.#staff = new Staff({
      ...{ clock, log, crew: this.#crew, purse: this.#purse, startShell: options.startShell },
      begin: (seat, number) => this.#beginning(seat, number),
      heard: (hint) => this.#control.hint(hint),
      doubt: () => this.#keeper.doubt(),
      audit: (event, at, worker) => audit.tellFrom(event, at, worker),
      tell: (sentence) => this.#control.chronicle.tell(sentence),
      died: () => {
        metrics.general.workersDied++
      },
    })
  }

  get admin(): Admin | undefined {
    return this.#control.admin
  }

  get endpoints() {
    const [first] = [...this.#crew.hands].filter((hand) => hand.doors.length > 0)
    return first?.doors ?? []
  }

  async start(): Promise<void> {
    await this.#audit.open()
    await this.#keeper.load(this.#settings.auth)
    this.#control.watch()
    await Promise.all(Array.from({ length: this.#count }, (_, seat) => this.#staff.hire(seat)))
    await this.#crew.refreshWhole()
    await this.#control.openAdmin()
    this.#telling = setInterval(() => void this.#crew.refreshWhole(), WHOLE_MS)
    this.#telling.unref()
    this.#audit.tell({ kind: 'change', what: 'start', outcome: 'done' })
    this.#log.info({}, `${this.#count} workers serve clients`)
  }

  #beginning(seat: number, number: number) {
    const { limits } = this.#settings
    const { current } = this.#store
    return {
      kind: 'begin',
      number,
      pepper: this.#pepper,
      secrets: this.#keeper.entries,
      settings: shareOf(this.#settings, seat, this.#count),
      maxClients: limits.maxClientConnections,
      auditClosed: this.#audit.closed !== undefined,
      topology: { ...current, trail: [] },
      ...this.#crew.orders,
    } as const
  }

  /** The last reload wins; one that comes meanwhile waits. */
  reload(next: Settings): Promise<void> {
    this.#rolling = this.#rolling.catch(() => {}).then(() => this.#roll(next))
    return this.#rolling
  }

  async #roll(next: Settings): Promise<void> {
    if (this.#stopped !== undefined) return
    const { settings, taken, refused } = changeOf(this.#settings, next, true)
    if (refused.length > 0) {
      this.#say(`not changed without a restart: ${refused.join(', ')}`, true)
    }
    const before = this.#settings
    this.#settings = settings
    const done: string[] = []
    try {
      await this.#audit.renew(settings.audit)
      done.push('audit')
      await this.#control.renewAdmin(settings)
      done.push('admin')
      await this.#keeper.load(settings.auth)
      done.push('secrets')
      const { rollTimeout } = settings
      const rollTimeoutMs = rollTimeout === 'unlimited' ? undefined : rollTimeout
      const old = [...this.#crew.hands].filter((hand) => hand.state === 'serving')
      for (const hand of old) {
        await this.#replace(hand, rollTimeoutMs)
        done.push(`worker of seat ${hand.seat}`)
      }
    } catch (error) {
      this.#settings = before
      const failed = inPart(done, error)
      const { message: detail } = failed
      this.#audit.tell({ kind: 'change', what: 'settings', outcome: 'failed', detail })
      this.#say(`reload given up, all else goes on: ${detail}`, true)
      throw failed
    }
    this.#control.settings = settings
    this.#purse.look(this.#store.current, settings)
    const what = taken.length === 0 ? 'nothing was changed' : `changed: ${taken.join(', ')}`
    this.#audit.tell({ kind: 'change', what: 'settings', outcome: 'done', detail: what })
    this.#say(`reloaded (${what}); every worker was replaced`, false)
  }

  async #replace(old: Hand, rollTimeoutMs: number | undefined): Promise<void> {
    if (!this.#crew.hands.has(old)) return
    await this.#staff.hire(old.seat)
    this.#staff.sendAway(old, rollTimeoutMs)
  }

  #say(sentence: string, bad: boolean): void {
    this.#log[bad ? 'warn' : 'info']({}, sentence)
    this.#control.chronicle.tell(sentence)
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

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.#keeper.stop()
    this.#control.drain()
    this.#news.stop()
    clearInterval(this.#telling)
    await this.#staff.stop(this.#graceMs)
    this.#ghosts.stop()
    this.#purse.stop()
    await this.#control.stop()
    this.#audit.tell({ kind: 'change', what: 'stop', outcome: 'done' })
    await this.#audit.close()
  }
}
