/**
 * What has happened, in sentences and counts: the list of events, changes of writer, fenced nodes.
 * Rule: it acts on nothing; what follows from a change of the topology is in `moves.ts`.
 */
import type { Occurrence } from '../admin/snapshot.ts'
import type { Clock } from '../core/clock.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { TopologyStore } from '../topology/store.ts'
import type { Topology } from '../topology/topology.ts'
import { WriterWatch } from './tally.ts'

/** Events kept for the status page. */
const EVENTS_KEPT = 100

export class Chronicle {
  readonly events: Occurrence[] = []
  #metrics: Metrics
  #clock: Clock
  #writers: WriterWatch

  constructor(parts: { store: TopologyStore; metrics: Metrics; clock: Clock }) {
    this.#metrics = parts.metrics
    this.#clock = parts.clock
    this.#writers = new WriterWatch(parts.metrics)
    parts.store.subscribe((now, before, sentences) => this.#changed(now, before, sentences))
  }

  tell(text: string): void {
    this.add({ at: this.#clock.wall(), text })
  }

  add(occurrence: Occurrence): void {
    this.events.push(occurrence)
    this.events.splice(0, Math.max(0, this.events.length - EVENTS_KEPT))
  }

  #changed(now: Topology, before: Topology, sentences: readonly string[]): void {
    for (const text of sentences) this.tell(text)
    this.#writers.look(now)
    for (const { spec, fenced } of now.nodes) {
      const was = before.nodes.find((n) => n.spec.name === spec.name)
      if (fenced && was !== undefined && !was.fenced) this.#metrics.node(spec.name).fenced++
    }
  }
}
