/**
 * PgBouncer in front of HAProxy, whose check asks each node for its role: what most teams run beside
 * Patroni. Rule: PgBouncer's own defaults, but for what a load of this size needs; each deviation
 * stands in the description.
 */
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Subject, SubjectStart } from '../subject.ts'
import { CHECK, type Haproxy, startHaproxy } from './haproxy.ts'
import { poolSize } from './pool-size.ts'
import {
  findProgram,
  missingPrograms,
  type Running,
  startProgram,
  unprivileged,
  versionOf,
  whenReady,
} from './programs.ts'
import { type RoleWatch, watchRoles } from './role-watch.ts'
import { answers, urlOf } from './urls.ts'

const PROGRAMS = ['pgbouncer', 'haproxy'] as const

/** Databases as PgBouncer names them: the load's own, its readers', and one to LISTEN on. */
const READERS = '_readers'
const SESSIONS = '_sessions'

export function pgbouncerSubject(): Subject {
  let folder: string | undefined
  let roles: RoleWatch | undefined
  let haproxy: Haproxy | undefined
  let bouncer: Running | undefined
  let size: number | undefined

  const stop = async (): Promise<void> => {
    await bouncer?.stop('SIGINT')
    await haproxy?.running.stop()
    await roles?.close()
    tidy()
    process.off('exit', tidy)
    bouncer = haproxy = roles = folder = undefined
  }
  /** There is a password in it; it goes even when somebody ends the run in a hurry. */
  const tidy = (): void => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }

  return {
    name: 'pgbouncer',
    description: async () => {
      const [pgbouncer, proxy] = PROGRAMS.map((name) => findProgram(name))
      const pools = size === undefined ? 'pools as large as the others have' : `pools of ${size}`
      return (
        `PgBouncer ${pgbouncer === undefined ? '' : versionOf(pgbouncer)} (transaction pooling, ${pools}, ` +
        'otherwise its defaults: server_login_retry 15 s, query_wait_timeout 120 s) behind ' +
        `HAProxy ${proxy === undefined ? '' : versionOf(proxy, ['-v'])} with Patroni's usual role check (${CHECK})`
      )
    },
    missing: async () => missingPrograms(PROGRAMS),
    start: async (start) => {
      const { nodes, login, ports } = start
      size = poolSize(start.nodeConnections)
      const [port, writerPort, readerPort] = [ports.first, ports.first + 1, ports.first + 2]
      try {
        roles = await watchRoles(nodes, login, ports.first + 3)
        const { directory, nodeConnections: most } = start
        haproxy = await startHaproxy({ nodes, roles, writerPort, readerPort, most, directory })
        folder = mkdtempSync(join(tmpdir(), 'weir-pgbouncer-'))
        process.on('exit', tidy)
        const file = writeConfig(folder, start, size)
        const { running, settled } = haproxy
        await whenReady('HAProxy', running, async () => settled())
        for (const [target, at] of [
          ['writer', writerPort],
          ['reader', readerPort],
        ] as const) {
          await whenReady('HAProxy', running, () => answers(urlOf(login, at), target))
        }
        // Only now: a login that fails makes PgBouncer wait fifteen seconds for the next.
        bouncer = await startProgram('PgBouncer', {
          argv: [findProgram('pgbouncer') ?? 'pgbouncer', file],
          logFile: join(directory, 'pgbouncer.log'),
          identity: unprivileged(),
        })
        const writerUrl = urlOf(login, port)
        const readerUrl = urlOf(login, port, login.database + READERS)
        await whenReady('PgBouncer', bouncer, async () => {
          return (await answers(writerUrl, 'writer')) && (await answers(readerUrl, 'reader'))
        })
        return { writerUrl, readerUrl, listenUrl: urlOf(login, port, login.database + SESSIONS) }
      } catch (error) {
        await stop()
        throw error
      }
    },
    stop,
    milestones: async (since) => haproxy?.milestones(since) ?? {},
  }
}

/** Writes users and settings where PgBouncer's user can read them; the path of the settings. */
function writeConfig(folder: string, start: SubjectStart, size: number): string {
  const { user, password } = start.login
  const { uid, gid } = unprivileged()
  const file = join(folder, 'pgbouncer.ini')
  const users = join(folder, 'users.txt')
  const write = (path: string, text: string): void => {
    writeFileSync(path, text, { mode: 0o600 })
    if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid)
  }
  chmodSync(folder, 0o711)
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`
  write(users, `${quoted(user)} ${quoted(password)}\n`)
  write(file, pgbouncerConfig(start, size, users))
  return file
}

/** The whole configuration file, as text. */
export function pgbouncerConfig(start: SubjectStart, size: number, users: string): string {
  const { first } = start.ports
  const { database } = start.login
  const at = (port: number): string => `host=127.0.0.1 port=${port} dbname=${database}`
  const listeners = Math.max(1, Math.min(size, start.nodeConnections - size))
  return [
    '[databases]',
    `${database} = ${at(first + 1)}`,
    `${database}${READERS} = ${at(first + 2)}`,
    `${database}${SESSIONS} = ${at(first + 1)} pool_mode=session pool_size=${listeners}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${first}`,
    'unix_socket_dir =',
    // The cheap proof for clients: a thousand of them log in at once, and the node asks for SCRAM anyway.
    'auth_type = md5',
    `auth_file = ${users}`,
    'pool_mode = transaction',
    `default_pool_size = ${size}`,
    // Its default of 100 would refuse the load.
    `max_client_conn = ${2 * start.clients + 100}`,
    'ignore_startup_parameters = extra_float_digits',
    // A line for each of a thousand clients says nothing.
    'log_connections = 0',
    'log_disconnections = 0',
    '',
  ].join('\n')
}
