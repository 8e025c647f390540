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
import { defaultMonitorSettings, Monitor } from '../topology/monitor.ts'
import type { ProbeAnswer } from '../topology/probe.ts'
import type { TopologyStore } from '../topology/store.ts'
import type { Hint } from '../topology/topology.ts'
import { nodeTlsOptions } from './settings.ts'
import { countedProbe } from './tally.ts'

export interface WatchingParts {
  readonly settings: Settings
  readonly secrets: Secrets
  readonly metrics: Metrics
  readonly store: TopologyStore
  readonly clock: Clock
  readonly log: Log
  /** Told of each answer of a node. */
  readonly heard: (node: string, answer: ProbeAnswer) => void
}

export class Watching {
  #settings: Settings
  #probe: PostgresProbe
  #monitor: Monitor

  constructor({ settings, secrets, metrics, store, clock, log, heard }: WatchingParts) {
    const { topology } = settings
    this.#settings = settings
    this.#probe = probeFor(settings, secrets, clock)
    this.#monitor = new Monitor({
      probe: countedProbe(this.#probe, metrics, heard),
      store,
      clock,
      log,
      rules: { downAfter: topology.downAfter, rise: topology.rise },
      settings: {
        ...defaultMonitorSettings,
        periodMs: topology.periodMs,
        suspectPeriodMs: topology.suspectPeriodMs,
        timeoutMs: topology.probeTimeoutMs,
      },
    })
  }

  start(): void {
    this.#monitor.watch(this.#settings.nodes)
  }

  /** A sign of trouble from the byte path. */
  hint(hint: Hint): void {
    this.#monitor.hint(hint)
  }

  async stop(): Promise<void> {
    await this.#monitor.stop()
    await this.#probe.close()
  }
}

function probeFor(settings: Settings, secrets: Secrets, clock: Clock): PostgresProbe {
  const { topology, tls } = settings
  const user = topology.user ?? secrets.usernames()[0] ?? 'postgres'
  return new PostgresProbe({
    user,
    password: () => {
      const proof = secrets.proofOf(user)
      return proof?.kind === 'password' ? proof.password : undefined
    },
    database: topology.database,
    ...(tls.nodes === 'disable' || tls.nodes === 'prefer'
      ? {}
      : { tls: nodeTlsOptions(settings, undefined) }),
    clock,
  })
}
