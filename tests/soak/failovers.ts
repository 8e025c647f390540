/**
 * Many failovers in a row under load, each healed by the rejoining of the old writer, with everybody
 * counted after each. Rule: a round ends only when all is still and the counts are right, so what one
 * failover leaks is seen in that round and not as a mystery at the end.
 */
import type { FailoverStatus } from '../../src/admin/snapshot.ts'
import type { Cluster } from '../../src/cluster/cluster.ts'
import { until } from '../../src/core/until.ts'
import { MILESTONES } from '../../src/topology/timeline.ts'
import {
  miscounted,
  type Stillness,
  statusOf,
  stillness,
  unrest,
  type Watched,
} from './failover-checks.ts'
import type { FailoverLoad } from './failover-load.ts'

/** Taken in turn. After each the lab promotes the reader that is furthest. */
export const FAULTS = ['kill', 'switch', 'immediate', 'freeze'] as const
export type SoakFault = (typeof FAULTS)[number]

export interface RoundReport {
  readonly number: number
  readonly fault: SoakFault
  readonly from: string
  readonly to: string
  /** The whole round, and how much of it the lab took to promote and to heal. */
  readonly seconds: number
  readonly labSeconds: number
  readonly failover: FailoverStatus
  readonly still: Stillness
}

export interface FailoverSoak {
  readonly cluster: Cluster
  readonly load: FailoverLoad
  readonly watched: Watched
  readonly failovers: number
  readonly onRound?: (report: RoundReport) => void
}

/**
 * @returns one report a round
 * @throws Error with the first thing that stayed wrong, naming the round
 */
export async function soakFailovers(soak: FailoverSoak): Promise<RoundReport[]> {
  const reports: RoundReport[] = []
  for (let number = 1; number <= soak.failovers; number++) {
    const fault = FAULTS[(number - 1) % FAULTS.length]!
    try {
      const report = await round(soak, number, fault)
      soak.onRound?.(report)
      reports.push(report)
    } catch (error) {
      throw new Error(`failover ${number} (${fault}): ${(error as Error).message}`, {
        cause: error,
      })
    }
  }
  return reports
}

async function round(soak: FailoverSoak, number: number, fault: SoakFault): Promise<RoundReport> {
  const { cluster, load, watched } = soak
  const began = performance.now()
  const from = cluster.writer().name
  await load.progress(100)
  const hurting = performance.now()
  await hurt(cluster, from, fault)
  // Rejoins the old writer too.
  const { writer: to } = await cluster.promote(undefined, fault === 'freeze' ? { force: true } : {})
  if (fault === 'freeze') await cluster.rejoin(from)
  const labSeconds = (performance.now() - hurting) / 1_000
  await load.progress(100)
  await load.pause()
  await load.askTheQuiet(`round ${number}`)
  await comesTrue(() => unrest(watched))
  await comesTrue(() => miscounted(watched))
  const { failovers } = await statusOf(watched)
  const failover = failovers.at(-1)
  if (failover === undefined) throw new Error('Weir has recorded no failover')
  const wrong = misrecorded(failover, { number, fault, from, to })
  if (wrong.length > 0) throw new Error(`${wrong.join('; ')}: ${JSON.stringify(failover)}`)
  const still = await stillness(watched)
  load.resume()
  const seconds = (performance.now() - began) / 1_000
  return { number, fault, from, to, seconds, labSeconds, failover, still }
}

async function hurt(cluster: Cluster, writer: string, fault: SoakFault): Promise<void> {
  switch (fault) {
    case 'kill':
      return cluster.kill(writer)
    case 'immediate':
      return cluster.stop(writer, 'immediate')
    case 'freeze':
      return cluster.pause(writer)
    case 'switch':
      return
    default:
      return fault satisfies never
  }
}

/** Waits until nothing is wrong any more; throws with what still is. */
async function comesTrue(look: () => Promise<readonly string[]>, withinMs = 20_000): Promise<void> {
  let wrong: readonly string[] = []
  const well = async (): Promise<boolean> => {
    wrong = await look()
    return wrong.length === 0
  }
  try {
    await until(well, withinMs, { everyMs: 100 })
  } catch (error) {
    throw new Error(wrong.join('; ') || (error as Error).message, { cause: error })
  }
}

function misrecorded(
  f: FailoverStatus,
  { number, fault, from, to }: Pick<RoundReport, 'number' | 'fault' | 'from' | 'to'>,
): string[] {
  const wrong: string[] = []
  if (f.number !== number) wrong.push(`it is recorded as number ${f.number}`)
  if (f.from !== from || f.to !== to) wrong.push(`it led from ${from} to ${to}`)
  // A frozen writer may be replaced before anybody misses its answer.
  const seen = fault === 'freeze' ? MILESTONES.slice(2) : MILESTONES
  const missing = seen.filter((word) => f.timeline[word] === undefined)
  if (missing.length > 0) wrong.push(`nobody saw ${missing.join(', ')}`)
  return wrong
}
