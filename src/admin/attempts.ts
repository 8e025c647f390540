/**
 * How often a password may be tried on the admin port: a few times freely, then with a growing wait.
 * Rule: whoever tries is told apart by where he comes from, so that nobody can lock a user out from
 * elsewhere; and what is remembered is bounded.
 */

/** Wrong tries for one user from one source before the first wait. */
const FREE_FOR_USER = 5
/** And for all users from that source: whoever goes through a list of names. */
const FREE_FOR_SOURCE = 30
const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 60_000
/** So long after the last wrong try all is forgotten. */
const FORGOTTEN_MS = 600_000
const MOST_REMEMBERED = 4_096

interface Tries {
  wrong: number
  /** Monotonic ms. */
  last: number
  until: number
}

export class Attempts {
  #now: () => number
  /** The one that was touched last is the last of them. */
  #tries = new Map<string, Tries>()

  /** @param now monotonic milliseconds */
  constructor(now: () => number) {
    this.#now = now
  }

  get remembered(): number {
    return this.#tries.size
  }

  /** Milliseconds until `name` may be tried from `source`; 0: now. */
  wait(source: string, name: string): number {
    return Math.max(this.#left(source), this.#left(keyOf(source, name)))
  }

  wrong(source: string, name: string): void {
    this.#wrong(keyOf(source, name), FREE_FOR_USER)
    this.#wrong(source, FREE_FOR_SOURCE)
  }

  /** A password was right; what the source has tried with other names stays. */
  right(source: string, name: string): void {
    this.#tries.delete(keyOf(source, name))
  }

  #left(key: string): number {
    const tries = this.#tries.get(key)
    return tries === undefined ? 0 : Math.max(0, tries.until - this.#now())
  }

  #wrong(key: string, free: number): void {
    const now = this.#now()
    const known = this.#tries.get(key)
    const fresh = known === undefined || now - known.last > FORGOTTEN_MS
    const wrong = fresh ? 1 : known.wrong + 1
    const beyond = wrong - free
    const wait = beyond < 0 ? 0 : Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** beyond)
    this.#tries.delete(key)
    for (const oldest of this.#tries.keys()) {
      if (this.#tries.size < MOST_REMEMBERED) break
      this.#tries.delete(oldest)
    }
    this.#tries.set(key, { wrong, last: now, until: now + wait })
  }
}

/** A name is as long as a stranger likes; sources hold no space. */
function keyOf(source: string, name: string): string {
  return `${source} ${name.slice(0, 128)}`
}
