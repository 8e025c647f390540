/**
 * The proxies under test, each started with the same allowance: so many server connections over
 * the database's Unix socket, clients by TCP with SCRAM, next to no log. Rule: every proxy gets the
 * configuration its own manual would recommend for this load; a deviation is a footnote.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { chooseRunAs, spawnIdentity } from '../src/cluster/run-as.ts'
import { until } from '../src/core/until.ts'
import type { BenchOptions, Mode, Peer } from './options.ts'
import type { Target } from './pgbench.ts'
import type { Database } from './postgres.ts'
import { end, findProgram, own } from './programs.ts'

export interface RunningPeer {
  readonly name: Peer
  /** Of the proxy's process; undefined for `direct`. */
  readonly pid: number | undefined
  readonly version: string
  readonly footnotes: readonly string[]
  targetFor(mode: Mode): Target
  stop(): Promise<void>
}

/** No proxy at all. */
export function direct(database: Database): RunningPeer {
  return {
    name: 'direct',
    pid: undefined,
    version: `Postgres ${database.version}`,
    footnotes: [],
    targetFor: () => database.target,
    stop: async () => {},
  }
}

/** Starts PgBouncer. Throws MissingProgram; rejects when it does not come up. */
export async function startPgBouncer(
  directory: string,
  database: Database,
  options: BenchOptions,
): Promise<RunningPeer> {
  const program = findProgram('pgbouncer')
  const version = versionOf(program)
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const followsPrepared = major > 1 || minor >= 21
  const most = Math.max(...options.clients)
  const { user, database: name } = database.target
  const port = options.basePort + 1

  const folder = join(directory, 'pgbouncer')
  const file = join(folder, 'pgbouncer.ini')
  const users = join(folder, 'users.txt')
  const runAs = chooseRunAs()
  mkdirSync(folder, { mode: 0o755 })
  const write = (path: string, text: string) => {
    writeFileSync(path, text, { mode: 0o600 })
    if (runAs !== undefined) chownSync(path, runAs.uid, runAs.gid)
  }
  // The stored secret and not the password: then no login costs it a key derivation.
  write(users, `"${user}" "${database.scramSecret}"\n`)
  const place = `host=${database.socketDirectory} port=${database.target.port} dbname=${name}`
  write(
    file,
    [
      '[databases]',
      `${name} = ${place} pool_mode=transaction pool_size=${options.pool}`,
      `session_${name} = ${place} pool_mode=session pool_size=${most}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = scram-sha-256',
      `auth_file = ${users}`,
      `max_client_conn = ${2 * most + 100}`,
      'log_connections = 0',
      'log_disconnections = 0',
      'log_stats = 0',
      ...(followsPrepared ? ['max_prepared_statements = 100'] : []),
      '',
    ].join('\n'),
  )

  const child = spawn(program, [file], {
    ...spawnIdentity(runAs),
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const target = { ...database.target, port }
  const footnotes =
    followsPrepared || !options.modes.includes('prepared')
      ? []
      : [
          `PgBouncer ${version} cannot follow prepared statements in transaction mode: its figures for ` +
            `prepared are in session mode, with a server connection for each client (up to ${most}).`,
        ]
  return {
    name: 'pgbouncer',
    version: `PgBouncer ${version}`,
    footnotes,
    pid: await ready('PgBouncer', child, target),
    targetFor: (mode) =>
      mode === 'prepared' && !followsPrepared ? { ...target, database: `session_${name}` } : target,
    stop: () => end(child, 'SIGINT'),
  }
}

/** Starts Weir as a person would, from the built program. Rejects when it does not come up. */
export async function startWeir(
  directory: string,
  database: Database,
  options: BenchOptions,
): Promise<RunningPeer> {
  const port = options.basePort + 2
  const { user, password, database: name } = database.target
  const file = join(directory, 'weir.yaml')
  const config = {
    listen: { host: '127.0.0.1' },
    admin: { enabled: false },
    log: { level: 'warn', format: 'json' },
    auth: { secrets: [{ username: user, password }] },
    nodes: [
      {
        name: 'node-1',
        host: '127.0.0.1',
        port: database.target.port,
        socketDirectory: database.socketDirectory,
      },
    ],
    topology: { database: name },
    pool: { maxConnections: options.pool },
    endpoints: [{ name: 'writer', kind: 'writer', port }],
  }
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(config, null, 2), { mode: 0o600 })
  // This file runs from dist/benchmarks.
  const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
  const child = spawn(
    process.execPath,
    [join(root, 'scripts', 'weir.js'), 'serve', '--config', file],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const target = { ...database.target, port }
  return {
    name: 'weir',
    version: `Weir on Node ${process.version}`,
    footnotes: [],
    pid: await ready('Weir', child, target),
    targetFor: () => target,
    stop: () => end(child, 'SIGTERM'),
  }
}

/** Waits until a query gets through; returns the pid. Rejects with what the proxy said. */
async function ready(name: string, child: ChildProcess, target: Target): Promise<number> {
  own(child)
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4_000)
    })
  }
  let ended = false
  child.once('error', (error) => {
    ended = true
    said += error.message
  })
  child.once('exit', () => {
    ended = true
  })
  try {
    await until(async () => ended || (await answers(target)), 20_000, { everyMs: 50 })
  } catch (error) {
    await end(child, 'SIGKILL')
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : ''
    throw new Error(`${name} did not answer a query within 20 s: ${cause}\n${said}`.trim())
  }
  if (ended || child.pid === undefined) throw new Error(`${name} ended at once:\n${said}`.trim())
  return child.pid
}

async function answers(target: Target): Promise<boolean> {
  const client = new pg.Client({ ...target, host: '127.0.0.1', connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query('select 1')
    return true
  } finally {
    await client.end()
  }
}

function versionOf(program: string): string {
  const text = execFileSync(program, ['--version'], { encoding: 'utf8' })
  return /(\d+\.\d+)/.exec(text)?.[1] ?? '0.0'
}
