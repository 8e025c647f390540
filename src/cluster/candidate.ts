/**
 * Who is to be promoted. Pure. Rule: lowest tier first, among equals the one that received most;
 * and it says from whom the chosen one must catch up first, so that a low tier never costs records
 * which another reader has.
 */
export interface Candidate {
  readonly name: string
  /** 0-15, lowest first. */
  readonly tier: number
  /** Received and on disk, in bytes of WAL. */
  readonly received: bigint
}

export interface Choice {
  readonly chosen: Candidate
  /** The reader that has more than the chosen one; undefined when none has. */
  readonly catchUpFrom: Candidate | undefined
  /** One sentence. */
  readonly because: string
}

/** The choice; undefined when there is no candidate (or none of that name). */
export function choose(candidates: readonly Candidate[], name?: string): Choice | undefined {
  const byReceived = [...candidates].sort(
    (a, b) => Number(b.received - a.received) || a.tier - b.tier || order(a.name, b.name),
  )
  const byTier = [...byReceived].sort((a, b) => a.tier - b.tier)
  const chosen = name === undefined ? byTier[0] : candidates.find((c) => c.name === name)
  const furthest = byReceived[0]
  if (chosen === undefined || furthest === undefined) return undefined
  const because =
    name !== undefined
      ? `${chosen.name} was named`
      : candidates.length === 1
        ? `${chosen.name} is the only reader that answers`
        : `${chosen.name} has the lowest tier (${chosen.tier})` +
          (byTier[1]?.tier === chosen.tier ? ' and received most' : '')
  const catchUpFrom = furthest.received > chosen.received ? furthest : undefined
  return { chosen, catchUpFrom, because }
}

const order = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true })
