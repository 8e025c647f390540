/**
 * What the instrument reads from a Weir's admin port. Rule: everything that comes from
 * there is looked at as a stranger's JSON; a field that is not there is a milestone that is unknown.
 */
import { MILESTONES, type Timeline } from '../result.ts'

const PATIENCE_MS = 5_000

export interface AdminNode {
  readonly name: string
  readonly role: string
  readonly health: string
}

export interface WeirAdmin {
  /** `http://127.0.0.1:6480`. */
  readonly base: string
  status(): Promise<{ readonly nodes: readonly AdminNode[] }>
  /** Of the first failover it has seen since then; empty when it has seen none. */
  milestones(since: number): Promise<Timeline>
}

/** @param base `http://127.0.0.1:6480` */
export function adminOf(base: string): WeirAdmin {
  const get = async (): Promise<Record<string, unknown>> => {
    const answer = await fetch(`${base}/status`, { signal: AbortSignal.timeout(PATIENCE_MS) })
    return record(await answer.json())
  }
  const nodes = async (): Promise<AdminNode[]> =>
    list((await get()).nodes).map((node) => ({
      name: String(node.name),
      role: String(node.role),
      health: String(node.health),
    }))
  return {
    base,
    status: async () => ({ nodes: await nodes() }),
    milestones: async (since) => timelineSince(list((await get()).failovers), since),
  }
}

/** The first of `failovers` that ended at or after `since`, its known milestones only. */
export function timelineSince(
  failovers: readonly Record<string, unknown>[],
  since: number,
): Timeline {
  for (const failover of failovers) {
    const told = record(failover.timeline)
    const found: { -readonly [K in keyof Timeline]: Timeline[K] } = {}
    for (const word of MILESTONES) {
      const at = told[word]
      if (typeof at === 'number' && Number.isFinite(at)) found[word] = at
    }
    const times = Object.values(found)
    if (times.length > 0 && Math.max(...times) >= since) return found
  }
  return {}
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function list(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.map(record) : []
}
