/**
 * HAProxy as people put it in front of Patroni: one port that leads to whoever answers 200 to
 * `/primary`, one to the replicas. Rule: intervals and counts are those of the template that comes
 * with Patroni; nothing is tuned for the run, and what HAProxy says of nodes is kept with its time.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Timeline } from '../result.ts'
import type { NodeAddress } from '../subject.ts'
import { findProgram, type Running, startProgram } from './programs.ts'
import type { RoleWatch } from './role-watch.ts'

/** Said in the description, so that a reader can judge it. */
export const CHECK = 'inter 3s fall 3 rise 2 on-marked-down shutdown-sessions'

export interface HaproxyOptions {
  readonly nodes: readonly NodeAddress[]
  readonly roles: RoleWatch
  readonly writerPort: number
  readonly readerPort: number
  /** Connections to one node. */
  readonly most: number
  readonly directory: string
}

export interface Haproxy {
  readonly running: Running
  /**
   * Every server was checked once. Before that all count as up, and a client that is led to the
   * wrong node is cut off by the check.
   */
  settled(): boolean
  /** When it took the writer for suspect and down, and when it saw the next one. */
  milestones(since: number): Timeline
}

/** Starts HAProxy in the foreground. Rejects when it cannot run. */
export async function startHaproxy(options: HaproxyOptions): Promise<Haproxy> {
  const file = join(options.directory, 'haproxy.cfg')
  writeFileSync(file, haproxyConfig(options), { mode: 0o600 })
  const said: { at: number; line: string }[] = []
  const running = await startProgram('HAProxy', {
    argv: [findProgram('haproxy') ?? 'haproxy', '-db', '-f', file],
    logFile: join(options.directory, 'haproxy.log'),
    onLine: (line, at) => {
      if (/\b(primary|replicas)\/\S+/.test(line)) said.push({ at, line })
    },
  })
  const settled = (): boolean => {
    const checked = /Health check for server (primary|replicas)\/\S+/
    const servers = said.map(({ line }) => checked.exec(line)?.[0])
    return new Set(servers.filter(Boolean)).size >= 2 * options.nodes.length
  }
  return { running, settled, milestones: (since) => checksSince(said, since) }
}

/**
 * The milestones in what HAProxy has said of the servers of `primary`: its first failed check, the
 * server taken out, another one let in. Milestones it did not say are left out.
 */
export function checksSince(
  said: readonly { readonly at: number; readonly line: string }[],
  since: number,
): Timeline {
  const first = (pattern: RegExp): number | undefined =>
    said.find(({ at, line }) => at >= since && pattern.test(line))?.at
  const suspected = first(/Health check for server primary\/\S+ failed/)
  const down = first(/Server primary\/\S+ is DOWN/)
  const observed = first(/Server primary\/\S+ is UP/)
  return {
    ...(suspected === undefined ? {} : { suspected }),
    ...(down === undefined ? {} : { down }),
    ...(observed === undefined ? {} : { observed }),
  }
}

/** The whole configuration file, as text. */
export function haproxyConfig(options: Omit<HaproxyOptions, 'directory'>): string {
  const { nodes, roles, most } = options
  const listen = (name: string, port: number, path: string): string[] => [
    '',
    `listen ${name}`,
    `  bind 127.0.0.1:${port}`,
    `  option httpchk OPTIONS ${path}`,
    '  http-check expect status 200',
    // Each change of a check is said, so that the report can show when it was seen.
    '  option log-health-checks',
    `  default-server ${CHECK}`,
    ...nodes.map(({ name: node, host, port: at }) => {
      const check = `check addr 127.0.0.1 port ${roles.port(node)}`
      return `  server ${node} ${host}:${at} maxconn ${most} ${check}`
    }),
  ]
  return [
    'global',
    `  maxconn ${4 * most}`,
    '  log stdout format raw local0 notice',
    '',
    'defaults',
    '  log global',
    '  mode tcp',
    '  retries 2',
    '  timeout client 30m',
    '  timeout connect 4s',
    '  timeout server 30m',
    '  timeout check 5s',
    ...listen('primary', options.writerPort, '/primary'),
    ...listen('replicas', options.readerPort, '/replica'),
    '',
  ].join('\n')
}
