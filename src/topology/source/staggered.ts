/**
 * Asks several that should all know the same. Rule: the next one is asked when the one before has
 * failed or has kept us waiting, the first answer counts, and the rest is called off; a host that
 * swallows packets costs the stagger and not a whole time limit.
 */
import type { Clock } from '../../core/clock.ts'
import { messageOf } from '../../core/errors.ts'

export interface StaggeredOptions {
  readonly clock: Clock
  /** How long one may keep us waiting before the next is asked too (ms). */
  readonly staggerMs: number
  readonly signal: AbortSignal
}

/**
 * The first answer of `places`, in their order.
 *
 * @throws Error naming every place and what was wrong with it, when all have failed
 */
export function staggered<P, T>(
  places: readonly P[],
  ask: (place: P, signal: AbortSignal) => Promise<T>,
  { clock, staggerMs, signal }: StaggeredOptions,
): Promise<{ answer: T; place: P }> {
  return new Promise((resolve, reject) => {
    const off = new AbortController()
    const faults: string[] = []
    let next = 0
    let over = false
    const end = (): void => {
      over = true
      timer.cancel()
      signal.removeEventListener('abort', given)
      off.abort()
    }
    const given = (): void => {
      end()
      reject(new Error(faults.length === 0 ? 'no answer in time' : faults.join('; ')))
    }
    const more = (): void => {
      timer.cancel()
      if (over || next >= places.length) return
      const place = places[next++]!
      if (next < places.length) timer = clock.after(staggerMs, more)
      ask(place, off.signal).then(
        (answer) => {
          if (over) return
          end()
          resolve({ answer, place })
        },
        (error: unknown) => {
          if (over) return
          faults.push(messageOf(error))
          if (faults.length < places.length) more()
          else given()
        },
      )
    }
    let timer = clock.after(0, () => {})
    signal.addEventListener('abort', given, { once: true })
    if (signal.aborted) given()
    else more()
  })
}
