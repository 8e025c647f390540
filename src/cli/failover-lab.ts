/**
 * The lab cluster as what `weir failover` hurts and heals. Rule: every fault is the cluster's own
 * verb, promotion is the lab's (the reader that received most, the old writer never waited for),
 * and a heal ends when all nodes are there and every reader streams.
 */

import { FAULTS, type Fault } from '../bench/failover/result.ts'
import type { FaultDriver, Injected, NodeAddress, Promoted } from '../bench/failover/subject.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { until } from '../core/until.ts'

/** Everything streams again in this time, a copy of the whole node included (ms). */
const HEALED_WITHIN = 120_000
/** How long a writer that thawed goes on as it was before it is stopped (ms). */
const BACK_AS_IT_WAS = 500

/** @param now wall ms */
export function labDriver(lab: Cluster, now: () => number, description: string): FaultDriver {
  let reader = 0
  const victimOf = (fault: Fault): string => {
    if (fault !== 'reader-kill') return lab.writer().name
    const readers = lab.readers()
    return readers[reader++ % readers.length]!.name
  }
  return {
    description,
    login: lab.login,
    faults: FAULTS,
    nodes: async (): Promise<readonly NodeAddress[]> =>
      lab.nodes().map(({ name, host, port }) => ({ name, host, port })),
    writer: async () => lab.writer().name,
    inject: async (fault): Promise<Injected> => {
      const victim = victimOf(fault)
      let from = now()
      await injure(lab, fault, victim, () => {
        from = now()
      })
      return { victim, from, to: now() }
    },
    promote: async (fault): Promise<Promoted> => {
      const asked = now()
      // What hangs or is cut off cannot be stopped first.
      const force = fault === 'freeze' || fault === 'partition'
      const { writer } = await lab.promote(undefined, { rejoin: false, force })
      return { name: writer, asked }
    },
    heal: async (fault, victim) => {
      if (fault === 'freeze') {
        await lab.resume(victim)
        await new Promise((resolve) => setTimeout(resolve, BACK_AS_IT_WAS))
      }
      if (victim !== lab.writer().name) await lab.rejoin(victim)
      await until(() => streams(lab), HEALED_WITHIN, { what: 'all nodes to stream' })
    },
    end: () => lab.destroy(),
  }
}

async function injure(
  lab: Cluster,
  fault: Fault,
  victim: string,
  atSignal: () => void,
): Promise<void> {
  switch (fault) {
    case 'kill':
    case 'reader-kill':
      return lab.kill(victim, atSignal)
    case 'stop-fast':
      return lab.stop(victim, 'fast')
    case 'stop-immediate':
      return lab.stop(victim, 'immediate')
    case 'freeze':
      return lab.pause(victim)
    case 'partition':
    case 'switchover':
      // The links are the instrument's; a switch in order hurts nobody.
      return
  }
}

async function streams(lab: Cluster): Promise<boolean> {
  const nodes = await lab.status()
  return nodes.every(
    ({ role, actualRole, streaming }) => role === actualRole && streaming !== false,
  )
}
