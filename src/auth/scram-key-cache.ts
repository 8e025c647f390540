/**
 * Remembers the keys of (password, salt, iterations), so that a storm of server openings costs one
 * PBKDF2. Rule: openings that ask while it is being computed share that one computation; the
 * passwords themselves are not kept, only a keyed digest of them.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { deriveKeys, type ScramKeys } from './scram-keys.ts'

export interface ScramKeySource {
  /** At once when known, otherwise a promise; its failure is not remembered. */
  keysFor(password: string, salt: Buffer, iterations: number): ScramKeys | Promise<ScramKeys>
}

export class ScramKeyCache implements ScramKeySource {
  #limit: number
  #digestKey = randomBytes(32)
  /** Oldest use first: a hit is taken out and put back at the end. */
  #entries = new Map<string, ScramKeys | Promise<ScramKeys>>()
  #derivations = 0

  /** @param limit entries kept; a node has one salt per user, so users times nodes suffices */
  constructor(limit = 4096) {
    this.#limit = limit
  }

  /** How many PBKDF2 runs were started. */
  get derivations(): number {
    return this.#derivations
  }

  keysFor(password: string, salt: Buffer, iterations: number): ScramKeys | Promise<ScramKeys> {
    const key = createHmac('sha256', this.#digestKey)
      .update(`${iterations}:${salt.length}:`)
      .update(salt)
      .update(password, 'utf8')
      .digest('base64')
    const known = this.#entries.get(key)
    if (known !== undefined) {
      this.#entries.delete(key)
      this.#entries.set(key, known)
      return known
    }
    this.#derivations++
    const pending = deriveKeys(password, salt, iterations).then(
      (keys) => {
        if (this.#entries.get(key) === pending) this.#entries.set(key, keys)
        return keys
      },
      (error: unknown) => {
        if (this.#entries.get(key) === pending) this.#entries.delete(key)
        throw error
      },
    )
    this.#entries.set(key, pending)
    if (this.#entries.size > this.#limit) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest)
        break
      }
    }
    return pending
  }

  toJSON(): string {
    return `ScramKeyCache(${this.#entries.size})`
  }

  [inspect.custom](): string {
    return this.toJSON()
  }
}
