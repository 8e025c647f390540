/**
 * The database everyone is measured against: one node of our own lab, filled by `pgbench -i`.
 * Rule: it is set up so that it costs as little as possible and always the same; what is compared
 * is what stands in front of it.
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { type Cluster, startCluster } from '../src/cluster/cluster.ts'
import type { BenchOptions } from './options.ts'
import { libpqEnvironment, type Target } from './pgbench.ts'

const run = promisify(execFile)

export interface Database {
  readonly target: Target
  /** Where its Unix socket is, for the proxies. */
  readonly socketDirectory: string
  /** `server_version`, e.g. 18.4. */
  readonly version: string
  /** What pg_authid keeps for the user: `SCRAM-SHA-256$...`. */
  readonly scramSecret: string
  /** Stops the server and removes its data. */
  stop(): Promise<void>
}

/** Starts the server below `directory` and fills it. Rejects when either fails. */
export async function startDatabase(
  directory: string,
  pgbench: string,
  options: BenchOptions,
): Promise<Database> {
  const most = Math.max(...options.clients)
  const cluster = await startCluster({
    directory: join(directory, 'postgres'),
    nodes: 1,
    basePort: options.basePort,
    fsync: false,
    // Direct clients may overlap with those that are just leaving, and every proxy keeps its own; an
    // old PgBouncer has sessions of its clients besides.
    maxConnections: 3 * most + (3 + options.variants.length) * options.pool + 50,
    settings: { shared_buffers: '512MB', autovacuum: 'off', max_wal_size: '4GB' },
  })
  try {
    return await fill(cluster, pgbench, options)
  } catch (error) {
    await cluster.destroy()
    throw error
  }
}

async function fill(cluster: Cluster, pgbench: string, options: BenchOptions): Promise<Database> {
  const { port, socketDirectory } = cluster.writer()
  const target = { ...cluster.login, port }
  await run(
    pgbench,
    [
      ...['-h', '127.0.0.1', '-p', String(port), '-U', target.user],
      ...['-i', '-q', '-s', String(options.scale), target.database],
    ],
    { env: libpqEnvironment(target) },
  )
  const client = new pg.Client({ ...target, host: '127.0.0.1' })
  await client.connect()
  try {
    const { rows } = await client.query(
      `select rolpassword, current_setting('server_version') as version
         from pg_authid where rolname = current_user`,
    )
    return {
      target,
      socketDirectory,
      version: rows[0].version,
      scramSecret: rows[0].rolpassword,
      stop: () => cluster.destroy(),
    }
  } finally {
    await client.end()
  }
}
