/**
 * The counters of one data plane. Rule: counting is arithmetic on plain fields; prom-client sees
 * a copy, once per scrape (`exposition.ts`).
 *
 * How a data plane counts:
 *
 *   const mine = metrics.endpoint('writer')      once per session, at its start
 *   mine.clients++                               ... and -- when it ends: nothing else balances it
 *   mine.queries++                               per Query, Execute, FunctionCall
 *   mine.pins.add('temporary-table')             reasons are the printed forms of closed unions
 *   mine.borrow.record(clock.monotonic() - asked)   milliseconds
 *
 *   worker:         port.postMessage(metrics.snapshot())
 *   control plane:  workers.map(latest).reduce(merge)
 *
 * Counters change with no `await` between read and write; that is the only lock they have.
 */
import type { Clock } from '../core/clock.ts'
import { EndpointCounters, GeneralCounters, NodeCounters } from './counters.ts'
import { countsOf, type MetricsSnapshot } from './snapshot.ts'

export class Metrics {
  readonly general = new GeneralCounters()
  #endpoints = new Map<string, EndpointCounters>()
  #nodes = new Map<string, NodeCounters>()

  /** The counters of an endpoint, made at first use and kept as long as the process. */
  endpoint(name: string): EndpointCounters {
    let counters = this.#endpoints.get(name)
    if (counters === undefined) {
      counters = new EndpointCounters()
      this.#endpoints.set(name, counters)
    }
    return counters
  }

  /** The counters of a node, made at first use and kept as long as the process. */
  node(name: string): NodeCounters {
    let counters = this.#nodes.get(name)
    if (counters === undefined) {
      counters = new NodeCounters()
      this.#nodes.set(name, counters)
    }
    return counters
  }

  /** What became of sessions that lost their server, over all endpoints. */
  outcomes(): Record<string, number> {
    const sums: Record<string, number> = {}
    for (const { outcomes } of this.#endpoints.values()) {
      for (const [word, n] of Object.entries(outcomes.snapshot())) {
        sums[word] = (sums[word] ?? 0) + n
      }
    }
    return sums
  }

  /** A plain copy of everything counted so far. */
  snapshot(): MetricsSnapshot {
    return {
      endpoints: Object.fromEntries([...this.#endpoints].map(([name, c]) => [name, countsOf(c)])),
      nodes: Object.fromEntries([...this.#nodes].map(([name, c]) => [name, countsOf(c)])),
      general: countsOf(this.general),
    }
  }

  /**
   * Measures every `everyMs` how late a timer fires and records it as `general.loopLag`.
   * @returns stops measuring
   */
  watchLoop(clock: Clock, everyMs = 100): { stop(): void } {
    let due = clock.monotonic() + everyMs
    const turn = (): void => {
      const now = clock.monotonic()
      this.general.loopLag.record(now - due)
      due = now + everyMs
      timer = clock.after(everyMs, turn)
    }
    let timer = clock.after(everyMs, turn)
    return { stop: () => timer.cancel() }
  }
}
