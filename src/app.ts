/**
 * The composition root: the only file that builds everything. Rule: rooms get what they need as
 * parameters from here; nothing is found by a global name.
 */
import type tls from 'node:tls'
import { type Admin, startAdmin } from './admin/http.ts'
import type { Occurrence, Readiness, StatusSnapshot } from './admin/snapshot.ts'
import { hubFor } from './app/hub.ts'
import { Moves } from './app/moves.ts'
import { Pauses } from './app/pauses.ts'
import { peersFor } from './app/peers.ts'
import { protocolFor } from './app/protocol.ts'
import { homeOf, Servers } from './app/servers.ts'
import {
  cannotListen,
  listenPoolSettings,
  poolSettings,
  secureContextFor,
  waitsFor,
} from './app/settings.ts'
import { appSnapshot, clientList } from './app/snapshot.ts'
import { Supply } from './app/supply.ts'
import { countFromZero, countsNow, poolObserver } from './app/tally.ts'
import { Failovers } from './app/timeline.ts'
import { Watching, type WatchingParts } from './app/watching.ts'
import { readSecretFile } from './auth/secret-file.ts'
import { Secrets } from './auth/secrets.ts'
import type { EndpointSettings, Settings } from './config/settings.ts'
import { type Clock, systemClock } from './core/clock.ts'
import { messageOf, WeirError } from './core/errors.ts'
import type { Log } from './core/log.ts'
import { sparingLog } from './core/sparing-log.ts'
import { TimerWheel } from './core/timer-wheel.ts'
import { until } from './core/until.ts'
import { isServing } from './endpoint/eligible.ts'
import { type Endpoint, endpointOf } from './endpoint/router.ts'
import { Door } from './listener/door.ts'
import { exposition } from './metrics/exposition.ts'
import { Metrics } from './metrics/metrics.ts'
import { type Address, Network } from './net/network.ts'
import { HeldBytes } from './session/held-bytes.ts'
import type { ListenerHub } from './session/listening.ts'
import type { Peers } from './session/peers.ts'
import type { Rooms } from './session/rooms.ts'
import { Sessions } from './session/sessions.ts'
import { WelcomeBook } from './session/welcome.ts'
import type { SourceState } from './topology/source/source-watch.ts'
import { TopologyStore } from './topology/store.ts'

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

const HOUSEKEEPING_MS = 1_000

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
  readonly failovers: Failovers
  readonly pauses: Pauses
  readonly held: HeldBytes
  #log: Log
  #graceMs: number
  #wheel = new TimerWheel(100)
  #network = new Network()
  #secrets = new Secrets()
  #welcomes = new WelcomeBook()
  #places: Place[] = []
  #watching: Watching | undefined
  #moves: Moves
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
    this.held = new HeldBytes(settings.limits.heldBytes)
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
      waits: waitsFor(settings),
    })
    // It is told of a change before anything is done about it, and again when all is done.
    this.failovers = new Failovers(this, log, {
      tell: (event) => this.#moves.events.push(event),
      promotedAt: async (node) => this.#watching?.promotedAt(node),
    })
    this.pauses = new Pauses({
      clock,
      log,
      store: this.store,
      endpoints: () => this.#places.map((place) => place.endpoint),
      sessions: this.sessions,
      supply: this.supply,
      listening: () => this.#hub?.whole !== false,
      tell: (text) => this.#moves.events.push({ at: clock.wall(), text }),
    })
    this.#moves = new Moves({
      settings,
      store: this.store,
      supply: this.supply,
      welcomes: this.#welcomes,
      metrics: this.metrics,
      clock,
    })
    this.store.subscribe(() => this.failovers.acted())
  }

  get events(): readonly Occurrence[] {
    return this.#moves.events
  }

  get source(): SourceState {
    return this.#watching!.source
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
        if (!this.#draining) this.#watching?.hint(hint)
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
    const { metrics, store, clock } = this
    const log = this.#log
    const heard: WatchingParts['heard'] = (node, answer) => this.failovers.heard(node, answer)
    const secrets = this.#secrets
    this.#watching = new Watching({
      ...{ settings, secrets, metrics, store, clock, log, heard },
      say: (text) => this.#moves.events.push({ at: clock.wall(), text }),
    })
    this.#watching.start()
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
        commands: this.pauses,
        log: this.#log,
      })
    }
    this.#housekeeping = setInterval(() => this.#moves.keepHouse(), HOUSEKEEPING_MS)
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
      log: sparingLog(this.#log, this.clock),
      sessions: this.sessions,
      welcomes: this.#welcomes,
      counters: this.metrics.endpoint(settings.name),
      hub: this.#hub!,
      held: this.held,
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

  snapshot(): StatusSnapshot {
    return appSnapshot(this)
  }

  ready(): Readiness {
    const writer = this.store.current.nodes.find((n) => n.role === 'writer')
    if (this.#draining) return { ready: false, why: 'Weir is stopping.' }
    if (writer === undefined) return { ready: false, why: 'No writer is known yet.' }
    // One that is only suspect serves: a lost connection is no reason to be taken out of rotation.
    if (!isServing(writer)) return { ready: false, why: `The writer is away: ${writer.because}.` }
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
    this.#moves.stop()
    this.#loopWatch?.stop()
    this.failovers.stop()
    this.pauses.stop()
    await this.#watching?.stop()
    await this.admin?.close()
  }
}

const STOPPING = new WeirError('WEIR_STOPPING', 'the proxy is shutting down', {
  sqlstate: '57P01',
  retryable: true,
})
