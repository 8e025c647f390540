/**
 * One more Weir before the lab of a house, for a test that needs other settings (pool of one, TLS, a
 * short timeout) without paying for another lab. Rule: a test says only what differs; the house ends
 * its own things, a front ends with `end()`.
 */
import { mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type App, startApp } from '../../src/app.ts'
import type { Cluster } from '../../src/cluster/cluster.ts'
import { loadSettings } from '../../src/config/load.ts'
import { type Log, silentLog } from '../../src/core/log.ts'
import { freePorts } from './house.ts'
import { testOverrides } from './overrides.ts'

/** First and last port of the tests that use fronts. */
export const FRONT_PORTS = [15_901, 15_949] as const

export interface FrontOptions {
  /** Endpoints without their ports; default a writer and a reader. */
  readonly endpoints?: readonly Readonly<Record<string, unknown>>[]
  readonly users?: readonly { readonly username: string; readonly password: string }[]
  /** Sections of the configuration file. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly pool?: Readonly<Record<string, unknown>>
  /** Whether the admin port is served. */
  readonly admin?: boolean
  /** False: do not wait for a writer. */
  readonly ready?: boolean
  readonly log?: Log
}

export interface Front {
  readonly app: App
  /** Of the endpoint called so. */
  port(endpoint: string): number
  /** Connection string through that endpoint; the lab's user unless another is named. */
  url(endpoint?: string, user?: string): string
  readonly adminPort: number
  end(): Promise<void>
}

const DEFAULT_ENDPOINTS = [
  { name: 'writer', kind: 'writer' },
  { name: 'reader', kind: 'reader' },
]

export interface FrontFile {
  readonly file: string
  readonly basePort: number
  readonly adminPort: number
  readonly names: readonly string[]
}

/** Writes the configuration file of a front; the last port is the admin's. */
export async function writeFront(
  { cluster, directory }: { cluster: Cluster; directory: string },
  options: FrontOptions = {},
): Promise<FrontFile> {
  const { endpoints = DEFAULT_ENDPOINTS, users = [], config = {}, pool = {} } = options
  const basePort = await freePorts(endpoints.length + 1, FRONT_PORTS)
  const adminPort = basePort + endpoints.length
  const { user, password, database } = cluster.login
  const settings = {
    nodes: cluster.nodes().map(({ name, host, port }) => ({ name, host, port })),
    topology: { user, database },
    endpoints: endpoints.map((endpoint, i) => ({ ...endpoint, port: basePort + i })),
    admin: { enabled: options.admin ?? false, port: adminPort },
    ...config,
    auth: {
      secrets: [{ username: user, password }, ...users],
      ...((config.auth as object | undefined) ?? {}),
    },
    pool: { maxConnections: 3, borrowTimeout: '20s', ...pool },
  }
  const file = join(await mkdtemp(join(directory, 'front-')), 'weir.yaml')
  // JSON is YAML.
  await writeFile(file, JSON.stringify(settings, null, 2), { mode: 0o600 })
  return { file, basePort, adminPort, names: endpoints.map((e) => String(e.name)) }
}

export async function startFront(
  house: { cluster: Cluster; directory: string },
  options: FrontOptions = {},
): Promise<Front> {
  const { file, basePort, adminPort, names } = await writeFront(house, options)
  const app = await startApp({
    settings: loadSettings({ file, overrides: testOverrides() }).settings,
    log: options.log ?? silentLog,
    version: '0.0.0-test',
    graceMs: 500,
  })
  if (options.ready !== false) await app.whenReady(20_000)
  const port = (endpoint: string): number => {
    const at = names.indexOf(endpoint)
    if (at < 0) throw new Error(`no endpoint ${endpoint} in this front`)
    return basePort + at
  }
  const { user, password, database } = house.cluster.login
  return {
    app,
    port,
    adminPort,
    url: (endpoint = 'writer', as = user) => {
      const secret = options.users?.find((u) => u.username === as)?.password ?? password
      return `postgres://${as}:${secret}@127.0.0.1:${port(endpoint)}/${database}`
    },
    end: () => app.stop(),
  }
}
