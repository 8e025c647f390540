/**
 * What a client is told at the end of its login (server_version and the like), learnt from a real
 * server connection the first time and remembered. Rule: only the first login of an endpoint,
 * database, user and set of startup settings borrows a server connection, which also proves that the
 * database exists and the settings are valid; every later one costs the node nothing.
 */
import type { Introduction } from '../protocol/contract.ts'

export type Parameters = ReadonlyMap<string, string>

const MOST_WELCOMES = 4_096

export class WelcomeBook {
  #byKey = new Map<string, Parameters>()

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

  /** Another node serves now: what was learnt may no longer hold (version, in_hot_standby). */
  forget(): void {
    this.#byKey.clear()
  }
}

export function welcomeKey(endpoint: string, who: Introduction): string {
  return JSON.stringify([endpoint, who.database, who.user, who.settingsKey])
}
