/**
 * The node that `weir storm` starts for targets without a URL. Rule: one node as small as the run says,
 * with an ordinary user for the clients (a superuser would take the connections reserved for those
 * that have to look in), whose SCRAM secret a pooler may have.
 */
import { join } from 'node:path'
import { connectTo } from '../bench/failover/line.ts'
import { makeCertificate } from '../bench/storm/certificate.ts'
import type { LabNode } from '../bench/storm/target.ts'
import { type Cluster, startCluster } from '../cluster/cluster.ts'

export interface StormLab {
  readonly node: LabNode
  readonly description: string
  end(): Promise<void>
}

export interface StormLabOptions {
  readonly directory: string
  readonly port: number
  readonly maxConnections: number
  readonly postgres: string | undefined
  /** Clients shall be able to speak TLS. */
  readonly tls: boolean
}

const LOAD = { user: 'storm', password: 'storm' }

export async function startStormLab(options: StormLabOptions): Promise<StormLab> {
  const certificate = options.tls ? makeCertificate() : undefined
  const cluster = await startCluster({
    directory: join(options.directory, 'lab'),
    nodes: 1,
    basePort: options.port,
    maxConnections: options.maxConnections,
    fsync: false,
    ...(certificate === undefined
      ? {}
      : {
          settings: {
            ssl: 'on',
            ssl_cert_file: certificate.certFile,
            ssl_key_file: certificate.keyFile,
          },
        }),
    ...(options.postgres === undefined ? {} : { postgresBin: options.postgres }),
  })
  try {
    const { secret, version } = await prepared(cluster)
    const { host, port, pid } = cluster.writer()
    const { database } = cluster.login
    return {
      node: {
        host,
        port,
        pid,
        admin: cluster.login,
        load: { ...LOAD, database },
        secret,
        certificate,
      },
      description: `a node of the run's own on this machine: Postgres ${version}, max_connections = ${options.maxConnections}`,
      end: async () => {
        await cluster.destroy()
        certificate?.end()
      },
    }
  } catch (error) {
    await cluster.destroy()
    throw error
  }
}

async function prepared(cluster: Cluster): Promise<{ secret: string; version: string }> {
  const client = await connectTo(cluster.url(), {
    applicationName: 'weir storm',
    connectTimeoutMs: 10_000,
    queryTimeoutMs: 30_000,
  })
  try {
    await client.query(`set password_encryption = 'scram-sha-256'`)
    // Quoted by hand: neither is anybody's input.
    await client.query(
      `do $$ begin
         if not exists (select from pg_roles where rolname = '${LOAD.user}') then
           create role ${LOAD.user} login password '${LOAD.password}';
         end if;
       end $$`,
    )
    const { rows } = await client.query(
      `select rolpassword as secret, current_setting('server_version') as version
         from pg_authid where rolname = $1`,
      [LOAD.user],
    )
    return { secret: String(rows[0].secret), version: String(rows[0].version) }
  } finally {
    await client.end()
  }
}
