/**
 * Holds the current topology and tells those who wait for another one. Rule: only the monitor puts;
 * everybody else reads `current` and looks again when woken. Nobody is called from inside their
 * own `changed`, so a caller has its `Wait` in hand before `done` can run.
 */

import { messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { emptyTopology, type ObservedTopology } from './observed.ts'
import type { Topology } from './topology.ts'

/** `epoch`: a role, health or membership changed. `news`: that, or any position or lag. */
export type WakeOn = 'epoch' | 'news'

export interface TopologyWait {
  /** After this `done` will not run. */
  cancel(): void
}

/** Called once for each epoch, in the order of epochs. */
export type Subscriber = (now: Topology, before: Topology, sentences: readonly string[]) => void

interface Waiting {
  readonly seen: Topology
  readonly wakeOn: WakeOn
  readonly done: (now: Topology) => void
}

interface News {
  readonly now: Topology
  readonly before: Topology
  readonly sentences: readonly string[]
}

export class TopologyStore {
  #current: ObservedTopology = emptyTopology
  /** News being told, the first of them right now. */
  #untold: News[] = []
  #subscribers = new Set<Subscriber>()
  /** Kept apart: while a writer is away positions come hundreds of times a second, and thousands wait. */
  #waiting: Readonly<Record<WakeOn, Set<Waiting>>> = { epoch: new Set(), news: new Set() }
  #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  get current(): ObservedTopology {
    return this.#current
  }

  /** How many wait for a change: a number for the console, and for tests that look for leaks. */
  get waiting(): number {
    return this.#waiting.epoch.size + this.#waiting.news.size
  }

  /** For the monitor alone. A listener may cause another put: that one is told after this one. */
  put(next: ObservedTopology, sentences: readonly string[]): void {
    const before = this.#current
    if (next === before) return
    this.#current = next
    this.#untold.push({ now: next, before, sentences })
    if (this.#untold.length > 1) return
    for (let news = this.#untold[0]; news !== undefined; news = this.#untold[0]) {
      this.#tell(news)
      this.#untold.shift()
    }
  }

  /** Calls `fn` at every new epoch until the returned function is called. */
  subscribe(fn: Subscriber): () => void {
    // Wrapped, so that one function may subscribe twice and leave once.
    const entry: Subscriber = (now, before, sentences) => fn(now, before, sentences)
    this.#subscribers.add(entry)
    return () => this.#subscribers.delete(entry)
  }

  /**
   * Calls `done` once as soon as the topology is another one than `seen`; at the end of this turn
   * if it already is. The caller keeps its own deadline and cancels.
   */
  changed(seen: Topology, done: (now: Topology) => void, wakeOn: WakeOn = 'epoch'): TopologyWait {
    const wait: Waiting = { seen, wakeOn, done }
    this.#waiting[wakeOn].add(wait)
    if (this.#due(wait)) queueMicrotask(() => this.#wake(wait))
    return { cancel: () => this.#waiting[wakeOn].delete(wait) }
  }

  #tell({ now, before, sentences }: News): void {
    if (now.epoch !== before.epoch) {
      for (const fn of [...this.#subscribers]) this.#call(() => fn(now, before, sentences))
      for (const wait of [...this.#waiting.epoch]) this.#wake(wait)
    }
    for (const wait of [...this.#waiting.news]) this.#wake(wait)
  }

  #due(wait: Waiting): boolean {
    if (wait.wakeOn === 'news') return wait.seen !== this.#current
    return wait.seen.epoch !== this.#current.epoch
  }

  #wake(wait: Waiting): void {
    if (!this.#due(wait) || !this.#waiting[wait.wakeOn].delete(wait)) return
    this.#call(() => wait.done(this.#current))
  }

  /** One listener's mistake is not the next one's missed failover. */
  #call(fn: () => void): void {
    try {
      fn()
    } catch (error) {
      this.#log.error({ error: messageOf(error) }, 'BUG: a topology listener threw')
    }
  }
}
