/**
 * How many connections this process may have, asked before a storm is begun. Rule: a storm that the
 * machine cannot make is refused with what to type, not half made.
 */
import { readFileSync } from 'node:fs'

/** Files, threads' own descriptors, node and logs. */
const OURS = 200

/** Descriptors this process may open; undefined where nobody tells. */
export function openFilesAllowed(): number | undefined {
  try {
    const [, soft] =
      /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    if (soft === undefined) return undefined
    return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
  } catch {
    return undefined
  }
}

/** Most clients that fit; undefined where nobody tells. */
export function clientsThatFit(allowed = openFilesAllowed()): number | undefined {
  return allowed === undefined ? undefined : Math.max(0, allowed - OURS)
}

/** What to do when `clients` do not fit; undefined when they do. */
export function tooFewFiles(clients: number, allowed = openFilesAllowed()): string | undefined {
  const fit = clientsThatFit(allowed)
  if (fit === undefined || clients <= fit) return undefined
  return (
    `${clients} clients need as many open files, and this process may have ${allowed}: ` +
    `run "ulimit -n ${clients + OURS}" in this shell first (as root, or within the hard limit that ` +
    `"ulimit -Hn" shows; a proxy that is started inherits it), or take --clients ${fit}`
  )
}
