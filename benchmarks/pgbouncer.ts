/**
 * PgBouncer under test. Rule: it gets what its manual recommends for this load: transaction mode,
 * prepared statements followed where it can, the stored secret in place of a password.
 */
import { execFileSync, spawn } from 'node:child_process'
import { chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chooseRunAs, spawnIdentity } from '../src/cluster/run-as.ts'
import type { BenchOptions } from './options.ts'
import type { Database } from './postgres.ts'
import { end, findProgram } from './programs.ts'
import { type RunningPeer, ready } from './proxies.ts'

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

function versionOf(program: string): string {
  const text = execFileSync(program, ['--version'], { encoding: 'utf8' })
  return /(\d+\.\d+)/.exec(text)?.[1] ?? '0.0'
}
