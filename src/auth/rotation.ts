/**
 * What becomes of passwords that were replaced: for a while the former one is right beside the new.
 * Rule: only a replaced password lives on; a user who is no longer listed has none from that moment.
 */
import type { AlsoRight, SecretEntry } from './secret-file.ts'

interface Turn {
  readonly password: string
  readonly former: readonly AlsoRight[]
}

/** So many former passwords of one user are kept at most. */
const MOST_FORMER = 3

export class Rotation {
  #windowMs: number
  #users = new Map<string, Turn>()

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  /**
   * How long a replaced password stays right (ms). A shorter time holds for those replaced already,
   * as whoever sets it wants a password gone; a longer one brings none back.
   */
  set windowMs(windowMs: number) {
    const shorter = Math.max(0, this.#windowMs - windowMs)
    this.#windowMs = windowMs
    if (shorter === 0) return
    for (const [username, { password, former }] of this.#users) {
      const sooner = former.map((one) => ({ ...one, until: one.until - shorter }))
      this.#users.set(username, { password, former: sooner })
    }
  }

  /**
   * The entries as they hold from now on, with what was right before.
   * @param now wall clock, ms
   */
  take(entries: readonly SecretEntry[], now: number): SecretEntry[] {
    const before = this.#users
    this.#users = new Map()
    return entries.map((entry) => {
      const { username, password } = entry
      const also = this.#also(entry, before.get(username), now)
      const former = also.filter(({ until }) => until !== Infinity)
      this.#users.set(username, { password, former })
      const { also: _, ...plain } = entry
      return also.length === 0 ? plain : { ...plain, also }
    })
  }

  #also({ password, also = [] }: SecretEntry, turn: Turn | undefined, now: number): AlsoRight[] {
    const replaced =
      turn === undefined || turn.password === password
        ? []
        : [{ password: turn.password, until: now + this.#windowMs, doors: true }]
    const all = [...also, ...replaced, ...(turn?.former ?? [])]
    const seen = new Set([password])
    const living = all
      .filter(({ until }) => until > now)
      .toSorted((a, b) => b.until - a.until)
      .filter((one) => {
        if (seen.has(one.password)) return false
        seen.add(one.password)
        return true
      })
    return living.slice(0, MOST_FORMER)
  }
}
