/**
 * Picks one of several nodes that may all serve. Rule: two new connections in a row get different
 * nodes whenever the measure leaves a choice; so every tie goes to the node picked longest ago.
 *
 * Smooth weighted round robin: each turn every candidate earns its weight, the richest is picked
 * and pays what all earned together. Weights 2 and 1 give a b a, a b a, not a a b.
 */
import type { NodeState } from '../topology/topology.ts'
import type { Balance } from './endpoint.ts'

/** What balancing wants to know of the pools and of chance. */
export interface Load {
  /** Leases out on a node now, and sessions that wait there for one. */
  leases(node: string): number
  /** Connections the proxy may have on a node; its share of the load under `leastLeases`. */
  budget(node: string): number
  /** At least 0, less than 1. */
  random(): number
}

/** What one endpoint remembers of its picks; one instance for each endpoint, kept by the caller. */
export class Turns {
  /** Number of the pick at which a node was last picked. */
  #picked = new Map<string, number>()
  #earned = new Map<string, number>()
  #count = 0

  /** The node picked longest ago; never is longest. */
  stalest(nodes: readonly NodeState[]): NodeState {
    return nodes.reduce((a, b) => (this.#last(b) < this.#last(a) ? b : a))
  }

  /** One turn of smooth weighted round robin. Weights of 0 are never picked beside others. */
  next(nodes: readonly NodeState[]): NodeState {
    let total = 0
    let richest = nodes[0]!
    for (const node of nodes) {
      const name = node.spec.name
      total += node.spec.weight
      this.#earned.set(name, (this.#earned.get(name) ?? 0) + node.spec.weight)
      if (this.#wealth(node) > this.#wealth(richest)) richest = node
    }
    this.#earned.set(richest.spec.name, this.#wealth(richest) - total)
    return richest
  }

  note(node: NodeState): void {
    this.#picked.set(node.spec.name, ++this.#count)
  }

  #last(node: NodeState): number {
    return this.#picked.get(node.spec.name) ?? 0
  }

  #wealth(node: NodeState): number {
    return this.#earned.get(node.spec.name) ?? 0
  }
}

/**
 * One of `nodes`, which must not be empty; remembers the pick in `turns`.
 *
 * @throws Error as our bug when there is nothing to pick from.
 */
export function pick(
  balance: Balance,
  nodes: readonly NodeState[],
  load: Load,
  turns: Turns,
): NodeState {
  if (nodes.length === 0) throw new Error('BUG: balance over no nodes')
  const node = nodes.length === 1 ? nodes[0]! : among(balance, nodes, load, turns)
  turns.note(node)
  return node
}

function among(balance: Balance, nodes: readonly NodeState[], load: Load, turns: Turns): NodeState {
  switch (balance) {
    case 'leastLeases':
      return turns.stalest(
        least(nodes, ({ spec }) => load.leases(spec.name) / Math.max(load.budget(spec.name), 0)),
      )
    case 'roundRobin':
      return turns.next(nodes)
    case 'random':
      return drawn(nodes, load.random())
    case 'fastestResponse':
      return turns.stalest(near(nodes))
    default:
      return balance satisfies never
  }
}

/** All nodes with the least measure; 0 / 0 (nothing allowed) counts as full. */
function least(
  nodes: readonly NodeState[],
  measure: (node: NodeState) => number,
): readonly NodeState[] {
  const measured = nodes.map((node) => {
    const value = measure(node)
    return { node, value: Number.isNaN(value) ? Infinity : value }
  })
  const smallest = Math.min(...measured.map((m) => m.value))
  return measured.filter((m) => m.value === smallest).map((m) => m.node)
}

/** Answers within this share of the fastest are as fast: probe times on one machine jitter more. */
const AS_FAST = 1.2

function near(nodes: readonly NodeState[]): readonly NodeState[] {
  const fastest = Math.min(...nodes.map((n) => n.responseMs ?? Infinity))
  if (fastest === Infinity) return nodes
  return nodes.filter((n) => (n.responseMs ?? Infinity) <= fastest * AS_FAST)
}

/** `dice` (0 to 1) laid along the weights; equal weights when none has any. */
function drawn(nodes: readonly NodeState[], dice: number): NodeState {
  const total = nodes.reduce((sum, node) => sum + node.spec.weight, 0)
  if (total === 0) return nodes[Math.floor(dice * nodes.length)] ?? nodes[0]!
  let left = dice * total
  for (const node of nodes) {
    left -= node.spec.weight
    if (left < 0) return node
  }
  return nodes.at(-1)!
}
