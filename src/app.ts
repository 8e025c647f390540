/**
 * The composition root: the only file that builds everything. Rule: rooms get what they need as
 * parameters from here; nothing is found by a global name.
 */
import type tls from 'node:tls'
import { type Admin, startAdmin } from './admin/http.ts'
import type { Occurrence, Readiness, StatusSnapshot } from './admin/snapshot.ts'
import { hubFor } from './app/hub.ts'
import { peersFor } from './app/peers.ts'
import { protocolFor } from './app/protocol.ts'
import { homeOf, Servers } from './app/servers.ts'
import {
  budgetOf,
  cannotListen,
  listenPoolSettings,
  nodeTlsOptions,
  poolSettings,
  secureContextFor,
} from './app/settings.ts'
import { appSnapshot, clientList } from './app/snapshot.ts'
import { Supply } from './app/supply.ts'
import { countedProbe, countFromZero, countsNow, poolObserver, WriterWatch } from './app/tally.ts'
import { readSecretFile } from './auth/secret-file.ts'
import { Secrets } from './auth/secrets.ts'
import type { EndpointSettings, Settings } from './config/settings.ts'
import { type Clock, systemClock } from './core/clock.ts'
import { messageOf, WeirError } from './core/errors.ts'
import type { Log } from './core/log.ts'
import { TimerWheel } from './core/timer-wheel.ts'
import { until } from './core/until.ts'
import { type Endpoint, endpointOf } from './endpoint/router.ts'
import { Door } from './listener/door.ts'
import { exposition } from './metrics/exposition.ts'
import { Metrics } from './metrics/metrics.ts'
import { type Address, Network } from './net/network.ts'
import { PostgresProbe } from './protocol/postgres/probe.ts'
import type { ListenerHub } from './session/listening.ts'
import type { Peers } from './session/peers.ts'
import type { Rooms } from './session/rooms.ts'
import { Sessions } from './session/sessions.ts'
import { WelcomeBook } from './session/welcome.ts'
import { defaultMonitorSettings, Monitor } from './topology/monitor.ts'
import { TopologyStore } from './topology/store.ts'
import type { Topology } from './topology/topology.ts'

export interface AppOptions {
  readonly settings: Settings
  readonly log: Log
  readonly version: string
  readonly clock?: Clock
  /** How long a stop waits for transactions to end (ms). Default 5000. */
  readonly graceMs?: number
}

/** A running proxy. */
export interface App {
  readonly endpoints: readonly { readonly name: string; readonly addresses: readonly Address[] }[]
  readonly admin: Admin | undefined
  snapshot(): StatusSnapshot
  ready(): Readiness
  /** Resolves when a writer is known, or rejects after `withinMs`. */
  whenReady(withinMs: number): Promise<void>
  /** Ends client sessions at their next boundary, then everything. */
  stop(): Promise<void>
}

/** Events kept for the status page. */
const EVENTS_KEPT = 100
const HOUSEKEEPING_MS = 1_000
/** A node that has been down for so long will not finish what it had begun. */
const HOPELESS_MS = 1_000

/**
 * Builds and starts a proxy.
 * @throws WeirError `WEIR_PORT_TAKEN` and the like, naming port and setting; nothing is left running
 */
export async function startApp(options: AppOptions): Promise<App> {
  const app = new RunningApp(options)
  try {
    await app.start()
  } catch (error) {
    await app.stop()
    throw error
  }
  return app
}

interface Place {
  readonly settings: EndpointSettings
  readonly endpoint: Endpoint
  readonly rooms: Rooms
  readonly door: Door
}

class RunningApp implements App {
  admin: Admin | undefined
  readonly startedAt: number
  readonly settings: Settings
  readonly version: string
  readonly clock: Clock
  readonly metrics = new Metrics()
  readonly sessions: Sessions
  readonly store: TopologyStore
  readonly supply: Supply
  readonly events: Occurrence[] = []
  #log: Log
  #graceMs: number
  #wheel = new TimerWheel(100)
  #network = new Network()
  #secrets = new Secrets()
  #welcomes = new WelcomeBook()
  #writers = new WriterWatch(this.metrics)
  #places: Place[] = []
  #monitor: Monitor | undefined
  #probe: PostgresProbe | undefined
  #servers: Servers | undefined
  #hub: ListenerHub | undefined
  #peers: Peers | undefined
  #secureContext: tls.SecureContext | undefined
  #housekeeping: NodeJS.Timeout | undefined
  #loopWatch: { stop(): void } | undefined
  #draining = false
  #stopped: Promise<void> | undefined

  constructor({ settings, log, version, clock: given, graceMs = 5_000 }: AppOptions) {
    const { turn } = this.#network
    const clock = given ?? { ...systemClock, monotonic: () => turn.now() }
    this.settings = settings
    this.sessions = new Sessions(settings.instance.id)
    this.version = version
    this.clock = clock
    this.startedAt = clock.wall()
    this.#log = log
    this.#graceMs = graceMs
    this.store = new TopologyStore(log)
    this.supply = new Supply({
      open: (key, signal, own) => this.#servers!.open(key, signal, own),
      settings: ({ purpose }) =>
        purpose === 'listen' ? listenPoolSettings(settings) : poolSettings(settings),
      clock,
      wheel: this.#wheel,
      random: Math.random,
      observer: poolObserver(this.metrics),
      log,
      store: this.store,
    })
  }

  get endpoints() {
    return this.#places.map((p) => ({ name: p.settings.name, addresses: p.door.addresses }))
  }

  get places(): readonly Place[] {
    return this.#places
  }

  async start(): Promise<void> {
    const { settings } = this
    countFromZero(this.metrics, settings)
    await this.#loadSecrets()
    this.#secureContext = secureContextFor(settings)
    const protocol = protocolFor(settings, this.#secrets, this.#secureContext !== undefined)
    this.#servers = new Servers({
      settings,
      network: this.#network,
      protocol,
      metrics: this.metrics,
      store: this.store,
      pools: () => this.supply.pools,
      hint: (hint) => {
        if (!this.#draining) this.#monitor?.hint(hint)
      },
    })
    this.#peers = peersFor(settings, {
      sessions: this.sessions,
      network: this.#network,
      protocol,
      counters: this.metrics.general,
      log: this.#log,
    })
    this.#hub = hubFor(this, protocol, this.#wheel, this.#log)
    for (const endpoint of settings.endpoints) this.#places.push(this.#place(endpoint, protocol))
    this.store.subscribe((now, before, sentences) => this.#topologyChanged(now, before, sentences))
    this.#startMonitor()
    for (const place of this.#places) await this.#openDoor(place)
    if (settings.admin.enabled) {
      this.admin = await startAdmin({
        host: settings.admin.host,
        port: settings.admin.port,
        snapshot: () => this.snapshot(),
        clients: () => clientList(this.sessions),
        metrics: exposition(() => ({
          counted: countsNow(this.metrics, this.sessions, this.#servers!.live),
          control: this.snapshot(),
        })),
        ready: () => this.ready(),
        log: this.#log,
      })
    }
    this.#housekeeping = setInterval(() => this.#keepHouse(), HOUSEKEEPING_MS)
    this.#housekeeping.unref()
    this.#loopWatch = this.metrics.watchLoop(this.clock)
  }

  async #loadSecrets(): Promise<void> {
    const entries = []
    for (const source of this.settings.auth.secrets) {
      if (source.kind === 'file') entries.push(...(await readSecretFile(source.path)))
      else {
        const { username, password } = source
        entries.push({ username, password, source: 'auth.secrets' })
      }
    }
    await this.#secrets.replace(entries)
  }

  #place(settings: EndpointSettings, protocol: Rooms['protocol']): Place {
    const { limits, listen } = this.settings
    const endpoint = endpointOf(settings)
    const idle = limits.idleClientTimeout
    const rooms: Rooms = {
      protocol,
      router: this.supply.router,
      dedicated: this.supply.dedicated,
      clock: this.clock,
      wheel: this.#wheel,
      log: this.#log,
      sessions: this.sessions,
      welcomes: this.#welcomes,
      counters: this.metrics.endpoint(settings.name),
      hub: this.#hub!,
      notificationBytes: limits.notificationBytes,
      home: homeOf,
      idleClientTimeoutMs: typeof idle === 'number' ? idle : undefined,
    }
    const door = new Door({
      endpoint,
      rooms,
      network: this.#network,
      loginTimeoutMs: limits.loginTimeoutMs,
      backlog: listen.backlog,
      maxLoginsInFlight: limits.maxLoginsInFlight,
      secureContext: () => this.#secureContext,
      byName: (name) => this.#places.find((p) => p.settings.name === name),
      byServerName: (name) =>
        this.#places.find((p) => p.settings.tlsServerNames.some((n) => n.toLowerCase() === name)),
      endpointNames: () => this.#places.map((p) => p.settings.name),
      refuseSession: () => this.#refuseSession(),
      cancel: (key) => this.#peers!.cancel(key),
    })
    return { settings, endpoint, rooms, door }
  }

  #refuseSession(): WeirError | undefined {
    if (this.#draining) return STOPPING
    const most = this.settings.limits.maxClientConnections
    if (this.sessions.size < most) return undefined
    return new WeirError(
      'WEIR_TOO_MANY_CLIENTS',
      `sorry, too many clients already (${this.sessions.size} of limits.maxClientConnections ${most})`,
      { sqlstate: '53300', retryable: true },
    )
  }

  async #openDoor({ settings, door }: Place): Promise<void> {
    const { host } = this.settings.listen
    const { name, port, socketDirectory } = settings
    const wanted: Address[] = port === undefined ? [] : [{ host, port }]
    if (socketDirectory !== undefined) {
      wanted.push({ path: `${socketDirectory}/.s.PGSQL.${port ?? 5432}` })
    }
    for (const address of wanted) {
      try {
        await door.open(address)
      } catch (error) {
        throw cannotListen(address, name, error)
      }
    }
  }

  #startMonitor(): void {
    const { nodes, topology, tls: tlsSettings } = this.settings
    const { user, database } = topology
    const known = this.#secrets.usernames()
    const probeUser = user ?? known[0] ?? 'postgres'
    this.#probe = new PostgresProbe({
      user: probeUser,
      password: () => {
        const proof = this.#secrets.proofOf(probeUser)
        return proof?.kind === 'password' ? proof.password : undefined
      },
      database,
      ...(tlsSettings.nodes === 'disable' || tlsSettings.nodes === 'prefer'
        ? {}
        : { tls: nodeTlsOptions(this.settings, undefined) }),
      clock: this.clock,
    })
    this.#monitor = new Monitor({
      probe: countedProbe(this.#probe, this.metrics),
      store: this.store,
      clock: this.clock,
      log: this.#log,
      rules: { downAfter: topology.downAfter, rise: topology.rise },
      settings: {
        ...defaultMonitorSettings,
        periodMs: topology.periodMs,
        suspectPeriodMs: topology.suspectPeriodMs,
        timeoutMs: topology.probeTimeoutMs,
      },
    })
    this.#monitor.watch(nodes)
  }

  #topologyChanged(now: Topology, before: Topology, sentences: readonly string[]): void {
    for (const text of sentences) {
      this.events.push({ at: this.clock.wall(), text })
    }
    this.events.splice(0, Math.max(0, this.events.length - EVENTS_KEPT))
    for (const node of now.nodes) {
      const { name } = node.spec
      if (node.connectionLimit !== undefined) {
        this.supply.pools.budget(name).setLimit(budgetOf(this.settings, node.connectionLimit))
      }
      const was = before.nodes.find((n) => n.spec.name === name)
      if (was === undefined) continue
      const fell = node.health === 'down' && was.health !== 'down'
      const demoted = was.role === 'writer' && node.role !== 'writer'
      if (fell || demoted) this.supply.retire(name, node.because)
      // What a transaction or a pinned session would still write to a fenced writer is lost.
      if (demoted && node.health === 'down') this.supply.cut(name)
    }
    this.#writers.look(now)
    // While a node is only suspect or away, new clients are still welcomed at once and wait later.
    const changed = now.nodes.some((node) => {
      const was = before.nodes.find((n) => n.spec.name === node.spec.name)
      return was?.role !== node.role || was.versionNum !== node.versionNum
    })
    if (changed) this.#welcomes.forget()
  }

  #keepHouse(): void {
    this.supply.pools.janitor(this.clock.monotonic())
    for (const { spec, health, since, failedBy } of this.store.current.nodes) {
      // A frozen node keeps its sockets open: whoever waits for its answer would wait for ever. One
      // that only refuses the control connection's login may well serve on the others.
      const silent = failedBy === 'timeout' || failedBy === 'refused'
      const gone = health === 'down' && silent && this.clock.wall() - since >= HOPELESS_MS
      if (gone) this.supply.cut(spec.name)
    }
  }

  snapshot(): StatusSnapshot {
    return appSnapshot(this)
  }

  ready(): Readiness {
    const writer = this.store.current.nodes.find((n) => n.role === 'writer' && n.health === 'up')
    if (this.#draining) return { ready: false, why: 'Weir is stopping.' }
    if (writer === undefined) return { ready: false, why: 'No writer is known yet.' }
    return { ready: true, why: `The writer is ${writer.spec.name}.` }
  }

  async whenReady(withinMs: number): Promise<void> {
    await until(() => this.ready().ready, withinMs, { what: 'a writer' })
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.#draining = true
    await Promise.all(this.#places.map((p) => p.door.close()))
    for (const place of this.#places) place.door.abort(STOPPING)
    this.sessions.shutDown('draining')
    const idle = until(() => this.sessions.size === 0, this.#graceMs, { what: 'sessions to end' })
    await idle.catch((error: unknown) => {
      const left = this.sessions.size
      this.#log.warn({ left }, `closing ${left} busy client sessions: ${messageOf(error)}`)
      this.sessions.closeAll('draining')
    })
    this.#hub?.close()
    this.supply.pools.forEach((pool) => {
      pool.retire('Weir is stopping')
    })
    this.#servers?.end()
    clearInterval(this.#housekeeping)
    this.#loopWatch?.stop()
    await this.#monitor?.stop()
    await this.#probe?.close()
    await this.admin?.close()
  }
}

const STOPPING = new WeirError('WEIR_STOPPING', 'the proxy is shutting down', {
  sqlstate: '57P01',
  retryable: true,
})
