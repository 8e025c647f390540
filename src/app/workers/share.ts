/**
 * What each of several workers gets of limits that hold for Weir as a whole. Rule: the shares never
 * add up to more than the whole. Node budgets and the number of clients are not shared out here:
 * they go to and fro as they are needed (`broker.ts`, `worker.ts`).
 */
import { availableParallelism } from 'node:os'
import type { Settings } from '../../config/settings.ts'

/** More would spend their time on each other. */
const MOST_BY_ITSELF = 8

/** How many workers these settings ask for. A pool with fewer connections than that is the bound. */
export function workerCount(
  { workers, pool }: Pick<Settings, 'workers' | 'pool'>,
  cores = availableParallelism(),
): number {
  const half = cores <= 2 ? 1 : Math.min(MOST_BY_ITSELF, Math.floor(cores / 2))
  return Math.min(workers === 'auto' ? half : workers, pool.maxConnections ?? Infinity)
}

/** @param seat from 0; the first ones get what is left over */
export function shareOf(settings: Settings, seat: number, of: number): Settings {
  if (of === 1) return settings
  const part = (whole: number): number => Math.floor(whole / of) + (seat < whole % of ? 1 : 0)
  const { limits, pool } = settings
  return {
    ...settings,
    limits: {
      ...limits,
      heldBytes: part(limits.heldBytes),
      unsentBytes: part(limits.unsentBytes),
      unfinishedBytes: part(limits.unfinishedBytes),
      maxWaitingClients: Math.max(1, part(limits.maxWaitingClients)),
      maxLoginsInFlight: Math.max(1, part(limits.maxLoginsInFlight)),
      ...(limits.connectRate === 'off' ? {} : { connectRate: limits.connectRate / of }),
      ...(limits.connectBurst === undefined
        ? {}
        : { connectBurst: Math.max(1, part(limits.connectBurst)) }),
    },
    pool: {
      ...pool,
      ...(pool.maxConnections === undefined ? {} : { maxConnections: part(pool.maxConnections) }),
      minIdle: part(pool.minIdle),
      openingsAtOnce: Math.max(1, part(pool.openingsAtOnce)),
    },
  }
}
