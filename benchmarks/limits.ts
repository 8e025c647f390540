/**
 * What the machine must allow before so many clients can be put on it. Rule: a limit that is too
 * low ends the run before anything is started, with the figure and the command that raises it.
 */
import { readFileSync } from 'node:fs'

/** Descriptors that neither clients nor server connections account for. */
const SPARE = 200

/** Descriptors one process needs: PgBouncer wants twice the clients, for those just leaving. */
export function descriptorsNeeded(clients: readonly number[], pool: number): number {
  return 2 * Math.max(...clients) + pool + SPARE
}

/**
 * A sentence when this process, and so its children, may not open `needed` descriptors; undefined
 * when it may or where nobody can tell. `limits` is /proc/self/limits.
 */
export function tooFewDescriptors(needed: number, limits = readLimits()): string | undefined {
  const [, soft] = /^Max open files\s+(\d+)/m.exec(limits) ?? []
  if (soft === undefined || Number(soft) >= needed) return undefined
  return (
    `so many clients need ${needed} open files in one process and only ${soft} are allowed; ` +
    `run: ulimit -n ${needed}`
  )
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8')
  } catch {
    return ''
  }
}
