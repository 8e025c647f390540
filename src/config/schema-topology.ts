/**
 * Settings that say how Weir finds out who is writer and who is up, and where the list of nodes
 * comes from. Rule: what is written here is what the checks, the JSON schema, `explain` and
 * docs/settings.md say; there is no second list.
 */
import { count, duration, oneOf, section, text, texts } from './setting.ts'

export const SOURCE_KINDS = ['static', 'patroni', 'dns', 'aurora'] as const

export const source = section(
  {
    kind: oneOf(SOURCE_KINDS, {
      description:
        'static: the list under nodes. patroni: the members of a Patroni cluster, from its REST servers. dns: what a name server answers. aurora: the instances of an Aurora cluster, from aurora_replica_status().',
      aws: 'the targets of a target group, found by RDS Proxy itself',
      example: 'patroni',
    }).prefault('static'),
    urls: texts('http://HOST:PORT or https://HOST:PORT', {
      description:
        'Kind patroni: REST servers of the cluster; any one that answers will do, and their members tell of the others.',
      example: '[http://10.0.0.11:8008, http://10.0.0.12:8008]',
      otherwise: 'needed for kind patroni',
    }).optional(),
    caFile: text('the name of a PEM file', {
      description:
        'Kind patroni: certificates that https urls are checked with, beside those of Node.js.',
      example: 'patroni-ca.pem',
    }).optional(),
    names: texts('a name to look up', {
      description: 'Kind dns: the names to ask for; what they lead to is one list.',
      example: '[postgres.db.internal]',
      otherwise: 'needed for kind dns',
    }).optional(),
    record: oneOf(['A', 'SRV'], {
      description:
        'Kind dns: A asks for addresses (AAAA too), each one a node called by its address. SRV asks for services, each target a node called by its first label.',
      example: 'SRV',
      otherwise: 'A',
    }).optional(),
    servers: texts('the address of a name server', {
      description:
        'Kind dns: the name servers to ask, as addresses, with a port where it is not 53.',
      example: '[127.0.0.1:8600]',
      otherwise: 'those of the system',
    }).optional(),
    hosts: texts('HOST or HOST:PORT', {
      description:
        'Kind aurora: where to ask first, each with a port where it is not 5432; the cluster endpoint and an instance or two.',
      aws: 'DBCluster.Endpoint',
      example: '[app.cluster-abc123.eu-central-1.rds.amazonaws.com]',
      otherwise: 'needed for kind aurora',
    }).optional(),
    instanceHost: text('a host name with a ? where the name of the instance belongs', {
      description: 'Kind aurora: the address of an instance, with ? for its name.',
      aws: 'DBInstance.Endpoint',
      example: '?.abc123.eu-central-1.rds.amazonaws.com',
      otherwise: 'derived from a cluster endpoint among hosts',
    }).optional(),
    port: count(
      { min: 1, max: 65_535 },
      {
        description: 'Kinds dns (A) and aurora: TCP port of the nodes.',
        example: '5432',
        otherwise: '5432',
      },
    ).optional(),
    period: duration(
      { min: 100, max: 3_600_000 },
      {
        description:
          'How often the source is asked; besides at once when the writer is lost. Not for kind static.',
        example: '1s',
        otherwise: '1s; 5s for kind dns',
      },
    ).optional(),
  },
  {
    description:
      'Where the list of nodes comes from. Whatever it says of roles is only a hint: Weir asks the nodes.',
    example: 'kind: patroni',
  },
)

export const topology = section(
  {
    source: source.prefault({}),
    period: duration(
      { min: 50, max: 60_000 },
      {
        description: 'How often every node is asked for its role and lag while all is well.',
        example: '1s',
      },
    ).prefault('500ms'),
    suspectPeriod: duration(
      { min: 5, max: 10_000 },
      {
        description:
          'How often all nodes are asked while any is suspect. While there is no writer: those that may be next four times as often for five seconds and then twice, those that are down half as often.',
        example: '50ms',
      },
    ).prefault('20ms'),
    probeTimeout: duration(
      { min: 10, max: 60_000 },
      {
        description:
          'A probe without an answer for this long has failed; twelve round trips to the node if that is more, and twice as long for one that is down.',
        example: '1s',
      },
    ).prefault('500ms'),
    downAfter: count(
      { min: 1, max: 100, unit: 'failed probes in a row' },
      { description: 'Failed probes after which a node is down.', example: '2' },
    ).prefault(2),
    rise: count(
      { min: 1, max: 100, unit: 'good probes in a row' },
      {
        description:
          'Good probes after which a reader that was down is up again; twice as many with each further fall within a minute, up to 16 times. A writer is up at the first.',
        example: '2',
      },
    ).prefault(2),
    user: text('the username of one of auth.secrets', {
      description: 'User of the control connections; its secret is one of auth.secrets.',
      aws: 'the built-in user rdsproxyadmin',
      example: 'weir',
      otherwise: 'the first user of auth.secrets',
    }).optional(),
    database: text('a database name', {
      description: 'Database the control connections log in to.',
      aws: 'postgres, which must exist',
      example: 'postgres',
    }).prefault('postgres'),
  },
  {
    description: 'How Weir finds out who is writer and who is up.',
    example: 'period: 1s',
  },
)
