/**
 * A lock between processes: a file that names its holder. Rule: it is made by one atomic link, so
 * it is never seen half written, and one whose holder is dead (same pid and start time no longer
 * there) counts as free.
 */

import { randomUUID } from 'node:crypto'
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { until } from '../core/until.ts'
import { processInfo } from './process-table.ts'

const holderSchema = z.object({
  pid: z.number(),
  startedAt: z.string(),
  /** What it is doing, for the error message of others. */
  purpose: z.string(),
  id: z.string(),
})
export type Holder = z.infer<typeof holderSchema>

export interface Lock {
  release(): void
}

/** Takes the lock at once, or returns who has it. */
export function tryLock(file: string, purpose: string): Lock | Holder {
  const id = randomUUID()
  const mine: Holder = {
    pid: process.pid,
    startedAt: processInfo(process.pid)?.startedAt ?? '',
    purpose,
    id,
  }
  const aside = `${file}.${id}`
  writeFileSync(aside, JSON.stringify(mine), { mode: 0o600 })
  try {
    for (;;) {
      try {
        linkSync(aside, file)
        return { release: () => release(file, id) }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      const holder = holderOf(file)
      if (holder !== undefined && isAlive(holder)) return holder
      removeStale(file, holder?.id)
    }
  } finally {
    rmSync(aside, { force: true })
  }
}

/** Takes the lock, waiting for its holder up to `withinMs`; returns the holder when that is over. */
export async function waitForLock(
  file: string,
  purpose: string,
  withinMs: number,
): Promise<Lock | Holder> {
  let last: Lock | Holder = tryLock(file, purpose)
  if ('release' in last) return last
  try {
    return await until(
      () => {
        last = tryLock(file, purpose)
        return 'release' in last && last
      },
      withinMs,
      { everyMs: 50 },
    )
  } catch {
    return last
  }
}

/** Who holds the lock now, dead or alive. */
export function holderOf(file: string): Holder | undefined {
  try {
    return holderSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    return undefined
  }
}

export function isAlive(holder: Holder): boolean {
  return processInfo(holder.pid)?.startedAt === holder.startedAt
}

function release(file: string, id: string): void {
  if (holderOf(file)?.id === id) rmSync(file, { force: true })
}

/** Moves the stale file away first: if another process was quicker, its fresh lock is put back. */
function removeStale(file: string, id: string | undefined): void {
  const away = `${file}.${randomUUID()}.stale`
  try {
    renameSync(file, away)
  } catch {
    return
  }
  const moved = holderOf(away)
  if (moved !== undefined && moved.id !== id) {
    try {
      linkSync(away, file)
    } catch {
      // A third one holds it by now; the loop of the caller will see that.
    }
  }
  rmSync(away, { force: true })
}
