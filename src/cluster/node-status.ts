/**
 * What the nodes of a lab are doing: at a glance from files and processes, or asked from the servers
 * themselves. Rule: read only; a node that cannot answer is a row with a reason, never an error.
 */
import type pg from 'pg'
import { messageOf } from '../core/errors.ts'
import { dataDirectory } from './lab.ts'
import { runningServer } from './server-process.ts'
import { askNode, lsnBytes } from './sql.ts'
import type { ClusterState, NodeEntry } from './state-file.ts'

export interface ClusterNode {
  /** `node-1`. */
  readonly name: string
  readonly host: string
  readonly port: number
  readonly socketDirectory: string
  /** As the lab planned it; `status()` asks the server. */
  readonly role: 'writer' | 'reader'
  /** Who is promoted first, 0-15, lowest first. */
  readonly tier: number
  readonly running: boolean
  /** Stopped by `pause`. */
  readonly paused: boolean
  /** Of the postmaster; undefined when it does not run. */
  readonly pid: number | undefined
}

export interface NodeStatus extends ClusterNode {
  /** What the server says of itself; `unknown` when it does not answer. */
  readonly actualRole: 'writer' | 'reader' | 'unknown'
  readonly timeline: number | undefined
  /** Written (writer) or replayed (reader) up to here, `0/3000148`. */
  readonly lsn: string | undefined
  /** Bytes of WAL a reader has not replayed yet. */
  readonly lagBytes: number | undefined
  /** Milliseconds since the last replayed commit while a reader is behind; 0 when it is not. */
  readonly lagMs: number | undefined
  /** True when a reader receives WAL right now. */
  readonly streaming: boolean | undefined
  /** Why there are no figures. */
  readonly problem: string | undefined
}

/** All nodes of a state, in order. */
export function nodesOf(state: ClusterState): ClusterNode[] {
  return state.nodes.map((node) => glance(state, node))
}

export function glance(state: ClusterState, node: NodeEntry): ClusterNode {
  const server = runningServer(dataDirectory(state, node.name))
  return {
    name: node.name,
    host: '127.0.0.1',
    port: node.port,
    socketDirectory: state.socketDirectory,
    role: node.name === state.writer ? 'writer' : 'reader',
    tier: node.tier,
    running: server !== undefined,
    paused: server?.paused ?? false,
    pid: server?.pid,
  }
}

/** What a server says of itself. */
export interface Answer {
  readonly recovery: boolean
  readonly timeline: number
  /** Written (writer) or replayed (reader). */
  readonly lsn: string
  /** Written (writer) or received (reader): what would survive if this node were promoted. */
  readonly received: string
  readonly streaming: boolean
  readonly lagMs: number
}

// A reader's own checkpoint knows its timeline only after the next restart point, hence the
// receiver's word first; a writer's is in the names of its WAL files.
const QUESTION = `
  select pg_is_in_recovery() as recovery,
    case when pg_is_in_recovery()
      then coalesce((select received_tli from pg_stat_wal_receiver),
                    (select timeline_id from pg_control_checkpoint()))
      else ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
    end as timeline,
    case when pg_is_in_recovery()
      then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end::text as lsn,
    case when pg_is_in_recovery()
      then greatest(pg_last_wal_replay_lsn(), pg_last_wal_receive_lsn())
      else pg_current_wal_lsn() end::text as received,
    exists (select from pg_stat_wal_receiver where status = 'streaming') as streaming,
    case when not pg_is_in_recovery()
           or pg_last_wal_receive_lsn() is not distinct from pg_last_wal_replay_lsn() then 0
      else coalesce(extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000,
                    0) end::float8 as "lagMs"`

/** Asks one server; throws when it does not answer within `withinMs`. */
export function askAnswer(state: ClusterState, node: NodeEntry, withinMs = 2_000): Promise<Answer> {
  return askNode<Answer>(state, node, QUESTION, [], { withinMs })
}

/** The same over a connection that is there. */
export async function answerOver(client: pg.Client): Promise<Answer> {
  const { rows } = await client.query<Answer>(QUESTION)
  return rows[0] as Answer
}

/** Asks all servers at once. */
export async function statusOf(state: ClusterState): Promise<NodeStatus[]> {
  const asked = await Promise.all(
    state.nodes.map(async (entry) => {
      const node = glance(state, entry)
      if (!node.running) return { node, problem: 'not running' }
      if (node.paused) return { node, problem: 'paused' }
      try {
        return { node, answer: await askAnswer(state, entry) }
      } catch (error) {
        return { node, problem: messageOf(error) }
      }
    }),
  )
  const written = asked
    .filter(({ answer }) => answer?.recovery === false)
    .sort((a, b) => (b.answer?.timeline ?? 0) - (a.answer?.timeline ?? 0))[0]?.answer
  return asked.map(({ node, answer, problem }) => {
    if (answer === undefined) {
      return {
        ...node,
        actualRole: 'unknown',
        timeline: undefined,
        lsn: undefined,
        lagBytes: undefined,
        lagMs: undefined,
        streaming: undefined,
        problem,
      }
    }
    const behind = written && Number(lsnBytes(written.lsn) - lsnBytes(answer.lsn))
    return {
      ...node,
      actualRole: answer.recovery ? 'reader' : 'writer',
      timeline: answer.timeline,
      lsn: answer.lsn,
      lagBytes: answer.recovery ? behind && Math.max(0, behind) : 0,
      lagMs: Math.round(answer.lagMs),
      streaming: answer.recovery ? answer.streaming : undefined,
      problem: undefined,
    }
  })
}
