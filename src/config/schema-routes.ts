/**
 * Settings that say where a session can go: the nodes and the endpoints in front of them. Rule: what
 * is written here is what the checks, the JSON schema, `explain` and docs/settings.md say; there is
 * no second list.
 */
import { nodeTls } from './schema-node-tls.ts'
import {
  count,
  duration,
  durationOr,
  name,
  names,
  oneOf,
  section,
  sections,
  text,
  yesNo,
} from './setting.ts'
import { networks } from './setting-networks.ts'

const HOUR = 3_600_000

/** One rule for the two places a borrow timeout may stand. */
export const BORROW_TIMEOUT_RANGE = { min: 1, max: HOUR }

const port = { min: 1, max: 65_535 }

const node = section(
  {
    name: name({
      description: 'Unique name of the node, used by endpoints, logs, metrics and status.',
      aws: 'DBInstanceIdentifier',
      example: 'node-1',
    }),
    host: text('a host name or address', {
      description: 'Host name or address of the node.',
      aws: 'DBProxyTarget.Endpoint',
      example: '127.0.0.1',
      otherwise: '127.0.0.1 when socketDirectory is set; else needed',
    }).optional(),
    port: count(port, {
      description: 'TCP port of the node; also the number in the name of its Unix socket.',
      aws: 'DBProxyTarget.Port',
      example: '5432',
      otherwise: '5432',
    }).optional(),
    url: text('postgres://HOST or postgres://HOST:PORT and nothing more', {
      description: 'Instead of host and port. Holds no user or password: those are secrets.',
      example: 'postgres://db1.internal:5432',
    }).optional(),
    socketDirectory: text('a directory', {
      description:
        'Directory of the Unix socket of a node on this machine; used in preference to TCP.',
      example: '/var/run/postgresql',
    }).optional(),
    weight: count(
      { min: 0, max: 1000 },
      {
        description:
          'Share of sessions under roundRobin and random, relative to other nodes; 0 gets none.',
        example: '1',
      },
    ).prefault(1),
    tls: nodeTls.optional(),
  },
  { description: 'One Postgres server.', example: '{ name: node-1, host: 127.0.0.1, port: 5432 }' },
)

export const nodes = sections(node, {
  description:
    'The Postgres servers Weir stands in front of: one writer and its readers. Left out when topology.source finds them.',
  aws: 'DBProxyTarget',
  example: '{ name: node-1, host: 127.0.0.1, port: 5432 }',
  otherwise: 'needed, unless topology.source.kind is another than static',
}).optional()

export const ENDPOINT_KINDS = ['writer', 'reader', 'custom', 'instance'] as const

const endpoint = section(
  {
    name: name({
      description: 'Unique name; clients may ask for it with options=-c weir.endpoint=NAME.',
      aws: 'DBProxyEndpointName',
      example: 'reader',
    }),
    kind: oneOf(ENDPOINT_KINDS, {
      description:
        'writer: the current writer. reader: any reader. custom: chosen nodes. instance: one node.',
      aws: 'TargetRole; Aurora cluster, reader, custom and instance endpoint',
      example: 'reader',
    }),
    port: count(port, {
      description:
        'TCP port on listen.host. Without one the endpoint is reached through the port of another, by TLS server name or by options=-c weir.endpoint=NAME.',
      aws: 'always 5432',
      example: '6433',
      otherwise: 'no port of its own',
    }).optional(),
    socketDirectory: text('a directory', {
      description: 'Also listen on a Unix socket in this directory, named after the port.',
      example: '/tmp',
    }).optional(),
    allow: networks({
      description:
        'Networks that clients of this endpoint may come from, whichever way they reach it; listen.allow holds besides. The lists of the endpoint whose port they use count too.',
      aws: 'the security groups of a proxy endpoint',
      example: '[10.1.0.0/16]',
      otherwise: 'every network',
    }).optional(),
    deny: networks({
      description:
        'Networks that clients of this endpoint may not come from, also where allow has them.',
      aws: 'none',
      example: '[10.1.9.0/24]',
      otherwise: 'none',
    }).optional(),
    maxClients: count(
      { min: 1, max: 1_000_000, unit: 'clients' },
      {
        description:
          'Clients of this endpoint connected at the same time; more are refused with SQLSTATE 53300. Each worker counts its own.',
        aws: 'none',
        example: '500',
        otherwise: 'limits.maxClientConnections',
      },
    ).optional(),
    tlsServerNames: names({
      description: 'TLS server names that lead to this endpoint through any port.',
      example: '[reader.db.internal]',
      otherwise: 'the name of the endpoint',
    }).optional(),
    type: oneOf(['READER', 'WRITER', 'ANY'], {
      description: 'Kind custom: the role a member must have to serve.',
      aws: 'EndpointType / CustomEndpointType',
      example: 'READER',
      otherwise: 'ANY',
    }).optional(),
    staticMembers: names({
      description: 'Kind custom: the nodes it may use. Not together with excludedMembers.',
      aws: 'StaticMembers',
      example: '[node-3]',
    }).optional(),
    excludedMembers: names({
      description: 'Kind custom: all nodes but these, including ones added later.',
      aws: 'ExcludedMembers',
      example: '[node-1]',
    }).optional(),
    node: text('the name of one of the nodes', {
      description: 'Kind instance: the one node it leads to.',
      aws: 'DBInstanceIdentifier',
      example: 'node-1',
    }).optional(),
    balance: oneOf(['leastLeases', 'roundRobin', 'random', 'fastestResponse'], {
      description: 'Kinds reader and custom: how a node is chosen for a new session.',
      aws: 'RDS Proxy: least connections weighted by max_connections; Aurora: DNS round robin',
      example: 'leastLeases',
      otherwise: 'leastLeases',
    }).optional(),
    maxLag: duration(
      { min: 1, max: 24 * HOUR },
      {
        description: 'Kinds reader and custom: a reader further behind than this is skipped.',
        example: '10s',
        otherwise: 'no limit',
      },
    ).optional(),
    noReader: oneOf(['writer', 'wait', 'error'], {
      description:
        'Kinds reader and custom: while no reader can serve, use the writer (kind reader only), wait within the borrow timeout, or fail at once.',
      aws: 'Aurora reader endpoint: writer; RDS Proxy READ_ONLY: wait, or error when there are none',
      example: 'writer',
      otherwise: 'writer for kind reader, wait for kind custom',
    }).optional(),
    borrowTimeout: durationOr(['nowait', 'unlimited'], BORROW_TIMEOUT_RANGE, {
      description: 'Overrides pool.borrowTimeout for sessions of this endpoint.',
      aws: 'ConnectionBorrowTimeout (per target group only)',
      example: '5s',
      otherwise: 'pool.borrowTimeout',
    }).optional(),
    pooling: oneOf(['transaction', 'session'], {
      description:
        'transaction: a server connection is lent for a transaction. session: for the whole session.',
      aws: 'multiplexing; a session that is pinned from the start',
      example: 'transaction',
    }).prefault('transaction'),
    pinning: oneOf(['follow', 'strict', 'aws'], {
      description:
        'follow: session state follows the client, and pins only where it cannot. strict: what would pin is refused. aws: pins on what RDS Proxy pins on, until the client leaves.',
      aws: 'pins without end; aws shows where, before anything is deployed there',
      example: 'follow',
    }).prefault('follow'),
    verify: yesNo({
      description:
        'After a call of a function that cannot be seen through, ask the server what it has changed in the session. Costs a short query behind each such request.',
      aws: 'none: state changed inside functions is not seen',
      example: 'true',
    }).prefault(false),
    retryReads: yesNo({
      description:
        'A request outside a transaction that provably only reads, and of which nothing was answered when its server connection was lost, is sent again to another. Turn it off where a view or a rule writes when it is read.',
      aws: 'none: the client gets an error and is disconnected',
      example: 'false',
    }).prefault(true),
  },
  {
    description: 'A name clients connect to and a rule for choosing nodes.',
    example: '{ name: writer, kind: writer, port: 6432 }',
  },
)

export const DEFAULT_ENDPOINTS = [
  { name: 'writer', kind: 'writer' as const, port: 6432 },
  { name: 'reader', kind: 'reader' as const, port: 6433 },
]

export const endpoints = sections(endpoint, {
  description: 'What clients connect to.',
  aws: 'DBProxyEndpoint, DBClusterEndpoint',
  example: '{ name: writer, kind: writer, port: 6432 }',
  otherwise: 'writer on 6432 and reader on 6433',
}).prefault(() => structuredClone(DEFAULT_ENDPOINTS))
