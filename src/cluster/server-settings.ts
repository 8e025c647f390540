/**
 * The configuration files of one node, as text. Rule: pure, and a node's whole configuration is
 * derived from the state and from whom it follows; nobody edits these files in place, so comparing
 * texts tells whether a running server has the configuration it should have.
 */
import type { ClusterState, NodeEntry } from './state-file.ts'

/** `weir.conf`, included by `postgresql.conf`. */
export function serverSettings(
  state: ClusterState,
  node: NodeEntry,
  follow: Pick<NodeEntry, 'port' | 'name'> | undefined,
  options: { slot?: boolean } = {},
): string {
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(node.port),
    unix_socket_directories: state.socketDirectory,
    cluster_name: node.name,
    max_connections: String(state.maxConnections),
    shared_buffers: '64MB',
    // In the data directory, and gone with it: what a killed server leaves in /dev/shm nobody removes.
    dynamic_shared_memory_type: 'mmap',
    password_encryption: 'scram-sha-256',
    wal_level: 'replica',
    max_wal_senders: '16',
    max_replication_slots: '16',
    hot_standby: 'on',
    hot_standby_feedback: 'on',
    wal_log_hints: 'on',
    // Covers the moments in which a slot is not there yet, as after a promotion.
    wal_keep_size: '128MB',
    // A reader that stays away for ever must not fill the disk; it is cloned afresh then.
    max_slot_wal_keep_size: '4GB',
    wal_retrieve_retry_interval: '100ms',
    wal_receiver_status_interval: '1s',
    wal_receiver_timeout: '10s',
    wal_sender_timeout: '10s',
    fsync: state.fsync ? 'on' : 'off',
    synchronous_standby_names: state.synchronous ? 'ANY 1 (*)' : '',
    log_line_prefix: '%m [%p] %q%u@%d ',
    ...state.settings,
  }
  if (follow !== undefined) {
    const { user, password } = state.lab
    settings.primary_conninfo =
      `host=127.0.0.1 port=${follow.port} user=${user} password=${password} ` +
      `application_name=${node.name} sslmode=disable connect_timeout=5`
    if (options.slot !== false) settings.primary_slot_name = slotName(node.name)
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${quoted(value)}`)
  return `# Written by weir; changes are lost.\n${lines.join('\n')}\n`
}

/** `pg_hba.conf`: a password everywhere, because other users of the machine reach the lab too. */
export const ACCESS_RULES = `# Written by weir; changes are lost.
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
host all all ::1/128 scram-sha-256
local replication all scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
`

/** Name of the replication slot that a node uses at whichever node is the writer. */
export const slotName = (node: string): string => node.replaceAll('-', '_')

const quoted = (value: string): string => `'${value.replaceAll("'", "''")}'`
