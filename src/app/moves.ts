/**
 * What a change of the topology does to pools and welcomes. Rule: it acts on what the topology says
 * and finds out nothing by itself.
 */
import type { Settings } from '../config/settings.ts'
import type { Clock } from '../core/clock.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { ServerConnection } from '../server/server-connection.ts'
import type { WelcomeBook } from '../session/welcome.ts'
import type { TopologyStore } from '../topology/store.ts'
import type { Topology } from '../topology/topology.ts'
import { Cutting } from './cutting.ts'
import { budgetOf } from './settings.ts'
import type { Supply } from './supply.ts'
import { Understudies } from './understudies.ts'

export interface MovesParts {
  readonly settings: Settings
  readonly store: TopologyStore
  readonly supply: Supply
  readonly welcomes: WelcomeBook
  readonly metrics: Metrics
  readonly clock: Clock
  /** False where the budgets of nodes are set by somebody else. */
  readonly ownBudgets: boolean
}

export class Moves {
  #parts: MovesParts
  #cutting: Cutting
  #understudies: Understudies<ServerConnection>

  constructor(parts: MovesParts) {
    this.#parts = parts
    const { store, clock, supply, settings, metrics } = parts
    const { pools } = supply
    this.#understudies = new Understudies({ pools, most: settings.pool.openingsAtOnce })
    const lastAnswerOf = (node: string): number => metrics.node(node).response.lastAt
    this.#cutting = new Cutting({ store, clock, cut: (node) => supply.cut(node), lastAnswerOf })
    parts.store.subscribe((now, before) => this.#changed(now, before))
  }

  #changed(now: Topology, before: Topology): void {
    const { settings, supply, welcomes, ownBudgets } = this.#parts
    this.#understudies.look(now, before)
    for (const node of now.nodes) {
      const { name } = node.spec
      if (ownBudgets && node.connectionLimit !== undefined) {
        supply.pools.budget(name).setLimit(budgetOf(settings, node.connectionLimit))
      }
      const was = before.nodes.find((n) => n.spec.name === name)
      if (was === undefined) continue
      const fell = node.health === 'down' && was.health !== 'down'
      const demoted = was.role === 'writer' && node.role !== 'writer'
      if (fell || demoted) supply.retire(name, node.because)
      // It hangs, and another has taken over: no answer of it would be worth waiting for.
      if (demoted && node.health === 'down') supply.cut(name)
      // What a transaction or a pinned session would still write there is lost.
      if (node.fenced && !was.fenced) supply.cut(name)
    }
    for (const { spec, health } of before.nodes) {
      const node = now.nodes.find((n) => n.spec.name === spec.name)
      const moved = node?.spec.host !== spec.host || node.spec.port !== spec.port
      if (!moved) continue
      supply.retire(spec.name, node?.because ?? 'it left the topology')
      // Nobody looks after that server any more: what waits for it there might wait for ever.
      if (health === 'down') supply.cut(spec.name)
    }
    this.#cutting.look(now)
    // While a node is only suspect or away, new clients are still welcomed at once and wait later.
    const changed = now.nodes.some((node) => {
      const was = before.nodes.find((n) => n.spec.name === node.spec.name)
      return was?.role !== node.role || was.versionNum !== node.versionNum
    })
    if (changed) welcomes.forget()
  }

  stop(): void {
    this.#cutting.stop()
  }

  /** About once a second. */
  keepHouse(): void {
    const { supply, clock } = this.#parts
    supply.pools.janitor(clock.monotonic())
  }
}
