/**
 * Every metric Weir shows, as a table. Exposition, `docs/metrics.md` and the Grafana dashboard's
 * test are made from it. Rule: a metric exists by having a row here, and the row says where its
 * number comes from; names follow CloudWatch's where it has one (`aws`).
 *
 * Counters end in `_total` and latencies are histograms in seconds, as Prometheus has it; AWS
 * counts latencies in microseconds.
 */
import {
  availability,
  certificateExpiry,
  countedBy,
  nodeRoles,
  perEndpoint,
  perEndpointReason,
  perKnownNode,
  perNode,
  perNodeReason,
  perPool,
  perWorker,
  poolStates,
  poolsOfNode,
  type Reader,
  single,
  sourceUp,
} from './readings.ts'

export type MetricType = 'counter' | 'gauge' | 'histogram'
export type Unit = 'connections' | 'clients' | 'count' | 'bytes' | 'seconds' | 'percent' | 'flag'

export interface MetricRow {
  readonly name: string
  readonly type: MetricType
  readonly unit: Unit
  readonly labels: readonly string[]
  /** Name of the CloudWatch metric this one answers to. */
  readonly aws?: string
  readonly help: string
  readonly read: Reader
}

const E = ['endpoint'] as const
const ER = ['endpoint', 'reason'] as const
const N = ['node'] as const
const NR = ['node', 'reason'] as const
const W = ['worker'] as const
const P = ['node', 'database', 'user'] as const

function row(
  name: string,
  type: MetricType,
  unit: Unit,
  labels: readonly string[],
  aws: string | undefined,
  help: string,
  read: Reader,
): MetricRow {
  const common = { name: `weir_${name}`, type, unit, labels, read }
  return aws === undefined ? { ...common, help } : { ...common, aws, help: `${help} AWS: ${aws}` }
}

// biome-ignore format: a row of this table reads across; one argument a line would hide the table
export const CATALOGUE: readonly MetricRow[] = [
  // What CloudWatch shows of an RDS Proxy, in its own (alphabetical) order.
  row('availability_percentage', 'gauge', 'percent', ['role'], 'AvailabilityPercentage',
    '100 while a node of the role answers its probes, else 0; average it over a minute.', availability),
  row('client_connections', 'gauge', 'clients', E, 'ClientConnections',
    'Client sessions open now.', perEndpoint((c) => c.clients)),
  row('client_connections_closed_total', 'counter', 'clients', ER, 'ClientConnectionsClosed',
    'Client sessions ended, by close reason.', perEndpointReason((c) => c.closed)),
  row('client_connections_no_tls', 'gauge', 'clients', E, 'ClientConnectionsNoTLS',
    'Client sessions open now without TLS.', perEndpoint((c) => c.clients - c.clientsTls)),
  row('client_connections_received_total', 'counter', 'clients', E, 'ClientConnectionsReceived',
    'Connections accepted at the port of the endpoint, whatever became of them; one that names another endpoint goes on there.', perEndpoint((c) => c.received)),
  row('client_connections_setup_failed_auth_total', 'counter', 'clients', E, 'ClientConnectionsSetupFailedAuth',
    'Logins refused by proof, user, TLS requirement or allow-list.', perEndpoint((c) => c.failedAuth)),
  row('client_connections_setup_succeeded_total', 'counter', 'clients', E, 'ClientConnectionsSetupSucceeded',
    'Logins that succeeded.', perEndpoint((c) => c.established)),
  row('client_connections_tls', 'gauge', 'clients', E, 'ClientConnectionsTLS',
    'Client sessions open now over TLS.', perEndpoint((c) => c.clientsTls)),
  row('database_connection_requests_total', 'counter', 'connections', N, 'DatabaseConnectionRequests',
    'Openings of server connections begun.', perNode((c) => c.requests)),
  row('database_connection_requests_with_tls_total', 'counter', 'connections', N, 'DatabaseConnectionRequestsWithTLS',
    'Openings of server connections that agreed on TLS with the node.', perNode((c) => c.requestsTls)),
  row('database_connections', 'gauge', 'connections', N, 'DatabaseConnections',
    'Server connections open now; control connections are not counted.', poolsOfNode((p) => p.total)),
  row('database_connections_with_tls', 'gauge', 'connections', N, 'DatabaseConnectionsWithTLS',
    'Server connections open now over TLS.', perNode((c) => c.tls)),
  row('database_connections_borrow_latency_seconds', 'histogram', 'seconds', E, 'DatabaseConnectionsBorrowLatency',
    'From asking for a lease to holding it, pooled or newly opened.', perEndpoint((c) => c.borrow)),
  row('database_connections_currently_borrowed', 'gauge', 'connections', N, 'DatabaseConnectionsCurrentlyBorrowed',
    'Server connections lent to sessions now.', poolsOfNode((p) => p.active)),
  row('database_connections_currently_in_transaction', 'gauge', 'connections', N, 'DatabaseConnectionsCurrentlyInTransaction',
    'Server connections in a transaction now.', perNode((c) => c.inTransaction)),
  row('database_connections_currently_session_pinned', 'gauge', 'connections', N, 'DatabaseConnectionsCurrentlySessionPinned',
    'Server connections kept by pinned sessions now.', perNode((c) => c.pinned)),
  row('database_connections_setup_failed_total', 'counter', 'connections', N, 'DatabaseConnectionsSetupFailed',
    'Openings of server connections that failed.', perNode((c) => c.openFailed)),
  row('database_connections_setup_succeeded_total', 'counter', 'connections', N, 'DatabaseConnectionsSetupSucceeded',
    'Openings of server connections that succeeded.', perNode((c) => c.opened)),
  row('max_database_connections_allowed', 'gauge', 'connections', N, 'MaxDatabaseConnectionsAllowed',
    'Budget of the node: server connections all its pools together may have.', perKnownNode((n) => n.budget ?? undefined)),
  row('query_database_response_latency_seconds', 'histogram', 'seconds', N, 'QueryDatabaseResponseLatency',
    'From sending a request to the node to the end of its answer; waiting for a lease is not included.', perNode((c) => c.response)),
  row('query_requests_total', 'counter', 'count', E, 'QueryRequests',
    'Requests; a simple Query with several statements is one, and so is each Execute of the extended protocol.', perEndpoint((c) => c.queries)),
  row('query_requests_no_tls_total', 'counter', 'count', E, 'QueryRequestsNoTLS',
    'Requests of clients without TLS.', perEndpoint((c) => c.queries - c.queriesTls)),
  row('query_requests_tls_total', 'counter', 'count', E, 'QueryRequestsTLS',
    'Requests of clients on TLS.', perEndpoint((c) => c.queriesTls)),
  row('query_response_latency_seconds', 'histogram', 'seconds', E, 'QueryResponseLatency',
    'From the first byte of a request to the end of its answer, waiting for a lease included; what is pipelined ahead of one Sync is one.', perEndpoint((c) => c.response)),

  // What CloudWatch does not show: clients.
  row('client_connections_refused_total', 'counter', 'clients', ER, undefined,
    'Clients turned away before their login succeeded, by reason.', perEndpointReason((c) => c.refused)),
  row('session_pins_total', 'counter', 'count', ER, undefined,
    'Pins set, by reason.', perEndpointReason((c) => c.pins)),
  row('borrows_refused_total', 'counter', 'count', ER, undefined,
    'Borrows that ended without a lease, by reason.', perEndpointReason((c) => c.borrowsRefused)),
  row('server_lost_outcomes_total', 'counter', 'count', ['endpoint', 'outcome'], undefined,
    'Server connections lost while a client had something under way, by what became of it.', perEndpointReason((c) => c.outcomes, 'outcome')),
  row('transactions_total', 'counter', 'count', E, undefined,
    'Boundaries reached: transactions and autocommit requests completed, and round trips of a Parse alone.', perEndpoint((c) => c.transactions)),
  row('shared_requests_total', 'counter', 'count', E, undefined,
    'Requests that were answered on a server connection shared with those of other clients (pool.sharing).', perEndpoint((c) => c.rides)),
  row('shared_requests_put_back_total', 'counter', 'count', ['endpoint', 'reason'], undefined,
    'Requests that were to share a server connection and took one of their own after all, by what was in their way.', perEndpointReason((c) => c.ridesPutBack, 'reason')),
  row('client_cancels_total', 'counter', 'count', E, undefined,
    'Cancel requests that named a session.', perEndpoint((c) => c.cancels)),
  row('cancels_ignored_total', 'counter', 'count', [], undefined,
    'Cancel requests for no session that is known: of one that left, or with a wrong secret.', single((s) => s.counted.general.cancelsIgnored)),
  row('peer_cancels_total', 'counter', 'count', ['peer'], undefined,
    'Cancel requests sent on to another instance.', countedBy('peer', (c) => c.peerCancels)),
  row('peer_cancels_failed_total', 'counter', 'count', ['peer'], undefined,
    'Cancel requests that did not get through to another instance, or were one too many at once.', countedBy('peer', (c) => c.peerCancelsFailed)),
  row('listening_clients', 'gauge', 'clients', E, undefined,
    'Clients that listen to a channel now, through a shared listener.', perEndpoint((c) => c.listening)),
  row('notifications_delivered_total', 'counter', 'count', E, undefined,
    'Notifications given to clients by shared listeners, once for each client.', perEndpoint((c) => c.notificationsDelivered)),
  row('clients_waiting', 'gauge', 'clients', [], undefined,
    'Sessions that wait for a server connection now: in the line of a pool, for a node, or because of a pause.', single((s) => s.control.clients.waiting)),
  row('clients_held_bytes', 'gauge', 'bytes', [], undefined,
    'What they sent on meanwhile; bounded by limits.heldBytes.', single((s) => s.control.clients.heldBytes)),
  row('pauses', 'gauge', 'count', [], undefined,
    'Pauses that an operator ordered and that have not ended yet.', single((s) => s.control.pauses.length)),
  row('client_received_bytes_total', 'counter', 'bytes', E, undefined,
    'Bytes read from client sessions, login included; inside TLS.', perEndpoint((c) => c.bytesFromClients)),
  row('client_sent_bytes_total', 'counter', 'bytes', E, undefined,
    'Bytes written to client sessions, login included; inside TLS.', perEndpoint((c) => c.bytesToClients)),

  // Server connections and pools.
  row('database_connections_evicted_total', 'counter', 'connections', NR, undefined,
    'Server connections that left their pool, by reason.', perNodeReason((c) => c.evicted)),
  row('database_cancels_total', 'counter', 'count', N, undefined,
    'Cancel requests sent to the node: for a client, or to stop what a client that left had running.', perNode((c) => c.cancels)),
  row('prepared_statements_injected_total', 'counter', 'count', N, undefined,
    'Statements Weir prepared on a server connection that did not know them yet.', perNode((c) => c.statementsInjected)),
  row('database_sent_bytes_total', 'counter', 'bytes', N, undefined,
    'Bytes written to server connections, login included; inside TLS.', perNode((c) => c.bytesToServer)),
  row('database_received_bytes_total', 'counter', 'bytes', N, undefined,
    'Bytes read from server connections, login included; inside TLS.', perNode((c) => c.bytesFromServer)),
  row('pool_connections', 'gauge', 'connections', [...P, 'state'], undefined,
    'Server connections of a pool by state: active, idle, opening.', poolStates),
  row('pool_maximum', 'gauge', 'connections', P, undefined,
    'Most server connections this pool may have.', perPool((p) => p.maximum)),
  row('pool_waiting', 'gauge', 'clients', P, undefined,
    'Sessions waiting for a lease of this pool.', perPool((p) => p.waiting)),
  row('pool_longest_wait_seconds', 'gauge', 'seconds', P, undefined,
    'How long the first in the queue has waited.', perPool((p) => p.longestWaitMs / 1000)),

  // LISTEN and NOTIFY.
  row('listeners', 'gauge', 'connections', [], undefined,
    'Server connections that listen for clients now; they are no part of the pools of clients.', single((s) => s.counted.general.listeners)),
  row('listened_channels', 'gauge', 'count', [], undefined,
    'Channels they listen to; one that two of them listen to counts twice.', single((s) => s.counted.general.listenedChannels)),
  row('listeners_lost_total', 'counter', 'count', [], undefined,
    'Times such a connection was lost, or could not be had, while clients listened: notifications of that time did not arrive.', single((s) => s.counted.general.listenersLost)),
  row('notifications_received_total', 'counter', 'count', [], undefined,
    'Notifications that nodes sent to them.', single((s) => s.counted.general.notificationsReceived)),

  // Topology.
  row('topology_epoch', 'gauge', 'count', [], undefined,
    'Epoch of the topology; grows with every change of role or health.', single((s) => s.control.epoch)),
  row('topology_source_up', 'gauge', 'flag', ['kind'], undefined,
    '1 while the source of the list of nodes answers; always 1 for kind static. While it does not, the last list stays.', sourceUp),
  row('writer_changes_total', 'counter', 'count', [], undefined,
    'Times another node became the writer.', single((s) => s.counted.general.writerChanges)),
  row('failover_seconds', 'histogram', 'seconds', ['arrow'], undefined,
    'Parts of each change of writer: from one of fault, suspected, down, promoted, observed, retired, first_borrow, first_reply to the next; fault_first_reply is the whole. Where nobody saw one of the two, nothing is recorded.', countedBy('arrow', (c) => c.failovers)),
  row('node_up', 'gauge', 'flag', N, undefined,
    '1 while the node answers its probes.', perKnownNode((n) => (n.health === 'up' ? 1 : 0))),
  row('node_role', 'gauge', 'flag', ['node', 'role'], undefined,
    '1 for the role the node has, 0 for the others.', nodeRoles),
  row('node_lag_seconds', 'gauge', 'seconds', N, undefined,
    'How far a reader is behind; 0 on a writer, no series when not known. Aurora: AuroraReplicaLag',
    perKnownNode((n) => (n.lagMs === null ? undefined : n.lagMs / 1000))),
  row('node_timeline', 'gauge', 'count', N, undefined,
    'Timeline of the node; grows with each promotion.', perKnownNode((n) => n.timeline ?? undefined)),
  row('node_probes_passed_total', 'counter', 'count', N, undefined,
    'Probes the node answered.', perNode((c) => c.probesPassed)),
  row('node_probes_failed_total', 'counter', 'count', N, undefined,
    'Probes that brought no answer: refused, too late, no place left, connection torn.', perNode((c) => c.probesFailed)),
  row('fenced_writers_total', 'counter', 'count', N, undefined,
    'Times a node was found taking writes though another is the writer, or was further: it gets no client.', perNode((c) => c.fenced)),
  row('node_hints_total', 'counter', 'count', NR, undefined,
    'Signs of trouble seen on the byte path, by kind.', perNodeReason((c) => c.hints)),

  // Weir itself.
  row('event_loop_lag_seconds', 'histogram', 'seconds', [], undefined,
    'How late timers fire: the delay of everything else.', single((s) => s.counted.general.loopLag)),
  row('workers', 'gauge', 'count', [], undefined,
    'Processes that serve clients now; those that only stay for their last clients are not counted.', single((s) => s.control.workers.filter((w) => w.state === 'serving').length)),
  row('workers_died_total', 'counter', 'count', [], undefined,
    'Processes that served clients and ended without having been told to; each was replaced.', single((s) => s.counted.general.workersDied)),
  row('secret_reloads_total', 'counter', 'count', [], undefined,
    'Times a source of secrets gave others than before.', single((s) => s.counted.general.secretReloads)),
  row('secret_reloads_failed_total', 'counter', 'count', [], undefined,
    'Times a source of secrets could not be read while Weir ran; what it last gave goes on.', single((s) => s.counted.general.secretReloadsFailed)),
  row('secret_sources_broken', 'gauge', 'count', [], undefined,
    'Sources of secrets that cannot be read now.', single((s) => s.counted.general.secretSourcesBroken)),
  row('user_lookups_total', 'counter', 'count', ['reason'], undefined,
    'Users looked up on a node (auth.query), by what came of it.', countedBy('reason', (c) => c.userLookups)),
  row('admin_refused_total', 'counter', 'count', ['reason'], undefined,
    'Requests to the admin port that were refused, by reason.', countedBy('reason', (c) => c.adminRefused)),
  row('audit_lines_total', 'counter', 'count', [], undefined,
    'Lines written to the audit log.', single((s) => s.counted.general.auditLines)),
  row('audit_lines_lost_total', 'counter', 'count', [], undefined,
    'Lines that could not be written to the audit log and were too many to be kept until they can.', single((s) => s.counted.general.auditLinesLost)),
  row('audit_failing', 'gauge', 'flag', [], undefined,
    '1 while the audit log cannot be written.', single((s) => s.counted.general.auditFailing)),
  row('worker_clients', 'gauge', 'clients', W, undefined,
    'Client sessions of each process that serves clients; 0 is Weir as one process.', perWorker((w) => w.clients)),
  row('worker_cpu_seconds_total', 'counter', 'seconds', W, undefined,
    'CPU time of each process that serves clients, user and system.', perWorker((w) => w.cpuSeconds)),
  row('worker_memory_bytes', 'gauge', 'bytes', W, undefined,
    'Memory that each process that serves clients holds.', perWorker((w) => w.memoryBytes)),
  row('tls_certificate_expiry_seconds', 'gauge', 'seconds', ['file'], undefined,
    'When a certificate that is shown to clients ends, in seconds since 1970; warned of in the log 30 days before.', certificateExpiry),
  row('start_time_seconds', 'gauge', 'seconds', [], undefined,
    'When Weir started, in seconds since 1970.', single((s) => s.control.startedAt / 1000)),
]

/** Metrics that prom-client itself collects of the process; listed so that the page names them. */
export const PROCESS_METRICS: readonly { readonly name: string; readonly help: string }[] = [
  { name: 'process_cpu_seconds_total', help: 'CPU time of the process, user and system.' },
  { name: 'process_resident_memory_bytes', help: 'Memory the process holds.' },
  { name: 'process_open_fds', help: 'Open file descriptors (Linux).' },
  { name: 'nodejs_heap_size_used_bytes', help: 'JavaScript heap in use.' },
  { name: 'nodejs_external_memory_bytes', help: 'Buffers and other memory outside the heap.' },
  { name: 'nodejs_gc_duration_seconds', help: 'Garbage collections by kind.' },
]
