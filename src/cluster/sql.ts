/**
 * Short conversations with a node over its TCP port, as the lab's own role. Rule: every wait is
 * bounded, so a paused node gives an error and never a hang; and nothing here waits for readers
 * (`synchronous_commit` is local), or a synchronous lab without readers could not be repaired.
 */
import pg from 'pg'
import type { ClusterState, NodeEntry } from './state-file.ts'

export interface AskOptions {
  database?: string
  /** For connecting and for each statement. */
  withinMs?: number
}

/** Connects, hands a query function to `talk`, disconnects. */
export async function withNode<T>(
  state: ClusterState,
  node: NodeEntry,
  talk: (client: pg.Client) => Promise<T>,
  options: AskOptions = {},
): Promise<T> {
  const withinMs = options.withinMs ?? 15_000
  const client = new pg.Client({
    host: '127.0.0.1',
    port: node.port,
    user: state.lab.user,
    password: state.lab.password,
    database: options.database ?? 'postgres',
    application_name: 'weir lab',
    options: '-c synchronous_commit=local',
    connectionTimeoutMillis: withinMs,
    query_timeout: withinMs,
    ssl: false,
  })
  // A server that dies under us makes the pending query fail; the event adds nothing.
  client.on('error', () => {})
  try {
    await client.connect()
    return await talk(client)
  } finally {
    // A paused server never answers the goodbye.
    await Promise.race([
      client.end().catch(() => {}),
      new Promise((resolve) => setTimeout(resolve, 500).unref()),
    ])
  }
}

/** First row of one statement. */
export async function askNode<Row extends pg.QueryResultRow>(
  state: ClusterState,
  node: NodeEntry,
  text: string,
  values: unknown[] = [],
  options: AskOptions = {},
): Promise<Row> {
  return withNode(
    state,
    node,
    async (client) => {
      const { rows } = await client.query<Row>(text, values)
      if (rows[0] === undefined) throw new Error(`no row from ${node.name}: ${text}`)
      return rows[0]
    },
    options,
  )
}

/** An LSN as bytes, from its printed form `16/B374D848`. */
export function lsnBytes(text: string): bigint {
  const [high = '0', low = '0'] = text.split('/')
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`)
}
