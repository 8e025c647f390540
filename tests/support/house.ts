/**
 * The house for tests: a lab of real Postgres servers and Weir in front of them, in this process, on
 * ports nobody uses. Rule: a test says only what matters to it (pool size, more settings); all the
 * rest is the smallest and fastest thing that is still the real one. End it with `end()`.
 */
import { accessSync, constants, statfsSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { type App, startApp } from '../../src/app.ts'
import { type Cluster, startCluster } from '../../src/cluster/cluster.ts'
import type { ClusterOptions } from '../../src/cluster/prepare.ts'
import { loadSettings } from '../../src/config/load.ts'
import { type Log, silentLog } from '../../src/core/log.ts'
import { testOverrides } from './overrides.ts'

export interface HouseOptions {
  /** Default 1: a writer and no reader. */
  readonly nodes?: number
  /** Most server connections of one pool. Default 3. */
  readonly pool?: number
  /** First and last port to choose from. Default 15801 to 15899. */
  readonly ports?: readonly [number, number]
  /** More for the lab. */
  readonly cluster?: Partial<ClusterOptions>
  /** Sections laid over the configuration file, e.g. `{ limits: { loginTimeout: '1s' } }`. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Users besides `weir`, whose roles the test makes itself. */
  readonly users?: readonly { readonly username: string; readonly password: string }[]
  readonly log?: Log
}

export interface House {
  readonly cluster: Cluster
  readonly app: App
  readonly directory: string
  /** Port of the writer node itself. */
  readonly nodePort: number
  /** Port of the endpoint `writer`. */
  readonly port: number
  /** Port of the endpoint `reader`; it falls back to the writer. */
  readonly readerPort: number
  /** Connection strings: `direct` to the writer node, the others through Weir. */
  readonly direct: string
  readonly writer: string
  readonly reader: string
  /** Rows of one statement on its own direct connection. */
  ask(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>
  /** Stops Weir and the lab and removes the data. */
  end(): Promise<void>
}

/** Starts the lab, then Weir; resolves when the writer is known. */
export async function startHouse(options: HouseOptions = {}): Promise<House> {
  const { nodes = 1, pool = 3, ports = [15_801, 15_899] } = options
  const directory = await mkdtemp(join(roomInMemory() ? '/dev/shm' : tmpdir(), 'weir-house-'))
  // Open to the user that runs the servers when we are root.
  await chmod(directory, 0o755)
  const basePort = await freePorts(nodes + 2, ports)
  const port = basePort + nodes
  const readerPort = port + 1
  const cluster = await startCluster({
    fsync: false,
    nodes,
    basePort,
    directory: join(directory, 'lab'),
    ...options.cluster,
  })
  const { user, password, database } = cluster.login
  const { config = {} } = options
  const file = join(directory, 'weir.yaml')
  const settings = {
    nodes: cluster.nodes().map(({ name, host, port }) => ({ name, host, port })),
    topology: { user, database },
    endpoints: [
      { name: 'writer', kind: 'writer', port },
      { name: 'reader', kind: 'reader', port: readerPort, noReader: 'writer' },
    ],
    auth: { secrets: [{ username: user, password }, ...(options.users ?? [])] },
    admin: { enabled: false },
    ...config,
    pool: { maxConnections: pool, borrowTimeout: '30s', ...(config.pool ?? {}) },
  }
  // JSON is YAML.
  await writeFile(file, JSON.stringify(settings, null, 2), { mode: 0o600 })
  const destroy = async (): Promise<void> => {
    await cluster.destroy()
    await rm(directory, { recursive: true, force: true })
  }
  let app: App
  try {
    const loaded = loadSettings({ file, overrides: testOverrides() }).settings
    app = await startApp({ settings: loaded, log: options.log ?? silentLog, version: '0.0.0-test' })
    await app.whenReady(20_000)
  } catch (error) {
    await destroy()
    throw error
  }
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`
  const through = (door: number): string => `postgres://${login}@127.0.0.1:${door}/${database}`
  return {
    cluster,
    app,
    directory,
    nodePort: cluster.writer().port,
    port,
    readerPort,
    direct: cluster.url(),
    writer: through(port),
    reader: through(readerPort),
    ask: (text, values = []) => rowsOf(cluster.url(), text, values),
    end: async () => {
      await app.stop()
      await destroy()
    },
  }
}

/** Rows of one statement on its own connection. */
export async function rowsOf(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(text, values)).rows
  } finally {
    await client.end()
  }
}

/** In memory where there is room: a lab is a thousand small files. */
function roomInMemory(): boolean {
  try {
    accessSync('/dev/shm', constants.W_OK)
    const { bavail, bsize } = statfsSync('/dev/shm')
    return bavail * bsize > 1024 ** 3
  } catch {
    return false
  }
}

/** First of `count` neighbouring ports on which nobody listens. */
export async function freePorts(
  count: number,
  [first, last]: readonly [number, number],
): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const base = first + Math.floor(Math.random() * (last - first + 2 - count))
    const free = await Promise.all(Array.from({ length: count }, (_, i) => isFree(base + i)))
    if (free.every(Boolean)) return base
  }
  throw new Error(`no ${count} free neighbouring ports between ${first} and ${last}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
