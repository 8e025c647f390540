/** Settings of what is seen from outside: admin and log. Rule: only this machine sees it by default. */
import { z } from 'zod'
import { about, choices, count, oneOf, section, sections, text, texts, yesNo } from './setting.ts'

const port = { min: 1, max: 65_535 }

const adminUser = section(
  {
    name: text('a name', { description: 'Name of the user.', example: 'alice' }),
    role: oneOf(['view', 'operate'], {
      description: 'view: sees everything; operate: also pauses, resumes and switches over.',
      aws: 'IAM policies on rds:Describe* and rds:FailoverDBCluster',
      example: 'operate',
    }).prefault('view'),
    password: z
      .string()
      .regex(/^(scrypt\$|SCRAM-SHA-256\$).+/)
      .optional()
      .register(about, {
        description:
          'Verifier of the password, as `weir admin-user` or pg_authid has it; never the password itself.',
        example: '"scrypt$15$8$1$SALT$HASH"',
        type: 'text',
        want: 'a verifier that begins with scrypt$ or SCRAM-SHA-256$ (weir admin-user makes one)',
        secret: true,
        verbatim: true,
      }),
    passwordFile: text('the name of a file', {
      description: 'File with that verifier, relative to this file; read again when it changes.',
      example: 'alice.verifier',
    }).optional(),
    tokenHash: z
      .string()
      .regex(/^sha256:[0-9a-fA-F]{64}$/)
      .optional()
      .register(about, {
        description: 'Hash of a bearer token, as `weir admin-user --token` prints it.',
        example: '"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"',
        type: 'text',
        want: 'sha256: and 64 hex digits (weir admin-user --token makes one)',
        secret: true,
        verbatim: true,
      }),
    tokenFile: text('the name of a file', {
      description:
        'File with a bearer token, or its hash, relative to this file; read again when it changes.',
      example: 'prometheus.token',
    }).optional(),
  },
  {
    description: 'A user of admin.',
    example: '{ name: alice, role: operate, passwordFile: alice.verifier }',
  },
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
    names: texts('a host name', {
      description:
        'Host names admin answers to, besides loopback, admin.host and the name of the machine. Others are refused, against DNS rebinding.',
      example: '[weir.internal]',
    }).optional(),
    users: sections(adminUser, {
      description:
        'Who may use admin, by password (HTTP Basic) or bearer token. Without users whoever is on this machine may, and nobody else.',
      aws: 'IAM users',
      example: '[{ name: alice, role: operate, passwordFile: alice.verifier }]',
    }).optional(),
    open: choices(['healthz', 'readyz', 'metrics', 'status'], {
      description:
        'What everybody who reaches admin.host may see without a user; status is the page with all it shows.',
      example: '[healthz, readyz]',
    }).optional(),
    tls: section(
      {
        certFile: text('the name of a PEM file', {
          description:
            'Certificate chain of admin, relative to this file; read again when it changes.',
          example: 'admin.crt',
        }),
        keyFile: text('the name of a PEM file', {
          description: 'Private key of certFile.',
          example: 'admin.key',
        }),
      },
      {
        description: 'Encryption of admin. Needed for users when admin.host is not loopback.',
        example: '{ certFile: admin.crt, keyFile: admin.key }',
      },
    ).optional(),
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
