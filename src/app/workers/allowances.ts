/**
 * A worker's side of the shared budgets: carries out what the broker says, and tells it how each
 * node's budget stands. Rule: a place counts as given back only when its server connection is gone,
 * not when it was told to go; by then the node has room for another.
 */
import type { Clock, Timer } from '../../core/clock.ts'
import { Budget, UNKNOWN_LIMIT } from '../../pool/budget.ts'
import type { Allowance, Need } from './messages.ts'

/** A server connection that was closed, as far as it matters whether it is gone. */
export interface Closing {
  readonly node: string
  readonly link: { readonly closed: boolean }
}

export interface AllowancesParts {
  readonly clock: Clock
  readonly tell: (need: Need) => void
}

/** How often a closed connection is looked at, and for how long it counts at most (ms). */
const LOOK_MS = 2
const GONE_AFTER_MS = 1_000
/** A connection that was cut is closed here at once; the node needs a moment to see that. */
const CUT_MS = 10

interface Leaving {
  readonly node: string
  readonly link: { readonly closed: boolean }
  readonly from: number
  readonly until: number
}

export class Allowances {
  #parts: AllowancesParts
  #orders = new Map<string, number>()
  #budgets = new Map<string, Budget>()
  #leaving = new Set<Leaving>()
  #looking: Timer | undefined
  #changed = new Set<string>()
  #told = new Map<string, string>()
  #telling = false

  constructor(parts: AllowancesParts) {
    this.#parts = parts
  }

  /** The budget of a node; it has nothing until the broker says so. */
  budget(node: string): Budget {
    let budget = this.#budgets.get(node)
    if (budget === undefined) {
      budget = new Budget({ node, clock: this.#parts.clock })
      budget.govern({ changed: () => this.#note(node) })
      budget.allow(0, UNKNOWN_LIMIT, 1)
      this.#budgets.set(node, budget)
    }
    return budget
  }

  allow({ node, order, limit, whole, share }: Allowance): void {
    this.#orders.set(node, order)
    this.budget(node).allow(limit, whole, share)
    this.#note(node)
  }

  yield(node: string, order: number, most: number): void {
    this.#orders.set(node, order)
    this.budget(node).yield(most)
    this.#note(node)
  }

  denied(node: string): void {
    this.budget(node).denied()
  }

  /** A server connection was closed or lost. */
  closing({ node, link }: Closing): void {
    const now = this.#parts.clock.monotonic()
    const from = link.closed ? now + CUT_MS : now
    this.#leaving.add({ node, link, from, until: now + GONE_AFTER_MS })
    this.#look()
  }

  stop(): void {
    this.#looking?.cancel()
  }

  #look(): void {
    if (this.#looking !== undefined || this.#leaving.size === 0) return
    this.#looking = this.#parts.clock.after(LOOK_MS, () => {
      this.#looking = undefined
      const now = this.#parts.clock.monotonic()
      for (const one of this.#leaving) {
        if (!(one.link.closed && now >= one.from) && now < one.until) continue
        this.#leaving.delete(one)
        this.#note(one.node)
      }
      this.#look()
    })
  }

  /** Told at the end of this turn, all changes at once. */
  #note(node: string): void {
    this.#changed.add(node)
    if (this.#telling) return
    this.#telling = true
    queueMicrotask(() => {
      this.#telling = false
      const changed = [...this.#changed]
      this.#changed.clear()
      for (const one of changed) this.#tell(one)
    })
  }

  #tell(node: string): void {
    const budget = this.budget(node)
    const order = this.#orders.get(node)
    // Before its first order there is nobody to tell.
    if (order === undefined) return
    let closing = 0
    for (const one of this.#leaving) if (one.node === node) closing++
    const { allowed, hungry } = budget
    const need: Need = {
      kind: 'need',
      node,
      order,
      limit: allowed,
      taken: budget.taken + closing,
      wants: budget.taken < allowed ? 0 : hungry,
    }
    const text = JSON.stringify(need)
    if (this.#told.get(node) === text) return
    this.#told.set(node, text)
    this.#parts.tell(need)
  }
}
