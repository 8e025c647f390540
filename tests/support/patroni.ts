/**
 * A real Patroni cluster for tests: etcd and the members on loopback, in a directory of their own,
 * as an unprivileged user when we are root. Rule: it ends exactly the processes it started, children
 * by their handles and each Postgres by the number in its own data directory.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, existsSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { chooseRunAs, spawnIdentity } from '../../src/cluster/run-as.ts'
import { until } from '../../src/core/until.ts'
import { freePorts, rowsOf } from './house.ts'

export interface Member {
  readonly name: string
  /** Of Postgres. */
  readonly port: number
  readonly restPort: number
}

export interface PatroniCluster {
  readonly members: readonly Member[]
  /** Of the REST servers. */
  readonly urls: readonly string[]
  readonly login: { readonly user: string; readonly password: string; readonly database: string }
  /** Who leads, once the other has all that is committed and may take over. */
  leader(): Promise<string>
  /** Rows of one statement on a member, past Weir. */
  ask(name: string, text: string): Promise<Record<string, unknown>[]>
  /** `patronictl switchover` to the other member; resolves when the command has ended. */
  switchover(from: string, to: string): Promise<void>
  /** Kills a member: its Postgres and the Patroni that looks after it. */
  kill(name: string): Promise<void>
  /** Starts a killed member again. */
  start(name: string): Promise<void>
  end(): Promise<void>
}

const SUPERUSER = { user: 'postgres', password: 'super' }
const LOGIN = { user: 'weir', password: 'weir', database: 'postgres' }

/** The programs a cluster needs, or the names of those that are missing. */
export function patroniPrograms(): { missing: readonly string[] } {
  const missing = ['patroni', 'patronictl', 'etcd'].filter((name) => !isInPath(name))
  if (serverPrograms() === undefined) missing.push('postgresql-15')
  // Patroni runs without it, but cannot speak with etcd then.
  if (!existsSync('/usr/lib/python3/dist-packages/etcd')) missing.push('python3-etcd')
  return { missing }
}

function isInPath(name: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((dir) => isProgram(join(dir, name)))
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Debian keeps them off the path; the newest there is. */
function serverPrograms(): string | undefined {
  try {
    const versions = readdirSync('/usr/lib/postgresql').sort((a, b) => Number(b) - Number(a))
    return versions
      .map((version) => `/usr/lib/postgresql/${version}/bin`)
      .find((bin) => isProgram(join(bin, 'postgres')))
  } catch {
    return undefined
  }
}

/** Two members, replicating synchronously, and the role `weir` on them. */
export async function startPatroni(ports: readonly [number, number]): Promise<PatroniCluster> {
  const runAs = chooseRunAs()
  const directory = await mkdtemp(join(tmpdir(), 'weir-patroni-'))
  const own = async (path: string): Promise<void> => {
    if (runAs !== undefined) await chown(path, runAs.uid, runAs.gid)
  }
  await chmod(directory, 0o755)
  await own(directory)
  const base = await freePorts(6, ports)
  const members = ['db-1', 'db-2'].map((name, i) => ({
    ...{ name, port: base + i, restPort: base + 2 + i },
  }))
  const client = `http://127.0.0.1:${base + 4}`
  const peer = `http://127.0.0.1:${base + 5}`
  const running = new Map<string, ChildProcess>()

  const launch = (name: string, program: string, args: readonly string[]): void => {
    const log = openSync(join(directory, `${name}.log`), 'a')
    const child = spawn(program, args, {
      ...spawnIdentity(runAs),
      cwd: directory,
      env: { PATH: process.env.PATH, HOME: directory, LC_ALL: 'C.UTF-8' },
      stdio: ['ignore', log, log],
    })
    child.once('exit', () => running.delete(name))
    running.set(name, child)
  }
  const startMember = (name: string): void =>
    launch(name, 'patroni', [join(directory, `${name}.yml`)])
  /** The number of a member's Postgres, while it runs. */
  const postmaster = (name: string): number | undefined => {
    try {
      const lines = readFileSync(join(directory, name, 'postmaster.pid'), 'utf8').split('\n')
      const pid = Number(lines[0])
      return lines[1] === join(directory, name) && isAlive(pid) ? pid : undefined
    } catch {
      return undefined
    }
  }
  const stop = async (name: string, signal: NodeJS.Signals): Promise<void> => {
    const child = running.get(name)
    child?.kill(signal)
    await until(() => !running.has(name), 20_000, { what: `the end of ${name}` })
  }
  const kill = async (name: string): Promise<void> => {
    const pid = postmaster(name)
    await stop(name, 'SIGKILL')
    if (pid !== undefined) process.kill(pid, 'SIGKILL')
  }
  const end = async (): Promise<void> => {
    await Promise.all(members.map(({ name }) => kill(name)))
    await stop('etcd', 'SIGTERM')
    const left = () => members.every(({ name }) => postmaster(name) === undefined)
    await until(left, 10_000, { what: 'the end of Postgres' })
    await rm(directory, { recursive: true, force: true, maxRetries: 5 })
  }
  const urlOf = ({ port }: Member, { user, password }: { user: string; password: string }) =>
    `postgres://${user}:${password}@127.0.0.1:${port}/${LOGIN.database}`
  const ask = (name: string, text: string) =>
    rowsOf(urlOf(members.find((m) => m.name === name)!, SUPERUSER), text)
  const settled = () =>
    until(() => Promise.any(members.map((m) => mayChange(m.restPort))), 30_000, {
      everyMs: 100,
      what: 'a member that may take over',
    })
  const leader = async (): Promise<string> => {
    const roles = await Promise.all(members.map((m) => memberRole(m.restPort)))
    const at = roles.findIndex((role) => role === 'master' || role === 'primary')
    if (at < 0) throw new Error(`nobody leads: ${roles.join(', ')}`)
    return members[at]!.name
  }

  launch('etcd', 'etcd', [
    ...['--name', 'etcd', '--data-dir', join(directory, 'etcd')],
    ...['--listen-client-urls', client, '--advertise-client-urls', client],
    ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
    ...['--initial-cluster', `etcd=${peer}`],
  ])
  try {
    for (const member of members) {
      await mkdir(join(directory, member.name), { mode: 0o700 })
      await own(join(directory, member.name))
      const file = join(directory, `${member.name}.yml`)
      const settings = memberSettings(member, { directory, etcdPort: base + 4 })
      // JSON is YAML.
      await writeFile(file, JSON.stringify(settings, null, 2))
      await own(file)
    }
    startMember('db-1')
    await until(leader, 30_000, { everyMs: 100, what: 'a leader' })
    const role = `create role ${LOGIN.user} superuser login password '${LOGIN.password}'`
    await until(() => ask('db-1', role), 10_000, { everyMs: 100, what: 'a role for Weir' })
    startMember('db-2')
    await settled()
  } catch (error) {
    const logs = ['etcd', 'db-1', 'db-2'].map((name) => tailOf(join(directory, `${name}.log`)))
    await end()
    throw new Error(`Patroni did not start:\n${logs.join('\n')}`, { cause: error })
  }

  return {
    members,
    urls: members.map((m) => `http://127.0.0.1:${m.restPort}`),
    login: LOGIN,
    leader: async () => {
      await settled()
      return leader()
    },
    ask,
    kill,
    end,
    start: async (name) => {
      startMember(name)
      await settled()
    },
    switchover: (from, to) =>
      new Promise((resolve, reject) => {
        const args = ['-c', join(directory, `${from}.yml`), 'switchover', 'weir', '--force']
        const child = spawn('patronictl', [...args, '--master', from, '--candidate', to], {
          ...spawnIdentity(runAs),
          cwd: directory,
          env: { PATH: process.env.PATH, HOME: directory, LC_ALL: 'C.UTF-8' },
        })
        let said = ''
        for (const stream of [child.stdout, child.stderr]) {
          stream.on('data', (chunk: Buffer) => {
            said += chunk.toString()
          })
        }
        child.once('error', reject)
        child.once('exit', (code) =>
          code === 0 ? resolve() : reject(new Error(`patronictl ended with ${code}: ${said}`)),
        )
      }),
  }
}

function memberSettings(
  { name, port, restPort }: Member,
  { directory, etcdPort }: { directory: string; etcdPort: number },
): object {
  return {
    scope: 'weir',
    name,
    restapi: { listen: `127.0.0.1:${restPort}`, connect_address: `127.0.0.1:${restPort}` },
    etcd3: { host: `127.0.0.1:${etcdPort}` },
    bootstrap: {
      // As short as Patroni works with: a test should not wait for leases to run out.
      dcs: { ttl: 5, loop_wait: 1, retry_timeout: 2, synchronous_mode: true },
      initdb: [{ encoding: 'UTF8' }, { locale: 'C.UTF-8' }, 'data-checksums'],
    },
    postgresql: {
      listen: `127.0.0.1:${port}`,
      connect_address: `127.0.0.1:${port}`,
      data_dir: join(directory, name),
      bin_dir: serverPrograms(),
      pgpass: join(directory, `${name}.pgpass`),
      use_pg_rewind: true,
      authentication: {
        superuser: { username: SUPERUSER.user, password: SUPERUSER.password },
        replication: { username: 'replicator', password: 'replicator' },
        rewind: { username: 'rewinder', password: 'rewinder' },
      },
      pg_hba: [
        'local all all trust',
        'host all all 127.0.0.1/32 scram-sha-256',
        'host replication all 127.0.0.1/32 scram-sha-256',
      ],
      parameters: {
        unix_socket_directories: directory,
        fsync: 'off',
        password_encryption: 'scram-sha-256',
        shared_buffers: '16MB',
        max_connections: 60,
      },
    },
  }
}

async function get(url: string): Promise<Record<string, unknown>> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) })
  return (await answer.json()) as Record<string, unknown>
}

async function memberRole(restPort: number): Promise<string> {
  try {
    const { role, state } = await get(`http://127.0.0.1:${restPort}/patroni`)
    return state === 'running' ? String(role) : String(state)
  } catch {
    return 'silent'
  }
}

/** Whether one leads and the other has all that is committed, so that it may take over. */
async function mayChange(restPort: number): Promise<boolean> {
  const { members } = await get(`http://127.0.0.1:${restPort}/cluster`)
  const all = members as { role: string; state: string }[]
  const follower = ({ role, state }: { role: string; state: string }) =>
    role === 'sync_standby' && (state === 'running' || state === 'streaming')
  return all.length === 2 && all.some((m) => m.role === 'leader') && all.some(follower)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function tailOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').split('\n').slice(-25).join('\n')
  } catch {
    return `no ${file}`
  }
}
