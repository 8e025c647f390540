/**
 * The one question a probe asks, and how its row is read. Rule: it works on PostgreSQL 13 to 18,
 * reads no table, takes no lock, and everything is qualified so that no search_path can bend it.
 *
 * Timeline: `pg_control_checkpoint()` names the timeline of the last checkpoint, which after a
 * promotion may be minutes old. A writer therefore tells it by the name of the file it writes; a
 * reader by what it receives, by its recovery point, and only then by the checkpoint: the highest
 * of the three, as a timeline never goes back while a server runs.
 */

/** What any role may see. Nine columns, in the order `readRow` takes them. */
function question(timelineOnReader: string): string {
  return `
select r.in_recovery,
  case when r.in_recovery then ${timelineOnReader}
    else substring(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) from 1 for 8) end,
  pg_catalog.pg_wal_lsn_diff(case when r.in_recovery then pg_catalog.pg_last_wal_replay_lsn()
    else pg_catalog.pg_current_wal_lsn() end, '0/0')::text,
  pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_receive_lsn(), '0/0')::text,
  case when r.in_recovery then
    (select case when w.pid is null then 'no' else w.status end
       from (select) one left join pg_catalog.pg_stat_wal_receiver w on true) end,
  case when r.in_recovery then (extract(epoch from
    pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()) * 1000)::text end,
  (pg_catalog.current_setting('max_connections')::int
    - pg_catalog.current_setting('superuser_reserved_connections')::int
    - coalesce(pg_catalog.current_setting('reserved_connections', true)::int, 0))::text,
  pg_catalog.current_setting('server_version_num')
from (select pg_catalog.pg_is_in_recovery() as in_recovery) r`
}

/** Needs EXECUTE on the two control-file functions, which everybody has unless it was revoked. */
export const QUESTION: string = question(`
    pg_catalog.lpad(pg_catalog.to_hex(greatest(
      (select w.received_tli from pg_catalog.pg_stat_wal_receiver w),
      (select nullif(c.min_recovery_end_timeline, 0) from pg_catalog.pg_control_recovery() c),
      (select c.timeline_id from pg_catalog.pg_control_checkpoint() c))), 8, '0')`)

/** For a role that may not: the reader's timeline is what it receives, or not known. */
export const PLAIN_QUESTION: string = question(`
    pg_catalog.lpad(pg_catalog.to_hex(
      (select w.received_tli from pg_catalog.pg_stat_wal_receiver w)), 8, '0')`)

/**
 * When a node began to take writes. It says so nowhere; but the process that writes its log for
 * those who commit is started when recovery has ended, a moment later. Only a role with
 * `pg_read_all_stats` sees when.
 */
export const PROMOTED_QUESTION = `
select (extract(epoch from backend_start) * 1000)::text
  from pg_catalog.pg_stat_activity where backend_type = 'walwriter'`

/** What does not depend on a log being shipped, around how far behind a reader says it is. */
function lean(lag: string): string {
  return `
select pg_catalog.pg_is_in_recovery(), null, null, null, null, ${lag},
  (pg_catalog.current_setting('max_connections')::int
    - pg_catalog.current_setting('superuser_reserved_connections')::int
    - coalesce(pg_catalog.current_setting('reserved_connections', true)::int, 0))::text,
  pg_catalog.current_setting('server_version_num')`
}

/**
 * For Aurora, whose nodes share their storage: most functions about the log refuse there. Its own are
 * not qualified, as nobody says where they are; what it has in pg_catalog is found there first.
 */
export const AURORA_QUESTION: string = lean(`
  (select s.replica_lag_in_msec::text from aurora_replica_status() s
    where s.server_id = aurora_db_instance_identifier() and pg_catalog.pg_is_in_recovery())`)

/** The last resort: only the role. A reader's lag is not known then. */
export const LEAN_QUESTION: string = lean('null')

export interface ProbeRow {
  readonly ok: true
  readonly inRecovery: boolean
  readonly timeline: number | undefined
  readonly lsn: bigint | undefined
  readonly receivedLsn: bigint | undefined
  readonly streaming: boolean | undefined
  readonly replayAgeMs: number | undefined
  readonly connectionLimit: number | undefined
  readonly versionNum: number | undefined
  readonly responseMs: number
}

/**
 * The row in array mode. `pg` gives booleans as such and all else as text, since the query casts.
 *
 * @throws Error when the row is not what the question asks for.
 */
export function readRow(row: unknown, responseMs: number): ProbeRow {
  if (!Array.isArray(row) || typeof row[0] !== 'boolean') {
    throw new Error('the node gave an answer to the probe that is none')
  }
  const text = row.slice(1).map((value) => (typeof value === 'string' ? value : undefined))
  const [timeline, lsn, received, receiver, age, limit, version] = text
  return {
    ok: true,
    inRecovery: row[0],
    timeline: timeline === undefined ? undefined : Number.parseInt(timeline, 16),
    lsn: bytes(lsn),
    receivedLsn: bytes(received),
    // A role without pg_monitor sees that a receiver runs, not how it fares: status is null then.
    streaming: receiver === undefined ? undefined : receiver === 'streaming',
    replayAgeMs: age === undefined ? undefined : Number(age),
    connectionLimit: limit === undefined ? undefined : Number(limit),
    versionNum: version === undefined ? undefined : Number(version),
    responseMs,
  }
}

function bytes(text: string | undefined): bigint | undefined {
  return text === undefined ? undefined : BigInt(text.split('.')[0]!)
}
