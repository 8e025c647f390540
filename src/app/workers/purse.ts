/**
 * The allowances of all nodes, shared out among the workers: one broker for each node. Rule: the
 * limits are those that the nodes tell; a node that has left keeps its broker, for its connections
 * may outlast it.
 */
import type { Settings } from '../../config/settings.ts'
import type { Clock } from '../../core/clock.ts'
import type { Topology } from '../../topology/topology.ts'
import { budgetOf } from '../settings.ts'
import { Broker } from './broker.ts'
import type { Ghosts } from './ghosts.ts'
import type { Hand } from './hand.ts'
import type { Need } from './messages.ts'

export interface PurseParts {
  readonly clock: Clock
  readonly ghosts: Pick<Ghosts, 'gone'>
  readonly seats: number
}

export class Purse {
  #parts: PurseParts
  #brokers = new Map<string, Broker>()
  #hands = new Set<Hand>()

  constructor(parts: PurseParts) {
    this.#parts = parts
  }

  /** Another topology; to be told before the workers are. */
  look({ nodes }: Topology, settings: Settings): void {
    for (const { spec, connectionLimit } of nodes) {
      const broker = this.#broker(spec.name)
      if (connectionLimit !== undefined) broker.setLimit(budgetOf(settings, connectionLimit))
    }
  }

  join(hand: Hand): void {
    this.#hands.add(hand)
    for (const broker of this.#brokers.values()) this.#open(broker, hand)
  }

  /** What it held is given to nobody until the nodes say that it is gone, however it ended. */
  leave(hand: Hand): void {
    this.#hands.delete(hand)
    for (const [node, broker] of this.#brokers) {
      broker.leave(hand.number)
      const backends = hand.backends.get(node) ?? new Set<number>()
      void this.#parts.ghosts.gone(node, backends).then(() => broker.release(hand.number))
    }
  }

  heard(hand: Hand, need: Need): void {
    this.#brokers.get(need.node)?.heard(hand.number, need)
  }

  /** Whether a worker that left with that number still counts. */
  haunted(number: number): boolean {
    return [...this.#brokers.values()].some((broker) => broker.haunts(number))
  }

  /** By node. */
  get limits(): Record<string, number> {
    return Object.fromEntries([...this.#brokers].map(([node, { limit }]) => [node, limit]))
  }

  stop(): void {
    for (const broker of this.#brokers.values()) broker.stop()
  }

  #broker(node: string): Broker {
    let broker = this.#brokers.get(node)
    if (broker === undefined) {
      broker = new Broker(node, this.#parts.clock, this.#parts.seats)
      this.#brokers.set(node, broker)
      for (const hand of this.#hands) this.#open(broker, hand)
    }
    return broker
  }

  #open(broker: Broker, hand: Hand): void {
    broker.join(hand.number, {
      allow: (allowance) => hand.send(allowance),
      yield: (node, order, most) => hand.send({ kind: 'yield', node, order, most }),
      denied: (node) => hand.send({ kind: 'denied', node }),
    })
  }
}
