/**
 * Counts the connections of a node while a storm is on. Rule: its own connection is open before the
 * storm, as a superuser's or to a reserved slot, and is never counted; an answer that does not come is
 * a look without a figure.
 */
import { connectTo } from '../failover/line.ts'
import type { ServerCount } from './result.ts'

const COUNT = `
  select (count(*) filter (where usename = $1))::int as load,
         (count(*) filter (where usename <> $1))::int as other
    from pg_stat_activity
   where backend_type = 'client backend' and pid <> pg_backend_pid()`

/** Postgres 14 and newer count sessions. */
const SESSIONS = `
  select sum(sessions)::float8 as sessions from pg_stat_database where datname = $1`

export interface NodeWatch {
  /** Undefined when the node does not answer. */
  count(): Promise<ServerCount | undefined>
  /** Sessions the database has ever had. */
  sessions(): Promise<number | undefined>
  end(): Promise<void>
}

/**
 * Rejects when the node cannot be asked at all.
 * @param url of a user who sees all sessions (pg_monitor or superuser)
 * @param load the user the clients log in as
 */
export async function watchNode(url: string, load: string, database: string): Promise<NodeWatch> {
  const client = await connectTo(url, {
    applicationName: 'weir storm watch',
    connectTimeoutMs: 10_000,
    queryTimeoutMs: 5_000,
  })
  let asking = false
  return {
    count: async () => {
      if (asking) return undefined
      asking = true
      try {
        return (await client.query(COUNT, [load])).rows[0]
      } catch {
        return undefined
      } finally {
        asking = false
      }
    },
    sessions: async () => {
      const answer = await client.query(SESSIONS, [database]).catch(() => undefined)
      return answer?.rows[0]?.sessions ?? undefined
    },
    end: async () => {
      const gone = client.end().catch(() => {})
      await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 500).unref())])
    },
  }
}
