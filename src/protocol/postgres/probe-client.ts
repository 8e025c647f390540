/**
 * The control connections to a node, as the driver makes them. Rule: whoever they are for, they log
 * in alike and bear the same name, so that an operator finds all of them by it.
 */
import { Client, type ClientConfig } from 'pg'
import type { Clock } from '../../core/clock.ts'

export interface ProbeTarget {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly socketDirectory?: string | undefined
}

export interface PostgresProbeOptions {
  /** A role that may log in; with `pg_monitor` it sees more, without it sees enough. */
  readonly user: string
  /** Asked at every new connection, so a rotated secret is picked up. */
  readonly password: () => string | undefined
  readonly database: string
  /** TLS towards nodes reached over TCP; a Unix socket needs none. */
  readonly tls?: ClientConfig['ssl'] | undefined
  readonly clock: Clock
}

/** As on every server connection; see `net/link.ts`. */
const KEEP_ALIVE_MS = 30_000

/** Not connected yet. */
export function clientFor(node: ProbeTarget, options: PostgresProbeOptions): Client {
  const { user, database, password, tls } = options
  const local = node.socketDirectory !== undefined
  return new Client({
    host: node.socketDirectory ?? node.host,
    port: node.port,
    user,
    database,
    password: () => password() ?? '',
    application_name: 'weir probe',
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    ssl: local || tls === undefined ? false : tls,
  })
}
