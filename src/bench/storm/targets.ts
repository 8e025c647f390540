/**
 * The targets a storm can start by itself, and any URL. Rule: each is as its own documentation would
 * have it for this load: the same number of server connections, SCRAM on both sides, and no derivation
 * of a key where the program can do without; every deviation from a default stands in its description.
 */
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  findProgram,
  missingPrograms,
  type Running,
  startProgram,
  unprivileged,
  versionOf,
  whenReady,
} from '../failover/subjects/programs.ts'
import { answers, urlOf, withoutPassword } from '../failover/subjects/urls.ts'
import type { LabNode, Target, TargetStart } from './target.ts'

/** No proxy: a server process for each client. */
export function directTarget(): Target {
  return {
    name: 'direct',
    onLab: true,
    description: () => 'no proxy: every client has a connection to the node',
    missing: () => [],
    start: async (start) => {
      const { load, port } = labOf(start)
      return { url: urlOf(load, port), tls: 'disable', proxyPid: undefined }
    },
    stop: async () => {},
  }
}

/** @param pid of the process that answers there, when it is on this machine */
export function urlTarget(name: string, url: string, pid?: number): Target {
  return {
    name,
    onLab: false,
    description: () => `what answers at ${withoutPassword(url)}; not started by this run`,
    missing: () => [],
    start: async () => ({ url, proxyPid: pid }),
    stop: async () => {},
  }
}

export interface WeirTargetOptions {
  /** Argv before `serve`. */
  readonly program: readonly string[]
  /** Settings beyond what a run needs. */
  readonly set: readonly string[]
}

export function weirTarget({ program, set }: WeirTargetOptions): Target {
  let running: Running | undefined
  let pool = 0
  return {
    name: 'weir',
    onLab: true,
    description: () => {
      const [file = '', ...args] = program
      const rest = ['otherwise its defaults', ...set].join(', ')
      return `Weir ${versionOf(file, [...args, '--version'])}, pools of ${pool}; ${rest}`
    },
    missing: () => [],
    start: async (start) => {
      const lab = labOf(start)
      pool = start.pool
      const file = join(start.directory, 'weir.yaml')
      // JSON is YAML.
      writeFileSync(file, JSON.stringify(weirConfig(lab, start), null, 2), { mode: 0o600 })
      running = await startProgram('Weir', {
        argv: [...program, 'serve', '--config', file, ...set.flatMap((one) => ['--set', one])],
        logFile: join(start.directory, 'weir.log'),
      })
      const url = urlOf(lab.load, start.port)
      await whenReady('Weir', running, () => answers(url, 'writer'))
      return { url, tls: 'disable', proxyPid: running.pid }
    },
    stop: async () => {
      await running?.stop()
      running = undefined
    },
  }
}

function weirConfig({ host, port, admin, load, certificate }: LabNode, start: TargetStart): object {
  return {
    listen: { host: '127.0.0.1' },
    nodes: [{ name: 'node-1', host, port }],
    topology: { user: admin.user, database: admin.database },
    endpoints: [{ name: 'writer', kind: 'writer', port: start.port }],
    pool: { maxConnections: start.pool },
    // Their default is 10000; a larger crowd is what a person asked for.
    limits: {
      maxClientConnections: Math.max(10_000, start.clients + 100),
      maxWaitingClients: Math.max(10_000, start.clients),
    },
    auth: {
      secrets: [admin, load].map(({ user, password }) => ({ username: user, password })),
    },
    // Between poolers and node there is none, for any of them.
    ...(certificate === undefined
      ? {}
      : { tls: { mode: 'allowed', nodes: 'disable', ...files(certificate) } }),
    admin: { port: start.port + 1 },
    log: { level: 'warn', format: 'json' },
  }
}

const files = ({ certFile, keyFile }: { certFile: string; keyFile: string }) => ({
  certFile,
  keyFile,
})

export function pgbouncerTarget(): Target {
  let folder: string | undefined
  let running: Running | undefined
  let pool = 0
  const program = findProgram('pgbouncer')
  /** There is a secret in it; it goes even when somebody ends the run in a hurry. */
  const tidy = (): void => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
  return {
    name: 'pgbouncer',
    onLab: true,
    description: () =>
      `PgBouncer ${program === undefined ? '' : versionOf(program)}, transaction pooling, pools of ${pool}, ` +
      'the users’ SCRAM secrets from the node (it derives no keys); otherwise its defaults',
    missing: () => missingPrograms(['pgbouncer']),
    start: async (start) => {
      const lab = labOf(start)
      pool = start.pool
      folder = mkdtempSync(join(tmpdir(), 'weir-pgbouncer-'))
      process.on('exit', tidy)
      running = await startProgram('PgBouncer', {
        argv: [program ?? 'pgbouncer', writePgbouncer(folder, lab, start)],
        logFile: join(start.directory, 'pgbouncer.log'),
        identity: unprivileged(),
      })
      const url = urlOf(lab.load, start.port)
      await whenReady('PgBouncer', running, () => answers(url, 'writer'))
      return { url, tls: 'disable', proxyPid: running.pid }
    },
    stop: async () => {
      await running?.stop('SIGINT')
      tidy()
      process.off('exit', tidy)
      running = folder = undefined
    },
  }
}

/** Writes users and settings where PgBouncer's user can read them; the path of the settings. */
function writePgbouncer(folder: string, lab: LabNode, start: TargetStart): string {
  const { uid, gid } = unprivileged()
  const file = join(folder, 'pgbouncer.ini')
  const users = join(folder, 'users.txt')
  chmodSync(folder, 0o711)
  const texts = {
    [users]: `"${lab.load.user}" "${lab.secret}"\n`,
    [file]: pgbouncerConfig(lab, start, users),
  }
  for (const [path, text] of Object.entries(texts)) {
    writeFileSync(path, text, { mode: 0o600 })
    if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid)
  }
  return file
}

/** The whole configuration file, as text. */
export function pgbouncerConfig(lab: LabNode, start: TargetStart, users: string): string {
  const { database } = lab.load
  return [
    '[databases]',
    `${database} = host=${lab.host} port=${lab.port} dbname=${database}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${start.port}`,
    'unix_socket_dir =',
    'auth_type = scram-sha-256',
    `auth_file = ${users}`,
    'pool_mode = transaction',
    `default_pool_size = ${start.pool}`,
    // Its default of 100 would refuse the load.
    `max_client_conn = ${start.clients + 100}`,
    ...(lab.certificate === undefined
      ? []
      : [
          'client_tls_sslmode = allow',
          `client_tls_cert_file = ${lab.certificate.certFile}`,
          `client_tls_key_file = ${lab.certificate.keyFile}`,
          'server_tls_sslmode = disable',
        ]),
    // A line for each of thousands of clients says nothing.
    'log_connections = 0',
    'log_disconnections = 0',
    '',
  ].join('\n')
}

function labOf({ lab }: TargetStart): LabNode {
  if (lab === undefined) throw new Error('BUG: a target of the lab without a lab')
  return lab
}
