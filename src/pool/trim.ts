/**
 * How long members live and which idle ones the janitor lets go. Pure. The idle rule is RDS Proxy's: a member unused for
 * `idleTimeoutMs` counts as idle, and of those only `maxIdlePercent` of the maximum are kept; the
 * share is an upper bound, not a floor. 0 percent lets a quiet node drain to nothing.
 */
import type { EvictReason } from './member.ts'
import type { Slot } from './roster.ts'
import type { PoolSettings } from './settings.ts'

export interface Doomed<M> {
  readonly slot: Slot<M>
  readonly reason: EvictReason
}

/** @param idle longest idle first. @param maximum of the pool, budget included. */
export function overdue<M>(
  idle: readonly Slot<M>[],
  settings: PoolSettings,
  maximum: number,
  now: number,
): Doomed<M>[] {
  const kept = Math.max(settings.minIdle, Math.floor((maximum * settings.maxIdlePercent) / 100))
  const doomed: Doomed<M>[] = []
  for (const slot of idle) {
    if (now >= slot.diesAt) doomed.push({ slot, reason: 'lifetime' })
  }
  let left = idle.length - doomed.length
  for (const slot of idle) {
    if (left <= kept || now - slot.idleSince < settings.idleTimeoutMs) break
    if (now >= slot.diesAt) continue
    doomed.push({ slot, reason: 'idle-limit' })
    left--
  }
  return doomed
}

/** @param draw 0 <= draw < 1. A spread only shortens, so `maxLifetimeMs` is never exceeded. */
export function drawLifetime(settings: PoolSettings, draw: number): number {
  return settings.maxLifetimeMs * (1 - settings.lifetimeSpread * draw)
}
