/**
 * The instrument's own connections to the nodes, past every subject. Rule: they are opened before a
 * fault and closed after the round, and none of them is ever one of the load's.
 */
import type pg from 'pg'
import { connectTo } from './line.ts'
import { PULSE_TABLE } from './sequence-table.ts'
import type { FaultDriver, Login, NodeAddress } from './subject.ts'

export interface Control {
  readonly name: string
  readonly client: pg.Client
}

/** Waits for the readers' last replay for so long (ms). */
const REPLAY_WITHIN = 20_000

export function connectNode(node: NodeAddress, login: Login): Promise<pg.Client> {
  const who = `${encodeURIComponent(login.user)}:${encodeURIComponent(login.password)}`
  const url = `postgres://${who}@${node.host}:${node.port}/${encodeURIComponent(login.database)}`
  return connectTo(url, {
    applicationName: 'weir-failover control',
    connectTimeoutMs: 10_000,
    queryTimeoutMs: 30_000,
  })
}

/** One connection to each node. */
export async function openControls(driver: FaultDriver): Promise<Control[]> {
  const nodes = await driver.nodes()
  return Promise.all(
    nodes.map(async (node) => ({ name: node.name, client: await connectNode(node, driver.login) })),
  )
}

export async function closeControls(controls: readonly Control[]): Promise<void> {
  for (const { client } of controls) {
    const gone = client.end().catch(() => {})
    await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 300).unref())])
  }
}

/** Resolves when every reader has the pulse table with its row. */
export async function readersCaughtUp(controls: readonly Control[]): Promise<void> {
  const end = performance.now() + REPLAY_WITHIN
  for (const { name, client } of controls) {
    for (;;) {
      const there = await client
        .query(`select from ${PULSE_TABLE}`)
        .then(({ rowCount }) => rowCount === 1)
        .catch(() => false)
      if (there) break
      if (performance.now() > end) throw new Error(`${name} does not catch up with the writer`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}
