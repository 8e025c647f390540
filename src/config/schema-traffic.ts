/**
 * Settings that say how much: the pools towards the nodes and the bounds on clients. Rule: every
 * bound has a default that is safe without being touched, and no number means "for ever" or "not
 * at all" by being 0; there are words for that.
 */
import { BORROW_TIMEOUT_RANGE } from './schema-routes.ts'
import {
  count,
  countOr,
  duration,
  durationOr,
  oneOf,
  rateOr,
  section,
  size,
  text,
  yesNo,
} from './setting.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const KIB = 1024
const MIB = 1024 * KIB

export const pool = section(
  {
    maxConnectionsPercent: count(
      { min: 1, max: 100, unit: '% of the max_connections of a node' },
      {
        description:
          'How much of each node Weir may use: a share of its max_connections, less what it reserves for superusers.',
        aws: 'MaxConnectionsPercent (default 100, 1-100)',
        example: '80',
      },
    ).prefault(100),
    maxIdleConnectionsPercent: count(
      { min: 0, max: 100, unit: '% of the max_connections of a node' },
      {
        description: 'How much of each node may be held by connections that nobody uses.',
        aws: 'MaxIdleConnectionsPercent (default half of MaxConnectionsPercent)',
        example: '40',
        otherwise: 'half of maxConnectionsPercent',
      },
    ).optional(),
    maxConnections: count(
      { min: 1, max: 100_000, unit: 'connections' },
      {
        description: 'Most server connections of one pool: one node, database and user.',
        example: '20',
        otherwise: 'only the percentage counts',
      },
    ).optional(),
    minIdle: count(
      { min: 0, max: 10_000, unit: 'connections' },
      {
        description: 'Idle connections of a pool that are kept however long unused.',
        example: '2',
      },
    ).prefault(0),
    borrowTimeout: durationOr(['nowait', 'unlimited'], BORROW_TIMEOUT_RANGE, {
      description:
        'How long a session waits for a server connection when the pool is full or the node is gone. nowait: only an idle one will do.',
      aws: 'ConnectionBorrowTimeout (default 120 s, 0-300 s; 0 is our nowait)',
      example: '120s',
    }).prefault('120s'),
    idleTimeout: duration(
      { min: SECOND, max: 24 * HOUR },
      {
        description: 'A server connection that nobody used for so long is idle and may be closed.',
        aws: 'fixed at 5 min',
        example: '5m',
      },
    ).prefault('5m'),
    maxLifetime: duration(
      { min: SECOND, max: 24 * HOUR },
      {
        description: 'A server connection older than this is closed when it comes back.',
        aws: 'fixed at about 24 h',
        example: '1h',
      },
    ).prefault('1h'),
    lifetimeSpread: count(
      { min: 0, max: 50, unit: '% of maxLifetime' },
      {
        description:
          'Lifetimes are shortened at random by up to this much, so that connections opened together do not end together.',
        example: '10',
      },
    ).prefault(10),
    openingsAtOnce: count(
      { min: 1, max: 256, unit: 'logins' },
      {
        description: 'Most server connections one pool opens at the same time.',
        example: '4',
      },
    ).prefault(4),
    connectTimeout: duration(
      { min: 10, max: MINUTE },
      {
        description:
          'Time to reach a node, the look-up of its name included, before the opening counts as failed. The login that follows has openTimeout.',
        example: '1s',
      },
    ).prefault('1s'),
    openTimeout: duration(
      { min: 100, max: 5 * MINUTE },
      {
        description: 'Time to connect and log in to a node before the opening counts as failed.',
        example: '5s',
      },
    ).prefault('5s'),
    orphanTimeout: durationOr(
      ['nowait', 'unlimited'],
      { min: 1, max: 24 * HOUR },
      {
        description:
          'How long a request may run on whose client has left without waiting for the answer; then it is cancelled. nowait: at once. unlimited: as in Postgres, to its end.',
        example: '1m',
      },
    ).prefault('5s'),
    waitNotice: durationOr(
      ['off'],
      { min: 100, max: HOUR },
      {
        description:
          'A client that waits for a server connection for so long is told why with a NOTICE, and each time as much again.',
        aws: 'none',
        example: '5s',
      },
    ).prefault('off'),
    initQuery: text('statements divided by ;', {
      description: 'Statements run once on every new server connection. Holds no secrets.',
      aws: 'InitQuery',
      example: "SET statement_timeout = '30s'",
      otherwise: 'none',
    }).optional(),
    sharing: oneOf(['off', 'on'], {
      description:
        'Requests that provably only read and are answered quickly share server connections, one behind the other, instead of waiting for one of their own. Nobody sees a difference but in speed. Off for endpoints with retryReads: false.',
      aws: 'none',
      example: 'off',
    }).prefault('on'),
    sharingDepth: count(
      { min: 2, max: 1_024, unit: 'requests' },
      {
        description:
          'Most requests that are sent on one shared server connection at a time; more wait for a place on any.',
        example: '16',
      },
    ).prefault(16),
    sharingConnections: count(
      { min: 1, max: 10_000, unit: 'server connections' },
      {
        description:
          'Server connections to a node, of one database, user and settings, before requests go behind others although more lie idle. Unset: one for each processor where the node is on this machine, otherwise as many as there are.',
        example: '8',
        otherwise: 'by the node',
      },
    ).optional(),
    rotate: yesNo({
      description:
        'For tests only: every transaction gets another server connection than the one before, the longest unused first, so that a single client notices state that was lost on the way. At least two are opened.',
      example: 'true',
    }).prefault(false),
  },
  {
    description: 'Server connections, kept per node, database and user and lent to sessions.',
    aws: 'ConnectionPoolConfig',
    example: 'maxConnections: 20',
  },
)

export const limits = section(
  {
    maxClientConnections: count(
      { min: 1, max: 1_000_000, unit: 'clients' },
      { description: 'Clients connected at the same time; more are refused.', example: '10000' },
    ).prefault(10_000),
    loginTimeout: duration(
      { min: 100, max: 10 * MINUTE },
      { description: 'A client must have logged in by then.', example: '15s' },
    ).prefault('15s'),
    maxLoginsInFlight: count(
      { min: 1, max: 100_000, unit: 'logins' },
      {
        description:
          'Clients in the middle of logging in at the same time, for each endpoint; what becomes of more is said by loginsBeyond.',
        example: '2000',
      },
    ).prefault(2_000),
    loginsBeyond: oneOf(['wait', 'refuse'], {
      description:
        'What becomes of a client that comes while maxLoginsInFlight others log in. wait: it has its turn when one of them is done, within loginTimeout, in the order of arrival. refuse: SQLSTATE 53300 at once.',
      aws: 'none',
      example: 'refuse',
    }).prefault('wait'),
    connectRate: rateOr(['off'], {
      description:
        'New clients that may come from one source address (of IPv6, its /64 network); more are refused with SQLSTATE 53300. Clients on Unix sockets and cancel requests are not counted.',
      aws: 'none',
      example: '100/s',
    }).prefault('off'),
    connectBurst: count(
      { min: 1, max: 1_000_000, unit: 'clients' },
      {
        description:
          'New clients that may come at once from one source address that was quiet before; only with connectRate.',
        example: '500',
        otherwise: 'what connectRate allows in a second, at least 1',
      },
    ).optional(),
    maxClientsPerUser: countOr(
      ['unlimited'],
      { min: 1, max: 1_000_000, unit: 'clients' },
      {
        description:
          'Clients of one user connected at the same time; more are refused with SQLSTATE 53300. Each worker counts its own.',
        aws: 'none; ALTER ROLE ... CONNECTION LIMIT counts server connections',
        example: '200',
      },
    ).prefault('unlimited'),
    maxClientsPerSource: countOr(
      ['unlimited'],
      { min: 1, max: 1_000_000, unit: 'clients' },
      {
        description:
          'Clients from one address (of IPv6, its /64 network) connected at the same time; more are refused with SQLSTATE 53300. Clients on Unix sockets are not counted. Each worker counts its own.',
        aws: 'none',
        example: '500',
      },
    ).prefault('unlimited'),
    authFailures: countOr(
      ['off'],
      { min: 1, max: 100_000, unit: 'failures' },
      {
        description:
          'So many failed logins of one user from one address, within authFailureWindow, and that user is refused from there for a while with SQLSTATE 53300: a second, and twice as long after each further failure, up to authBackoff. The same for an address as a whole after five times as many. Nobody is locked out from anywhere else. Loopback and Unix sockets are not counted. Each worker counts its own.',
        aws: 'none',
        example: '10',
      },
    ).prefault(20),
    authFailureWindow: duration(
      { min: SECOND, max: 24 * HOUR },
      {
        description: 'How long a failed login is remembered; see authFailures.',
        example: '1m',
      },
    ).prefault('1m'),
    authBackoff: duration(
      { min: SECOND, max: 24 * HOUR },
      {
        description: 'The longest that authFailures refuses somebody at a time.',
        example: '5m',
      },
    ).prefault('5m'),
    maxWaitingClients: count(
      { min: 1, max: 1_000_000, unit: 'clients' },
      {
        description:
          'Clients that wait for a server connection at the same time; a request that would have to wait beyond that is refused with SQLSTATE 53300.',
        example: '1000',
      },
    ).prefault(10_000),
    heldBytes: size(
      { min: MIB, max: 64 * 1024 * MIB },
      {
        description:
          'What clients may send on while they wait for a server connection, all together; beyond that nothing more is read from them until they have one. One client: 256 KiB.',
        example: '256MiB',
      },
    ).prefault('64MiB'),
    unsentBytes: size(
      { min: MIB, max: 64 * 1024 * MIB },
      {
        description:
          'What clients that do not read may have waiting for them here, all together; beyond that those who have taken nothing for longest are closed. One client: a few reads of its server connection, for no more is read ahead.',
        aws: 'none',
        example: '1GiB',
      },
    ).prefault('256MiB'),
    unfinishedBytes: size(
      { min: MIB, max: 64 * 1024 * MIB },
      {
        description:
          'What may be held of long messages that are read whole (see inspectBytes) and have not ended, of all clients together; beyond that those that began first are closed with SQLSTATE 53200.',
        aws: 'none',
        example: '1GiB',
      },
    ).prefault('512MiB'),
    startupPacketBytes: size(
      { min: 64, max: MIB },
      {
        description: 'Largest startup message; as in Postgres itself.',
        example: '10000B',
      },
    ).prefault('10000B'),
    idleClientTimeout: durationOr(
      ['unlimited'],
      { min: SECOND, max: 24 * HOUR },
      {
        description:
          'A client that sends nothing for so long, outside a transaction, is closed; one that listens is not.',
        aws: 'IdleClientTimeout (default 30 min, 1 s to 8 h)',
        example: '30m',
      },
    ).prefault('30m'),
    idleInTransactionTimeout: durationOr(
      ['unlimited'],
      { min: SECOND, max: 24 * HOUR },
      {
        description:
          'A client that does nothing for so long inside a transaction is closed with SQLSTATE 25P03, as Postgres does by its setting idle_in_transaction_session_timeout.',
        aws: 'none; the parameter of Postgres',
        example: '5m',
      },
    ).prefault('unlimited'),
    statementTimeout: durationOr(
      ['unlimited'],
      { min: SECOND, max: 24 * HOUR },
      {
        description:
          'A request that the node works on for so long is cancelled (SQLSTATE 57014), after a warning that says why; statement_timeout of Postgres does the same, but clients may change that. COPY counts too.',
        aws: 'none; the parameter of Postgres',
        example: '10m',
      },
    ).prefault('unlimited'),
    clientLifetime: durationOr(
      ['unlimited'],
      { min: SECOND, max: 30 * 24 * HOUR },
      {
        description:
          'A client connected for so long is closed at its next boundary, with SQLSTATE 57P01.',
        aws: 'a client connection lasts 24 h at most',
        example: '24h',
      },
    ).prefault('unlimited'),
    sendTimeout: durationOr(
      ['unlimited'],
      { min: SECOND, max: 24 * HOUR },
      {
        description:
          'A client that has taken nothing for so long of what waits for it is closed, and its server connection is freed.',
        aws: 'none',
        example: '1m',
      },
    ).prefault('30m'),
    messageTimeout: durationOr(
      ['unlimited'],
      { min: SECOND, max: 24 * HOUR },
      {
        description:
          'A message must have come whole so long after its first byte; else its client is closed with SQLSTATE 08P01.',
        aws: 'none',
        example: '1m',
      },
    ).prefault('30m'),
    inspectBytes: size(
      { min: KIB, max: 64 * MIB },
      {
        description:
          'Largest message that is read whole because it may change how a session is pooled. Anything larger passes through unread, and its server connection is reset behind it.',
        aws: 'a text above 16 KB pins the session',
        example: '1MiB',
      },
    ).prefault('16MiB'),
    notificationBytes: size(
      { min: 16 * KIB, max: 256 * MIB },
      {
        description:
          'Notifications (LISTEN) that may wait for a client that does not read, or stays in a transaction. A client for which more would wait is closed with SQLSTATE 53400.',
        example: '1MiB',
      },
    ).prefault('1MiB'),
    preparedStatementsPerServer: count(
      { min: 1, max: 100_000, unit: 'statements' },
      {
        description:
          'Prepared statements kept on one server connection; the longest unused makes room.',
        example: '200',
      },
    ).prefault(200),
  },
  { description: 'Bounds on clients and on what they may hold.', example: 'loginTimeout: 15s' },
)
