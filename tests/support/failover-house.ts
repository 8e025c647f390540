/**
 * A lab of three nodes and Weir in front of it, for tests that hurt nodes. Rule: the questions such
 * tests ask again and again (who serves this client, is everybody well) are answered here.
 */
import type { NodeStatus } from '../../src/admin/snapshot.ts'
import type { ClusterOptions } from '../../src/cluster/prepare.ts'
import { until } from '../../src/core/until.ts'
import { type Client, endClients, one } from './clients.ts'
import { type Front, type FrontOptions, startFront } from './front.ts'
import { type House, startHouse } from './house.ts'

/** First and last port of the failover tests' labs. */
const PORTS = [15_960, 15_999] as const

export interface FailoverHouse {
  readonly house: House
  readonly front: Front
  /** What Weir knows of a node now. */
  node(name: string): NodeStatus
  /** The node a client's next statement goes to. */
  nodeOf(client: Client): Promise<string>
  /** Resolves when all three nodes are up and Weir knows. */
  allUp(): Promise<void>
  end(): Promise<void>
}

export async function startFailoverHouse(
  options: FrontOptions & { cluster?: Partial<ClusterOptions> } = {},
): Promise<FailoverHouse> {
  const house = await startHouse({
    nodes: 3,
    ports: PORTS,
    ...(options.cluster === undefined ? {} : { cluster: options.cluster }),
  })
  const front = await startFront(house, {
    ...options,
    // Whoever waits for a writer must see it, however long a busy machine needs for one.
    pool: { maxConnections: 10, borrowTimeout: '100s', ...options.pool },
  })
  const allUp = async (): Promise<void> => {
    const well = () => front.app.snapshot().nodes.every((n) => n.health === 'up')
    await until(well, 60_000, { what: 'all nodes to be up' })
  }
  await allUp()
  return {
    house,
    front,
    allUp,
    node: (name) => front.app.snapshot().nodes.find((n) => n.name === name)!,
    nodeOf: async (client) => {
      const port = await one(client, 'select inet_server_port()')
      return house.cluster.nodes().find((n) => n.port === port)!.name
    },
    end: async () => {
      endClients()
      await front.end()
      await house.end()
    },
  }
}
