/**
 * What is left on the server connections of a pool when everybody has gone. Rule: all of them are
 * looked at from inside, at the same time, each in a transaction of its own.
 */
import pg from 'pg'

const LOOK = `select
  pg_backend_pid() as pid,
  (select count(*)::int from pg_cursors where is_holdable) as cursors,
  (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
  (select count(*)::int from pg_class where relnamespace = pg_my_temp_schema()) as temporary,
  (select count(*)::int from pg_prepared_statements where from_sql) as prepared,
  (select count(*)::int from pg_listening_channels()) as channels,
  (select coalesce(string_agg(name || '=' || setting, ', '), '') from pg_settings
    where source = 'session' and name not in ('application_name', 'client_encoding')) as settings,
  coalesce(current_setting('app.owner', true), '') || coalesce(current_setting('app.tenant', true), '') as custom,
  current_user::text as acting,
  session_user::text as self`

const CLEAN = {
  cursors: 0,
  locks: 0,
  temporary: 0,
  prepared: 0,
  channels: 0,
  settings: '',
  custom: '',
  acting: 'weir',
  self: 'weir',
}

/** Server connections seen, and what any of them still holds. */
export async function remainsOf(
  url: string,
  pool: number,
): Promise<{ readonly connections: number; readonly remains: readonly string[] }> {
  const clients = await Promise.all(
    Array.from({ length: pool }, async () => {
      const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 30_000 })
      await client.connect()
      return client
    }),
  )
  const pids = new Set<number>()
  const remains: string[] = []
  try {
    await Promise.all(clients.map((client) => client.query('begin')))
    for (const client of clients) {
      const { pid, ...held } = (await client.query(LOOK)).rows[0]
      pids.add(pid)
      for (const [what, clean] of Object.entries(CLEAN)) {
        if (held[what] !== clean) remains.push(`server process ${pid}: ${what} ${held[what]}`)
      }
    }
    await Promise.all(clients.map((client) => client.query('rollback')))
  } finally {
    await Promise.all(clients.map((client) => client.end()))
  }
  return { connections: pids.size, remains }
}
