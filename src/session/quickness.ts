/**
 * Whether requests of one kind are quick enough for others to wait behind. Rule: a stall of the
 * machine is soon forgotten, and whoever held others up is tried again, each time later.
 */
import type { RideCost } from '../protocol/ride.ts'
import type { SharingRules } from './rider.ts'

/** How much one observation counts that is worse than what was known. */
const WORSE = 1 / 8
const FIRST_REST_MS = 1_000
const LONGEST_REST_MS = 60_000
/** What one good answer takes off the times it held others up. */
const FORGIVEN = 1 / 64

/** `now`: monotonic milliseconds. */
export function isQuick(cost: RideCost, rules: SharingRules, now: number): boolean {
  if (!cost.known || cost.bytes > rules.smallBytes) return false
  if (cost.ms <= rules.quickMs) return true
  if (now < cost.restsUntil) return false
  cost.ms = rules.quickMs / 2
  return true
}

/** It took `ms` and was answered `bytes`. */
export function learn(
  cost: RideCost,
  rules: SharingRules,
  ms: number,
  bytes: number,
  now: number,
): void {
  if (!cost.known) {
    cost.known = true
    cost.ms = ms
    cost.bytes = bytes
  } else {
    cost.ms += (ms - cost.ms) * (ms > cost.ms ? WORSE : 1 / 2)
    cost.bytes += (bytes - cost.bytes) * WORSE
  }
  if (cost.ms > rules.quickMs) cost.restsUntil = Math.max(cost.restsUntil, now + FIRST_REST_MS)
  else if (cost.strikes > 0) cost.strikes = Math.max(0, cost.strikes - FORGIVEN)
}

/** It has held others up, for `ms` by now. */
export function strike(cost: RideCost, rules: SharingRules, ms: number, now: number): void {
  const rests = Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** Math.floor(cost.strikes))
  cost.strikes++
  cost.known = true
  cost.ms = Math.max(cost.ms, ms, 2 * rules.quickMs)
  cost.restsUntil = now + rests
}
