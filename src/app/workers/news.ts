/**
 * Tells of each new topology. Rule: a change of role or health goes out at once; positions, of which
 * hundreds may come in a second, are told together now and then.
 */
import type { Clock, Timer } from '../../core/clock.ts'
import type { ObservedTopology } from '../../topology/observed.ts'
import type { TopologyStore, TopologyWait } from '../../topology/store.ts'

export interface NewsParts {
  readonly store: TopologyStore
  readonly clock: Clock
  readonly tell: (now: ObservedTopology, sentences: readonly string[]) => void
}

/** At most one telling of mere positions in so many milliseconds. */
const POSITIONS_MS = 10

export class News {
  #parts: NewsParts
  #told: ObservedTopology
  #wait: TopologyWait | undefined
  #later: Timer | undefined
  #stopped = false

  constructor(parts: NewsParts) {
    this.#parts = parts
    const { store } = parts
    this.#told = store.current
    store.subscribe((_, __, sentences) => this.#tell(sentences))
    this.#follow()
  }

  stop(): void {
    this.#stopped = true
    this.#wait?.cancel()
    this.#later?.cancel()
  }

  #follow(): void {
    const { store, clock } = this.#parts
    this.#wait = store.changed(
      store.current,
      () => {
        this.#later ??= clock.after(POSITIONS_MS, () => {
          this.#later = undefined
          this.#tell([])
        })
        if (!this.#stopped) this.#follow()
      },
      'news',
    )
  }

  #tell(sentences: readonly string[]): void {
    const { current } = this.#parts.store
    if (this.#stopped || current === this.#told) return
    this.#told = current
    this.#parts.tell(current, sentences)
  }
}
