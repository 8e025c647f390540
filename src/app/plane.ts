/**
 * The data plane: everything on the path of a byte, from the doors to the server connections. Rule:
 * it is told the topology (its store), pauses and budgets, and tells hints and figures; it finds out
 * nothing about nodes by itself, so there may be several, each in a process of its own.
 */
import type { SecretEntry } from '../auth/secret-file.ts'
import { Secrets } from '../auth/secrets.ts'
import type { EndpointSettings, Settings } from '../config/settings.ts'
import { type Audit, noAudit } from '../core/audit.ts'
import type { Clock } from '../core/clock.ts'
import { messageOf, WeirError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { sparingLog } from '../core/sparing-log.ts'
import { TimerWheel } from '../core/timer-wheel.ts'
import { until } from '../core/until.ts'
import { type Endpoint, endpointOf } from '../endpoint/router.ts'
import { Door } from '../listener/door.ts'
import type { Guard } from '../listener/guard.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Address, Network } from '../net/network.ts'
import type { Budget } from '../pool/budget.ts'
import type { PausedFor } from '../pool/pools.ts'
import type { CancelKey, Protocol } from '../protocol/contract.ts'
import type { CancelOutcome } from '../session/audit-notes.ts'
import { HalfMessages } from '../session/half-messages.ts'
import { HeldBytes } from '../session/held-bytes.ts'
import { Lanes } from '../session/lanes.ts'
import type { ListenerHub } from '../session/listening.ts'
import type { Peers } from '../session/peers.ts'
import type { Rooms } from '../session/rooms.ts'
import type { Sessions } from '../session/sessions.ts'
import type { SlowReaders } from '../session/slow-readers.ts'
import { WelcomeBook } from '../session/welcome.ts'
import type { TopologyStore } from '../topology/store.ts'
import type { Hint } from '../topology/topology.ts'
import { Certificates, type Expiry } from './certificates.ts'
import { FirstAnswers } from './first-answers.ts'
import { guardFor, slowReadersFor, timeoutsFor } from './guard.ts'
import { hubFor } from './hub.ts'
import { Moves } from './moves.ts'
import { peersFor } from './peers.ts'
import { type ListenersElsewhere, protocolFor } from './protocol.ts'
import { homeOf, Servers, type ServerWatch } from './servers.ts'
import {
  cannotListen,
  listenPoolSettings,
  poolSettings,
  sharingRules,
  waitsFor,
} from './settings.ts'
import { Supply } from './supply.ts'
import { countFromZero, poolObserver } from './tally.ts'
import { Keyring } from './tokens.ts'
import { type Users, usersFor } from './user-lookup.ts'

export interface PlaneParts {
  /** Its own share of what is to be shared out. */
  readonly settings: Settings
  readonly network: Network
  readonly sessions: Sessions
  readonly metrics: Metrics
  readonly store: TopologyStore
  readonly clock: Clock
  readonly log: Log
  readonly hint: (hint: Hint) => void
  /** A secret was refused; resolves when the sources of secrets were looked at, where that may help. */
  readonly doubt: () => Promise<void>
  /** What the salts of users are made with; default something nobody knows. */
  readonly pepper?: Buffer
  /** Budgets that somebody else fills; default its own, filled as the nodes tell. */
  readonly budget?: (node: string) => Budget
  /** Listeners in other processes; default none. */
  readonly listeners?: ListenersElsewhere
  /** Told of every server connection and its end, with the process id that the node gave it. */
  readonly onServer?: ServerWatch
  /** Why no session may begin now, besides that the plane stops. */
  readonly full: () => WeirError | undefined
  /** Where logins and the like are written down; default nowhere. */
  readonly audit?: Audit
  /** Carries out a cancel request that is not for a session of this plane; undefined: it may be. */
  readonly cancelElsewhere?: (key: CancelKey) => Promise<void> | undefined
}

export interface Place {
  readonly settings: EndpointSettings
  readonly endpoint: Endpoint
  readonly rooms: Rooms
  readonly door: Door
}

const HOUSEKEEPING_MS = 1_000
/** Server connections with a replaced password make way within this time, not all at once (ms). */
const REPLACED_WITHIN_MS = 60_000

export class DataPlane {
  readonly supply: Supply
  readonly sessions: Sessions
  readonly metrics: Metrics
  readonly held: HeldBytes
  readonly slow: SlowReaders
  readonly secrets: Secrets
  readonly firstAnswers: FirstAnswers
  readonly places: Place[] = []
  #parts: PlaneParts
  #halves: HalfMessages
  #wheel = new TimerWheel(100)
  #welcomes = new WelcomeBook()
  #moves: Moves
  #servers: Servers | undefined
  #hub: ListenerHub | undefined
  #peers: Peers | undefined
  #lanes: Lanes | undefined
  #guard: Guard | undefined
  #certificates: Certificates | undefined
  #keyring: Keyring | undefined
  #users: Users | undefined
  #housekeeping: NodeJS.Timeout | undefined
  #loopWatch: { stop(): void } | undefined
  #draining = false
  #taking: Promise<void> = Promise.resolve()

  constructor(parts: PlaneParts) {
    this.#parts = parts
    const { settings, sessions, metrics, store, clock, log, budget } = parts
    this.secrets = new Secrets(parts.pepper, () => clock.wall())
    this.secrets.onDoubt = () => parts.doubt()
    this.secrets.onTaken = (user) => this.supply.replace(user, REPLACED_WITHIN_MS)
    this.sessions = sessions
    this.metrics = metrics
    this.held = new HeldBytes(settings.limits.heldBytes)
    this.slow = slowReadersFor(settings.limits, clock)
    this.#halves = new HalfMessages(settings.limits.unfinishedBytes)
    this.supply = new Supply({
      open: (key, signal, own) => this.#servers!.open(key, signal, own),
      settings: ({ purpose }) =>
        purpose === 'listen' ? listenPoolSettings(settings) : poolSettings(settings),
      clock,
      wheel: this.#wheel,
      random: Math.random,
      observer: poolObserver(metrics),
      log,
      store,
      waits: waitsFor(settings),
      ...(budget === undefined ? {} : { budget }),
    })
    const { supply } = this
    this.firstAnswers = new FirstAnswers({ router: supply.router, clock })
    const welcomes = this.#welcomes
    const ownBudgets = budget === undefined
    this.#moves = new Moves({ settings, store, supply, welcomes, metrics, clock, ownBudgets })
  }

  get nodes(): string[] {
    return this.#parts.store.current.nodes.map(({ spec }) => spec.name)
  }

  /** When the certificates end that are shown to clients. */
  get expiries(): readonly Expiry[] {
    return this.#certificates?.expiries ?? []
  }

  /** Every server connection open now, lent or not. */
  get servers(): Servers {
    return this.#servers!
  }

  /** Whether everybody who listens is heard. */
  get listening(): boolean {
    return this.#hub?.whole !== false
  }

  /** Builds all that stands behind the doors. */
  async prepare(): Promise<void> {
    const { settings, network, metrics, store, log, clock } = this.#parts
    countFromZero(metrics, settings)
    const { audit = noAudit } = this.#parts
    this.#certificates = await Certificates.open({ tls: settings.tls, clock, log, audit })
    const encrypts = this.#certificates !== undefined
    this.#keyring = await Keyring.open(settings.auth, this.#parts)
    const { rules } = this.#keyring
    const mostOf = (user: string) => rules.of(user).maxClients
    this.#guard = guardFor(settings, clock, this.sessions.heads, mostOf)
    const { listeners } = this.#parts
    this.#users = usersFor({
      ...{ settings, secrets: this.secrets, store, clock, log },
      counters: metrics.general,
    })
    const protocol = protocolFor(settings, this.#users.lookup, encrypts, this.#keyring, listeners)
    this.#servers = new Servers({
      ...{ settings, network, protocol, metrics, store },
      pools: () => this.supply.pools,
      hint: (hint) => {
        if (!this.#draining) this.#parts.hint(hint)
      },
      watch: this.#parts.onServer,
    })
    const { sessions, supply } = this
    const counters = metrics.general
    this.#peers = peersFor(settings, { sessions, network, protocol, counters, log })
    this.#hub = hubFor({ supply, metrics, clock }, protocol, this.#wheel, log)
    const { busyPoll } = settings.listen
    if (busyPoll !== 'off') network.turn.lookFor(busyPoll / 1_000)
    const sharing = sharingRules(settings)
    const { router } = supply
    if (sharing !== undefined)
      this.#lanes = new Lanes({ rules: sharing, clock, router, home: homeOf })
    for (const endpoint of settings.endpoints) this.places.push(this.#place(endpoint, protocol))
  }

  /** @throws WeirError `WEIR_PORT_TAKEN` and the like, naming port and setting */
  async open(): Promise<void> {
    for (const place of this.places) await this.#openDoor(place)
    this.#housekeeping = setInterval(() => {
      this.#moves.keepHouse()
      this.slow.look()
    }, HOUSEKEEPING_MS)
    this.#housekeeping.unref()
    this.#loopWatch = this.metrics.watchLoop(this.#parts.clock)
  }

  /**
   * Takes over users and passwords in place of those before; who is logged in stays so.
   * @throws WeirError WEIR_SECRETS; then nothing has changed
   */
  takeSecrets(entries: readonly SecretEntry[]): Promise<void> {
    const taken = this.#taking.then(() => this.secrets.replace(entries))
    this.#taking = taken.catch(() => {})
    return taken
  }

  /** Resolves when all that was given to `takeSecrets` by now has been taken over. */
  takenSecrets(): Promise<void> {
    return this.#taking
  }

  /**
   * Takes over another certificate, never one where there was none, and other access keys and rules of
   * users; who is logged in stays so.
   * @throws WeirError WEIR_CERTIFICATE, WEIR_TOKENS; what it names has not changed then
   */
  async renew(settings: Settings): Promise<void> {
    await this.#certificates?.renew(settings.tls)
    await this.#keyring?.renew(settings.auth)
    this.#guard?.replaceLists(settings.listen.allow, settings.listen.deny)
  }

  #place(settings: EndpointSettings, protocol: Protocol): Place {
    const { network, log, clock, metrics } = this.#parts
    const { limits, listen } = this.#parts.settings
    const endpoint = endpointOf(settings)
    const rooms: Rooms = {
      protocol,
      router: this.supply.router,
      dedicated: this.supply.dedicated,
      clock,
      wheel: this.#wheel,
      log: sparingLog(log, clock),
      sessions: this.sessions,
      welcomes: this.#welcomes,
      counters: metrics.endpoint(settings.name),
      audit: this.#parts.audit,
      hub: this.#hub!,
      held: this.held,
      lanes: this.#lanes,
      notificationBytes: limits.notificationBytes,
      home: homeOf,
      timeouts: timeoutsFor(limits),
      slow: this.slow,
      halves: this.#halves,
    }
    const door = new Door({
      endpoint,
      rooms,
      network,
      loginTimeoutMs: limits.loginTimeoutMs,
      backlog: listen.backlog,
      maxLoginsInFlight: limits.maxLoginsInFlight,
      loginsBeyond: limits.loginsBeyond,
      maxWaiting: limits.maxClientConnections,
      guard: this.#guard!,
      tlsOffer: () => this.#certificates?.offer,
      byName: (name) => this.places.find((p) => p.settings.name === name),
      byServerName: (name) =>
        this.places.find((p) => p.settings.tlsServerNames.some((n) => n.toLowerCase() === name)),
      endpointNames: () => this.places.map((p) => p.settings.name),
      refuseSession: () =>
        this.#draining ? STOPPING : (this.#parts.audit?.closed ?? this.#parts.full()),
      cancel: (key, tell) => {
        const elsewhere = this.#parts.cancelElsewhere?.(key)
        if (elsewhere === undefined) return this.cancel(key, tell)
        tell('passed-on')
        return elsewhere
      },
    })
    return { settings, endpoint, rooms, door }
  }

  async #openDoor({ settings, door }: Place): Promise<void> {
    const { host } = this.#parts.settings.listen
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

  /** Carries out a cancel request for a session of this plane, or has a peer do it. */
  cancel(key: CancelKey, tell?: (outcome: CancelOutcome) => void): Promise<void> | undefined {
    return this.#peers!.cancel(key, tell)
  }

  pauseNode(node: string, whom?: PausedFor): void {
    this.supply.pauseNode(node, whom)
  }

  resumeNode(node: string): void {
    this.supply.resumeNode(node)
  }

  /** From now on the gates of these endpoints are closed and all others open. */
  closeGates(names: readonly string[]): void {
    for (const { endpoint } of this.places) {
      if (names.includes(endpoint.rule.name)) endpoint.gate.close()
      else endpoint.gate.open()
    }
  }

  /** How many wait for a server connection, of one endpoint or of all. */
  waiting(name: string | undefined): number {
    let waiting = 0
    for (const { endpoint } of this.places) {
      if (name === undefined || name === endpoint.rule.name) waiting += endpoint.gate.waiting
    }
    return waiting
  }

  /** Takes no new clients; who is here stays. */
  async close(): Promise<void> {
    await Promise.all(this.places.map((p) => p.door.close()))
  }

  /** Ends client sessions at their next boundary, then everything. */
  async stop(graceMs: number): Promise<void> {
    this.#draining = true
    await this.close()
    for (const place of this.places) place.door.abort(STOPPING)
    this.sessions.shutDown('draining')
    const idle = until(() => this.sessions.size === 0, graceMs, { what: 'sessions to end' })
    await idle.catch((error: unknown) => {
      const left = this.sessions.size
      this.#parts.log.warn({ left }, `closing ${left} busy client sessions: ${messageOf(error)}`)
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
    this.#certificates?.stop()
    this.#keyring?.stop()
    this.#users?.close()
    this.firstAnswers.unwatch()
  }
}

/** @param here sessions of all data planes */
export function tooManyClients(here: number, most: number): WeirError {
  return new WeirError(
    'WEIR_TOO_MANY_CLIENTS',
    `sorry, too many clients already (${here} of limits.maxClientConnections ${most})`,
    { sqlstate: '53300', retryable: true },
  )
}

const STOPPING = new WeirError('WEIR_STOPPING', 'the proxy is shutting down', {
  sqlstate: '57P01',
  retryable: true,
})
