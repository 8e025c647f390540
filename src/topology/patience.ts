/**
 * How long to wait for an answer before it counts as none. Rule: only time in which this process
 * could have read the answer is counted. Timers run before sockets are read, so after a blocked
 * event loop a plain deadline would fire with the answer lying unread in the kernel.
 *
 *   step  step  step  (blocked for 3 s)   step  step
 *   |-----|-----|-----x-------------------|-----|-----|     counted: 6 steps
 */
import type { Clock, Timer } from '../core/clock.ts'

/** A limit is counted in so many steps. */
const STEPS = 5
/** A step that took this many times its length was late: this process was busy with something else. */
const LATE = 1.5
/** A loop that is blocked again and again must not make a dead node live for ever. */
const LONGEST = 4

export interface PatienceOptions {
  readonly clock: Clock
  /** Milliseconds after which `slow` is called, once; never when that is not below `limitMs`. */
  readonly slowMs: number
  readonly limitMs: number
  readonly slow: () => void
  readonly over: () => void
}

/** Begins to wait; `cancel()` ends it. Each callback runs at most once. */
export function beginPatience({ clock, slowMs, limitMs, slow, over }: PatienceOptions): Timer {
  const step = limitMs / STEPS
  const began = clock.monotonic()
  let counted = 0
  let told = slowMs >= limitMs
  let wasLate = false
  let timer: Timer
  const next = (): void => {
    const from = clock.monotonic()
    const planned = Math.max(0, Math.min(step, (told ? limitMs : slowMs) - counted))
    timer = clock.after(planned, () => look(planned, from))
  }
  const look = (planned: number, from: number): void => {
    const now = clock.monotonic()
    const late = now - from > planned + step * (LATE - 1)
    counted += planned
    // Sockets are read after each look, so the one after a late look knows whether there was an answer.
    const sure = !late || wasLate
    wasLate = late
    if ((counted >= limitMs && sure) || now - began >= limitMs * LONGEST) {
      over()
      return
    }
    if (counted >= limitMs) counted = limitMs - step
    const tell = !told && counted >= slowMs && sure
    told ||= tell
    next()
    if (tell) slow()
  }
  next()
  return { cancel: () => timer.cancel() }
}
