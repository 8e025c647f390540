/**
 * `weir up`: a replicated Postgres, Weir in front of it, and a summary that says what to type next,
 * all in one process tree. Rule: whatever ends it (Ctrl-C, SIGTERM, an error on the way up), it takes
 * everything down that it started.
 */
import { fileURLToPath } from 'node:url'
import { type Command, InvalidArgumentError } from 'commander'
import { type App, startApp } from '../app.ts'
import { type Cluster, startCluster } from '../cluster/cluster.ts'
import { defaultDirectory } from '../cluster/place.ts'
import { loadSettings } from '../config/load.ts'
import type { Settings } from '../config/settings.ts'
import { DEFAULT_ADMIN } from './admin-target.ts'
import { LOCAL_NODES, labEndpoints } from './lab-endpoints.ts'
import { createLogger } from './logger.ts'
import { stopSignal } from './stop-signal.ts'
import { version } from './version.ts'
import { workerProgram } from './worker-program.ts'

export interface UpOptions {
  readonly config?: string
  readonly dir: string
  readonly nodes?: number
  readonly portOffset?: number
  readonly postgres?: string
  readonly synchronous?: boolean
  readonly set?: string[]
}

/** The lab's own configuration lies in the package: two folders up in src, three in dist. */
const LOCAL_CONFIG = ['../../config/local.yaml', '../../../config/local.yaml']

export function registerUp(program: Command): void {
  program
    .command('up')
    .description('start a local replicated Postgres with Weir in front of it')
    .option('-c, --config <file>', 'configuration file (default: the one for the lab)')
    .option('--dir <directory>', 'where the cluster lives', defaultDirectory())
    .option('--nodes <n>', 'how many nodes, the writer included', wholeNumber)
    .option('--port-offset <n>', 'added to every port', wholeNumber)
    .option('--postgres <directory>', 'use installed programs, e.g. /usr/lib/postgresql/15/bin')
    .option('--synchronous', 'a commit waits for one reader')
    .option('--set <setting=value...>', 'override a setting, e.g. --set pool.maxConnections=10')
    .addHelpText(
      'after',
      `
Examples:
  weir up
  weir up --nodes 2 --port-offset 1000
  weir up --postgres /usr/lib/postgresql/15/bin --set pool.maxConnections=10`,
    )
    .action(up)
}

async function up(options: UpOptions): Promise<void> {
  const stopped = stopSignal()
  const say = (sentence: string): boolean => process.stderr.write(`${sentence}\n`)
  // Wrong settings are told before anything is started.
  const { settings } = settingsFor(options)
  const log = createLogger(settings.log)
  let cluster: Cluster | undefined
  let app: App | undefined
  try {
    const starting = startCluster({
      directory: options.dir,
      ...(options.nodes === undefined ? {} : { nodes: options.nodes }),
      ...(options.portOffset === undefined ? {} : { portOffset: options.portOffset }),
      ...(options.postgres === undefined ? {} : { postgresBin: options.postgres }),
      ...(options.synchronous === true ? { synchronous: true } : {}),
      log,
      onProgress: say,
    })
    cluster = await starting
    const ready = settingsFor(options, cluster).settings
    app = await startApp({
      ...{ settings: ready, log, version: version() },
      workerProgram: workerProgram(),
    })
    await app.whenReady(15_000)
    process.stdout.write(summary(ready, cluster, app, options.dir))
    const signal = await stopped
    say(`stopping on ${signal}`)
  } finally {
    await app?.stop()
    await cluster?.down()
  }
  say('stopped; the data is kept for the next `weir up`')
}

/** The settings, with the nodes as the cluster has them once it is there. */
export function settingsFor(options: UpOptions, cluster?: Cluster): { settings: Settings } {
  const file = options.config ?? localConfig()
  const overrides = [`listen.portOffset=${options.portOffset ?? 0}`, ...(options.set ?? [])]
  if (cluster === undefined) return loadSettings({ file, env: process.env, overrides })
  const nodes = cluster.nodes()
  // Over TCP, though each node has a Unix socket: inet_server_port() then tells which node answers.
  const addresses = nodes.map(({ name, host, port }) => JSON.stringify({ name, host, port }))
  const before = [`nodes=[${addresses.join(', ')}]`]
  const names = nodes.map((node) => node.name)
  if (options.config === undefined && names.join() !== LOCAL_NODES.join()) {
    before.push(`endpoints=${labEndpoints(names)}`)
  }
  return loadSettings({ file, env: process.env, overrides: [...before, ...overrides] })
}

function localConfig(): string {
  const here = import.meta.url
  const url = here.includes('/dist/') ? LOCAL_CONFIG[1]! : LOCAL_CONFIG[0]!
  return fileURLToPath(new URL(url, here))
}

/** What a person wants to know next, the most useful line first. */
function summary(settings: Settings, cluster: Cluster, app: App, directory: string): string {
  const { user, password, database } = cluster.login
  const url = (port: number): string =>
    `postgres://${user}:${password}@127.0.0.1:${port}/${database}`
  const lines = ['', `Weir ${version()} is up.`, '']
  const wide = Math.max(...settings.endpoints.map((e) => e.name.length))
  for (const endpoint of settings.endpoints) {
    if (endpoint.port === undefined) continue
    lines.push(`  ${endpoint.name.padEnd(wide)}  ${url(endpoint.port)}`)
  }
  lines.push('')
  for (const node of app.snapshot().nodes) {
    const role = { writer: 'the writer', reader: 'a reader', unknown: 'not up yet' }[node.role]
    lines.push(`  ${node.name} is ${role} (${node.host}:${node.port})`)
  }
  const writer = settings.endpoints.find((e) => e.kind === 'writer')?.port ?? 6432
  const elsewhere = directory === defaultDirectory() ? '' : ` --dir ${directory}`
  lines.push('', 'Try:')
  lines.push(`  psql ${url(writer)}`)
  if (app.admin !== undefined) {
    const { address } = app.admin
    lines.push(`  npx weir status${address === DEFAULT_ADMIN ? '' : ` --admin ${address}`}`)
    lines.push(`  open ${address}/`)
  }
  const reader = app.snapshot().nodes.find((n) => n.role === 'reader')?.name
  if (reader !== undefined) lines.push(`  npx weir cluster promote ${reader}${elsewhere}`)
  lines.push('', 'Ctrl-C stops everything.', '', '')
  return lines.join('\n')
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}
