/**
 * What finds out who is writer, as the app makes it: the probe, the monitor and where the list of
 * nodes comes from. Rule: it only watches; what follows from a change is in `moves.ts`.
 */
import type { Secrets } from '../auth/secrets.ts'
import type { Settings } from '../config/settings.ts'
import type { Clock } from '../core/clock.ts'
import type { Log } from '../core/log.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { PostgresProbe } from '../protocol/postgres/probe.ts'
import { addressOfNode } from '../server/node-address.ts'
import { defaultMonitorSettings, Monitor } from '../topology/monitor.ts'
import type { ProbeAnswer } from '../topology/probe.ts'
import { type SourceState, SourceWatch } from '../topology/source/source-watch.ts'
import { staticListing } from '../topology/source/static.ts'
import type { TopologyStore } from '../topology/store.ts'
import type { Hint, NodeSpec } from '../topology/topology.ts'
import { type ControlLogins, controlLogins } from './control-logins.ts'
import { missingMembers, sourceFor, sourceTimes } from './node-source.ts'
import { countedProbe, countNodesFromZero } from './tally.ts'

export interface WatchingParts {
  readonly settings: Settings
  readonly secrets: Secrets
  readonly metrics: Metrics
  readonly store: TopologyStore
  readonly clock: Clock
  readonly log: Log
  /** When a node last answered a client (monotonic); 0: never. */
  readonly lastAnswerOf: (node: string) => number
  /** Told of each answer of a node. */
  readonly heard: (node: string, answer: Pick<ProbeAnswer, 'inRecovery'>) => void
  /** A sentence for the list of events. */
  readonly say: (sentence: string) => void
}

export class Watching {
  #parts: WatchingParts
  #probe: PostgresProbe
  #monitor: Monitor
  /** Undefined when the nodes are those of the file. */
  #source: SourceWatch | undefined
  #logins: ControlLogins
  #startedAt: number
  #missing: readonly string[] = []

  constructor(parts: WatchingParts) {
    const { settings, secrets, metrics, store, clock, log, heard, lastAnswerOf } = parts
    const { topology } = settings
    this.#parts = parts
    this.#startedAt = clock.wall()
    this.#logins = controlLogins(settings, secrets)
    this.#probe = new PostgresProbe({
      user: this.#logins.user,
      database: topology.database,
      stream: (node) => this.#logins.stream(addressOfNode(node), 'weir probe'),
      clock,
    })
    this.#monitor = new Monitor({
      probe: countedProbe(this.#probe, metrics, heard),
      store,
      clock,
      log,
      lastAnswerOf,
      rules: { downAfter: topology.downAfter, rise: topology.rise },
      settings: {
        ...defaultMonitorSettings,
        periodMs: topology.periodMs,
        suspectPeriodMs: topology.suspectPeriodMs,
        timeoutMs: topology.probeTimeoutMs,
      },
    })
    const source = sourceFor(
      settings,
      // Asked by its address, before it is known which node that is.
      (place) =>
        this.#logins.stream(addressOfNode({ name: place.host, ...place }), 'weir topology'),
      clock,
    )
    if (source === undefined) return
    const watched = new SourceWatch({
      source,
      clock,
      ...sourceTimes(settings),
      onNodes: (nodes) => this.#found(nodes),
      // It may be late or wrong, so it decides nothing; but it is a good moment to look.
      onLeader: () => void this.#monitor.probeNow(),
      say: (sentence, bad) => this.#say(sentence, bad),
    })
    this.#source = watched
    store.subscribe(({ nodes }) => {
      if (!nodes.some((n) => n.role === 'writer' && n.health !== 'down')) watched.hurry()
    })
  }

  start(): void {
    if (this.#source !== undefined) this.#source.start()
    else this.#monitor.watch(staticListing(this.#parts.settings.nodes).nodes)
  }

  /** New control connections have the TLS towards the nodes that these settings have. */
  renew(settings: Settings): void {
    this.#logins = controlLogins(settings, this.#parts.secrets)
  }

  /** Where the nodes come from, and how that fares. */
  get source(): SourceState {
    if (this.#source !== undefined) return this.#source.state
    const because = 'the nodes are those of the configuration'
    return {
      ...{ kind: 'static', place: 'the configuration', ok: true, because },
      since: this.#startedAt,
    }
  }

  /** A sign of trouble from the byte path. */
  hint(hint: Hint): void {
    this.#monitor.hint(hint)
  }

  /** See `PostgresProbe`. */
  promotedAt(node: string): Promise<number | undefined> {
    return this.#probe.promotedAt(node)
  }

  async stop(): Promise<void> {
    await this.#source?.stop()
    await this.#monitor.stop()
    await this.#probe.close()
  }

  #found(nodes: readonly NodeSpec[]): void {
    const { settings, metrics } = this.#parts
    countNodesFromZero(metrics, nodes)
    this.#monitor.watch(nodes)
    const missing = missingMembers(settings.endpoints, nodes)
    for (const sentence of missing) if (!this.#missing.includes(sentence)) this.#say(sentence, true)
    this.#missing = missing
  }

  #say(sentence: string, bad: boolean): void {
    const { log, say } = this.#parts
    log[bad ? 'warn' : 'info']({}, sentence)
    say(sentence)
  }
}
