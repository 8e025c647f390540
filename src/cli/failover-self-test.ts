/**
 * `weir failover --self-test`: states the instrument's error on this machine, now. Rule: the same
 * load as in a run, a server of its own, outages made by cutting a link; nothing of Weir's takes part.
 */
import { closeControls, connectNode } from '../bench/failover/control.ts'
import { type OutageError, selfTest } from '../bench/failover/self-test.ts'
import { makeTables } from '../bench/failover/sequence-table.ts'
import { startCluster } from '../cluster/cluster.ts'
import { alignedTable } from './table.ts'

/** Milliseconds; the shortest is what a good failover takes. */
const OUTAGES = [50, 200, 1_000, 3_000]
const CLIENTS = 50
const RATE = 50

/** The errors, one an outage. */
export async function runSelfTest(directory: string, port: number): Promise<OutageError[]> {
  const lab = await startCluster({ directory, nodes: 1, basePort: port })
  try {
    const [node] = lab.nodes()
    if (node === undefined) throw new Error('BUG: a lab without a node')
    const client = await connectNode(node, lab.login)
    await makeTables(client)
    await closeControls([{ name: node.name, client }])
    const { login } = lab
    return await selfTest({ node, login, outages: OUTAGES, clients: CLIENTS, rate: RATE })
  } finally {
    await lab.destroy()
  }
}

export function selfTestTable(errors: readonly OutageError[]): string {
  const ms = (value: number) => ({ text: `${value.toFixed(1)} ms`, right: true })
  const rows = errors.map(({ injectedMs, noticedMs, errorMs, stallMs }) => [
    ms(injectedMs),
    ms(noticedMs),
    ms(errorMs.p50),
    ms(errorMs.p99),
    ms(stallMs),
  ])
  const headings = ['outage made', 'noticed after', 'end seen late p50', 'p99', 'own stall']
  const lines = alignedTable(headings, rows)
  const worst = Math.max(...errors.map(({ errorMs }) => errorMs.p99))
  lines.push('', `On this machine, now, a gap is told up to ${worst.toFixed(1)} ms too long.`)
  return `${lines.join('\n')}\n`
}
