/**
 * What a client is told at the end of its login (server_version and the like), learnt from a real
 * server connection the first time and remembered. Rule: only the first login of its kind (endpoint,
 * database, user and startup settings, whatever it calls itself) borrows a server connection, which
 * also proves that the database exists and the settings are valid; later ones cost the node nothing.
 */
import type { WeirError } from '../core/errors.ts'

export type Parameters = ReadonlyMap<string, string>

/** What a login is told that had to wait for its welcome. */
export type Told = (outcome: Parameters | WeirError) => void

/** Something under way that can be given up. */
export interface Cancellable {
  cancel(): void
}

interface Fetching {
  errand: Cancellable | undefined
  readonly waiting: Set<Told>
}

const MOST_WELCOMES = 4_096

export class WelcomeBook {
  #byKey = new Map<string, Parameters>()
  #fetching = new Map<string, Fetching>()

  find(key: string): Parameters | undefined {
    return this.#byKey.get(key)
  }

  learn(key: string, parameters: Parameters): void {
    if (this.#byKey.size >= MOST_WELCOMES) {
      const oldest = this.#byKey.keys().next()
      if (!oldest.done) this.#byKey.delete(oldest.value)
    }
    this.#byKey.set(key, new Map(parameters))
  }

  /**
   * Tells `told` once what `begin` brings back; all who ask for one key meanwhile share one errand,
   * so a thousand logins at once cost one server connection. Given up when nobody waits any more.
   */
  fetch(key: string, begin: (done: Told) => Cancellable, told: Told): Cancellable {
    const known = this.#fetching.get(key)
    const fetching: Fetching = known ?? { errand: undefined, waiting: new Set() }
    fetching.waiting.add(told)
    if (known === undefined) {
      this.#fetching.set(key, fetching)
      fetching.errand = begin((outcome) => this.#brought(key, fetching, outcome))
    }
    return {
      cancel: () => {
        if (!fetching.waiting.delete(told) || fetching.waiting.size > 0) return
        if (this.#fetching.get(key) === fetching) this.#fetching.delete(key)
        fetching.errand?.cancel()
      },
    }
  }

  #brought(key: string, fetching: Fetching, outcome: Parameters | WeirError): void {
    this.#fetching.delete(key)
    if (outcome instanceof Map) this.learn(key, outcome)
    const waiting = [...fetching.waiting]
    fetching.waiting.clear()
    for (const told of waiting) told(outcome)
  }

  /** Another node serves now: what was learnt may no longer hold (version, in_hot_standby). */
  forget(): void {
    this.#byKey.clear()
  }
}
