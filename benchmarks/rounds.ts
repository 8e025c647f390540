/**
 * The order of runs. Rule: within a round every peer is measured once, and each round begins with
 * another peer, so that a machine that grows warm or busy favours nobody.
 */

/** What the rounds of one peer came to. */
export interface Rounds<S> {
  readonly samples: S[]
  /** What went wrong in rounds that have no sample. */
  readonly errors: string[]
}

/**
 * Calls `measure` once for each peer in each of `rounds`. Rejects only when `stop` aborts; what it
 * rejected with otherwise is kept in place of a sample. A round without a sample leaves a hole, so
 * `byRound[i]` of all peers were measured beside each other.
 */
export async function inRounds<P, S>(
  peers: readonly P[],
  rounds: number,
  measure: (peer: P, round: number) => Promise<S>,
  stop: AbortSignal,
): Promise<(Rounds<S> & { readonly byRound: (S | undefined)[] })[]> {
  const all = peers.map(() => ({
    samples: [] as S[],
    errors: [] as string[],
    byRound: [] as (S | undefined)[],
  }))
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < peers.length; turn++) {
      const index = (round + turn) % peers.length
      const mine = all[index]!
      try {
        const sample = await measure(peers[index]!, round)
        mine.samples.push(sample)
        mine.byRound[round] = sample
      } catch (error) {
        stop.throwIfAborted()
        mine.errors.push((error as Error).message)
        mine.byRound[round] = undefined
      }
    }
  }
  return all
}
