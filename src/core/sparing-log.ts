/**
 * A log that stays readable when thousands of clients meet the same trouble at once. Rule: of warnings
 * only the first few of each second are written, and how many were left out is said once the second
 * is over; everything else passes as it is.
 */
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'

/** Warnings written in one second. */
const MOST = 20
const WINDOW_MS = 1_000

/** @param log where lines go; `child` gives children of that log, which are not bounded */
export function sparingLog(log: Log, clock: Clock): Log {
  let began = -Infinity
  let written = 0
  let left = 0
  const tell = (): void => {
    log.warn({ left }, `${left} more warnings like the last ones were left out within a second`)
    left = 0
  }
  return {
    trace: (fields, message) => log.trace(fields, message),
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => {
      const now = clock.monotonic()
      if (now - began >= WINDOW_MS) {
        began = now
        written = 0
      }
      if (written < MOST) {
        written++
        log.warn(fields, message)
        return
      }
      left++
      if (left === 1) clock.after(began + WINDOW_MS - now, tell)
    },
    error: (fields, message) => log.error(fields, message),
    child: (fields) => log.child(fields),
  }
}
