/**
 * Who has failed to log in too often, and is refused for a while: one user from one address, and an
 * address as a whole after five times as many failures. Rule: a name alone is never refused, so nobody
 * can lock a user out from elsewhere; what is kept is bounded, and the one quiet for longest is forgotten.
 *
 *   failures:  1 2 ... most | most + 1 | most + 2 | ...      within the window
 *   refused:        no      |   1 s    |   2 s    | ... backoffMs at most
 */
import { isLoopbackAddress } from '../core/address-list.ts'
import { sourceOf } from '../core/source-address.ts'

const MOST_KEPT = 65_536
/** Behind one address there may be many users. */
const SOURCE_FACTOR = 5
const FIRST_MS = 1_000
/** What is longer is no name of a user. */
const LONGEST_NAME = 128

export interface AuthFailuresOptions {
  /** Failures of one user from one address that are let pass. */
  readonly most: number
  readonly windowMs: number
  /** The longest refusal. */
  readonly backoffMs: number
  /** Monotonic milliseconds. */
  readonly now: () => number
}

interface Record {
  failures: number
  lastAt: number
  /** Refused until then. */
  until: number
}

export class AuthFailures {
  #options: AuthFailuresOptions
  /** The one that failed last is the last of them. */
  #records = new Map<string, Record>()

  constructor(options: AuthFailuresOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#records.size
  }

  /** Milliseconds that `user` is refused from `address` yet; 0 when it may try. */
  refusedFor(address: string | undefined, user: string | undefined): number {
    const source = counted(address)
    if (source === undefined) return 0
    const now = this.#options.now()
    const left = (key: string) => (this.#records.get(key)?.until ?? 0) - now
    return Math.max(0, left(source), user === undefined ? 0 : left(keyOf(source, user)))
  }

  /** A login was refused for what the client had to prove. */
  failed(address: string | undefined, user: string | undefined): void {
    const source = counted(address)
    if (source === undefined) return
    const { most } = this.#options
    this.#note(source, most * SOURCE_FACTOR)
    if (user !== undefined) this.#note(keyOf(source, user), most)
  }

  /** It has proved who it is; what others failed at from there stays. */
  succeeded(address: string | undefined, user: string): void {
    const source = counted(address)
    if (source !== undefined) this.#records.delete(keyOf(source, user))
  }

  #note(key: string, most: number): void {
    const { windowMs, backoffMs, now } = this.#options
    const at = now()
    const known = this.#records.get(key)
    this.#records.delete(key)
    // While it is refused it cannot fail, so the window begins when it may try again.
    const remembered = known !== undefined && at - Math.max(known.lastAt, known.until) < windowMs
    const failures = remembered ? known.failures + 1 : 1
    const beyond = failures - most
    const forMs = beyond < 0 ? 0 : Math.min(backoffMs, FIRST_MS * 2 ** Math.min(beyond, 30))
    this.#records.set(key, { failures, lastAt: at, until: forMs === 0 ? 0 : at + forMs })
    if (this.#records.size <= MOST_KEPT) return
    const [longest] = this.#records.keys()
    this.#records.delete(longest!)
  }
}

/** A name is as long as a stranger likes; sources hold no space. */
function keyOf(source: string, user: string): string {
  return `${source} ${user.slice(0, LONGEST_NAME)}`
}

/** Under which name an address is counted; undefined when it is not. */
function counted(address: string | undefined): string | undefined {
  if (address === undefined || address === '' || isLoopbackAddress(address)) return undefined
  return sourceOf(address)
}
