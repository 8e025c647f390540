/**
 * What must be true of Weir after each failover, seen from outside: its status, its process, and the
 * nodes' own lists of connections. Rule: a check only returns sentences about what is wrong; what
 * needs a moment to come true is waited for by whoever asks.
 */
import { readdirSync, readFileSync } from 'node:fs'
import type { StatusSnapshot } from '../../src/admin/snapshot.ts'
import { rowsOf } from '../support/house.ts'

/** Figures of one moment at which nobody asks anything. */
export interface Stillness {
  readonly sessions: number
  readonly serverConnections: number
  readonly fileDescriptors: number
  /** MiB. */
  readonly residentMemory: number
  readonly heap: number
}

export interface Watched {
  readonly pid: number
  /** `http://127.0.0.1:6480`. */
  readonly admin: string
  /** Connection string of each node, by name. */
  readonly nodes: () => ReadonlyMap<string, string>
  /** Client sessions there should be. */
  readonly clients: number
}

export async function statusOf({ admin }: Pick<Watched, 'admin'>): Promise<StatusSnapshot> {
  const reply = await fetch(`${admin}/status`, { signal: AbortSignal.timeout(10_000) })
  return (await reply.json()) as StatusSnapshot
}

/** What is not as it should be while no client asks anything; empty when all is. */
export async function unrest(watched: Watched): Promise<string[]> {
  const status = await statusOf(watched)
  return [...sessionsWrong(status, watched.clients), ...poolsWrong(status), ...nodesWrong(status)]
}

function sessionsWrong({ clients }: StatusSnapshot, expected: number): string[] {
  const wrong: string[] = []
  if (clients.total !== expected) wrong.push(`${clients.total} sessions for ${expected} clients`)
  if (clients.waiting > 0) wrong.push(`${clients.waiting} sessions wait`)
  if (clients.active > 0) wrong.push(`${clients.active} sessions hold a server connection`)
  return wrong
}

function poolsWrong({ pools }: StatusSnapshot): string[] {
  return pools.flatMap(({ node, user, state, active, waiting, opening, total }) => {
    // What listens for all clients is lent for good.
    const lent = user.endsWith('(listen)') ? 0 : active
    const name = `pool of ${user} on ${node}`
    return [
      ...(state === 'serving' ? [] : [`${name} is still ${state} with ${total} connections`]),
      ...(lent === 0 ? [] : [`${name}: ${lent} still lent`]),
      ...(waiting === 0 ? [] : [`${name}: ${waiting} wait`]),
      ...(opening === 0 ? [] : [`${name}: ${opening} being opened`]),
    ]
  })
}

function nodesWrong({ nodes }: StatusSnapshot): string[] {
  const writers = nodes.filter((n) => n.role === 'writer').length
  return [
    ...(writers === 1 ? [] : [`${writers} writers`]),
    ...nodes.filter((n) => n.health !== 'up').map((n) => `${n.name} is ${n.health}`),
  ]
}

/** Where Weir's count of server connections differs from what the nodes say. */
export async function miscounted(watched: Watched): Promise<string[]> {
  const { nodes } = await statusOf(watched)
  const wrong: string[] = []
  for (const { name, connections } of nodes) {
    const [row] = await rowsOf(
      watched.nodes().get(name)!,
      `select count(*) filter (where application_name = 'weir probe')::int as probes,
              count(*) filter (where application_name <> 'weir probe')::int as others
         from pg_stat_activity
        where backend_type = 'client backend' and pid <> pg_backend_pid()`,
    )
    if (row?.others !== connections) {
      wrong.push(`${name} has ${row?.others} connections, Weir counts ${connections}`)
    }
    if (row?.probes !== 1) wrong.push(`${name} has ${row?.probes} control connections`)
  }
  return wrong
}

export async function stillness(watched: Watched): Promise<Stillness> {
  const { pid, admin } = watched
  const { clients, nodes } = await statusOf(watched)
  const metrics = await (await fetch(`${admin}/metrics`)).text()
  const heap = Number(/^nodejs_heap_size_used_bytes (\S+)/m.exec(metrics)?.[1])
  const process = readFileSync(`/proc/${pid}/status`, 'utf8')
  return {
    sessions: clients.total,
    serverConnections: nodes.reduce((sum, n) => sum + n.connections, 0),
    fileDescriptors: readdirSync(`/proc/${pid}/fd`).length,
    residentMemory: Number(/VmRSS:\s+(\d+) kB/.exec(process)?.[1]) / 1024,
    heap: heap / 1024 / 1024,
  }
}

/** File descriptors that are no client's and no server connection's: they must not become more. */
export function ownDescriptors(s: Stillness): number {
  return s.fileDescriptors - s.sessions - s.serverConnections
}
