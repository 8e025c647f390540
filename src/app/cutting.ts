/**
 * Cuts what hangs on a node that is silent: frozen or cut off, it keeps its sockets open, and whoever
 * waits for its answer would wait for ever. Rule: a node that answers anybody is left alone, and so is
 * one that answers the control connection with something else than it was asked.
 */
import type { Clock, Timer } from '../core/clock.ts'
import type { TopologyStore } from '../topology/store.ts'
import type { Topology } from '../topology/topology.ts'

/** A node that has been down for so long will not finish what it had begun. */
export const HOPELESS_MS = 1_000

export interface CuttingParts {
  readonly store: TopologyStore
  readonly clock: Clock
  readonly cut: (node: string) => void
  /** When the node last answered a client (monotonic). */
  readonly lastAnswerOf: (node: string) => number | undefined
}

export class Cutting {
  #parts: CuttingParts
  /** One for each node that is down. */
  #timers = new Map<string, Timer>()
  #stopped = false

  constructor(parts: CuttingParts) {
    this.#parts = parts
  }

  /** For each new topology. */
  look(now: Topology): void {
    if (this.#stopped) return
    const down = new Set(now.nodes.filter((n) => n.health === 'down').map((n) => n.spec.name))
    for (const [node, timer] of this.#timers) {
      if (down.has(node)) continue
      timer.cancel()
      this.#timers.delete(node)
    }
    for (const node of down) if (!this.#timers.has(node)) this.#wait(node)
  }

  stop(): void {
    this.#stopped = true
    for (const timer of this.#timers.values()) timer.cancel()
    this.#timers.clear()
  }

  /** Looks again and again: what the last probe failed by may change while a node is down. */
  #wait(node: string): void {
    const { clock, store, cut, lastAnswerOf } = this.#parts
    const timer = clock.after(HOPELESS_MS, () => {
      const failedBy = store.current.nodes.find((n) => n.spec.name === node)?.failedBy
      this.#wait(node)
      const silentMs = clock.monotonic() - (lastAnswerOf(node) ?? -Infinity)
      if (silentMs < HOPELESS_MS) return
      if (failedBy === 'timeout' || failedBy === 'refused') cut(node)
    })
    this.#timers.set(node, timer)
  }
}
