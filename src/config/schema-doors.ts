/**
 * Settings that say who comes in and what is seen from outside: listening, secrets, TLS, admin and
 * log. Rule: a default never opens anything beyond this machine.
 */
import { z } from 'zod'
import { about, choices, count, countOr, oneOf, section, text, yesNo } from './setting.ts'

const port = { min: 1, max: 65_535 }

export const listen = section(
  {
    host: text('an address of this machine', {
      description: 'Address the endpoints listen on. Anything but loopback needs allowPublic.',
      example: '127.0.0.1',
    }).prefault('127.0.0.1'),
    allowPublic: yesNo({
      description: 'Allow listen.host to be an address that other machines can reach.',
      aws: 'never public, always inside the VPC',
      example: 'true',
    }).prefault(false),
    backlog: count(
      { min: 1, max: 65_535, unit: 'connections' },
      {
        description:
          'Connections the kernel may hold before Weir accepts them; the kernel has a bound of its own (net.core.somaxconn), and who is dropped there comes again a second later.',
        example: '1024',
      },
    ).prefault(4096),
    busyPoll: countOr(
      ['off'],
      { min: 1, max: 1_000, unit: 'µs' },
      {
        description:
          'While a single client is at work, look for its next request, and for the answer, for so long before sleeping. Its statements take about a sixth less time (60 to 120), and Weir a whole processor for as long. Needs two processors or more to spare.',
        aws: 'none',
        example: '100',
      },
    ).prefault('off'),
    portOffset: count(
      { min: 0, max: 60_000 },
      {
        description: 'Added to the port of every endpoint and of admin; for a second Weir.',
        example: '100',
      },
    ).prefault(0),
  },
  { description: 'Where the endpoints listen.', example: 'host: 127.0.0.1' },
)

/**
 * A file name or the pair itself. An RDS secret holds more keys than these two (engine, host, ...);
 * they are ignored.
 */
export const secret = z
  .union([z.string().min(1), z.looseObject({ username: z.string().min(1), password: z.string() })])
  .register(about, {
    description: 'A file of secrets, or one secret.',
    example: 'secrets.json',
    type: 'file name or { username, password }',
    want: 'a file name such as secrets.json, or { username, password }',
    secret: true,
  })

export const auth = section(
  {
    secrets: z.array(secret).prefault([]).register(about, {
      description:
        'Users and passwords: names of JSON files, relative to this file, or entries written here. A file holds one { "username", "password" } or a list of them.',
      aws: 'Auth[].SecretArn; the same shape as an RDS secret',
      example: '[secrets.json]',
      type: 'list of file names or { username, password }',
      want: 'a list of file names or { username, password }, such as [secrets.json]',
      secret: true,
    }),
    methods: choices(['scram-sha-256', 'md5'], {
      description: 'How clients may prove their password, best first. md5 only when listed.',
      aws: 'ClientPasswordAuthType (default POSTGRES_SCRAM_SHA_256)',
      example: '[scram-sha-256]',
    }).prefault(['scram-sha-256']),
    trust: yesNo({
      description: 'Believe clients without a password. Only while listen.host is loopback.',
      example: 'true',
    }).prefault(false),
  },
  { description: 'Who may log in.', aws: 'UserAuthConfig', example: 'secrets: [secrets.json]' },
)

export const tls = section(
  {
    mode: oneOf(['off', 'allowed', 'required'], {
      description: 'TLS between clients and Weir.',
      aws: 'RequireTLS (required when true)',
      example: 'required',
    }).prefault('off'),
    certFile: text('the name of a PEM file', {
      description: 'Certificate chain shown to clients, relative to this file.',
      aws: 'a certificate of ACM, not to be chosen',
      example: 'weir.crt',
    }).optional(),
    keyFile: text('the name of a PEM file', {
      description: 'Private key of certFile.',
      example: 'weir.key',
    }).optional(),
    nodes: oneOf(['disable', 'prefer', 'require', 'verify-ca', 'verify-full'], {
      description: 'TLS between Weir and the nodes, with the meanings of sslmode in libpq.',
      example: 'verify-full',
    }).prefault('prefer'),
    nodesCaFile: text('the name of a PEM file', {
      description: 'Certificates that may vouch for a node under verify-ca and verify-full.',
      example: 'rds-ca.pem',
      otherwise: 'the certificates Node.js trusts',
    }).optional(),
  },
  { description: 'Encryption on both sides.', example: 'mode: allowed' },
)

export const admin = section(
  {
    enabled: yesNo({
      description: 'Serve /metrics, /status, /healthz and /readyz over HTTP.',
      example: 'true',
    }).prefault(true),
    host: text('an address of this machine', {
      description: 'Address admin listens on. Anything but loopback needs allowPublic.',
      example: '127.0.0.1',
    }).prefault('127.0.0.1'),
    allowPublic: yesNo({
      description: 'Allow admin.host to be an address that other machines can reach.',
      example: 'true',
    }).prefault(false),
    port: count(port, { description: 'TCP port of admin.', example: '6480' }).prefault(6480),
  },
  {
    description: 'The HTTP side for people and monitoring.',
    aws: 'CloudWatch and DescribeDBProxyTargets',
    example: 'port: 6480',
  },
)

export const log = section(
  {
    level: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'silent'], {
      description: 'The least important thing that is written.',
      aws: 'DebugLogging (debug when true)',
      example: 'info',
    }).prefault('info'),
    format: oneOf(['auto', 'pretty', 'json'], {
      description: 'auto: pretty on a terminal, JSON otherwise.',
      example: 'json',
    }).prefault('auto'),
  },
  { description: 'What Weir says of itself.', example: 'level: info' },
)
