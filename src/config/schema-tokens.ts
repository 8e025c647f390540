/**
 * Settings of tokens as RDS Proxy takes them, and of single users. Rule: no key opens anything that it
 * is not said to open; who signs for whom is always written down.
 */
import { z } from 'zod'
import { about, choices, count, duration, oneOf, section, text, texts } from './setting.ts'

/** Words of `auth.methods` and of a user's `methods`. */
export const METHODS = ['scram-sha-256', 'md5', 'cert'] as const

const IAM_AUTH = ['disabled', 'enabled', 'required'] as const

/** A secret text: written here, in a file, or in an environment variable. */
function secretText(description: string) {
  return z
    .union([
      z.string().min(1),
      z.strictObject({ file: z.string().min(1) }),
      z.strictObject({ env: z.string().min(1) }),
    ])
    .register(about, {
      description,
      example: '{ file: weir-key.secret }',
      type: 'text, { file } or { env }',
      want: 'a text, { file: NAME } or { env: NAME }',
      secret: true,
    })
}

const accessKey = section(
  {
    accessKeyId: text('an access key id', {
      description: 'Id of the key, as it stands in every token signed with it.',
      aws: 'AccessKeyId',
      example: 'AKIAWEIRAPP1',
    }),
    secretAccessKey: secretText(
      'Secret of the key: here, alone in a file relative to this one, or in an environment variable.',
    ),
    sessionToken: secretText('Session token, when these are temporary credentials.').optional(),
    expires: z.iso
      .datetime({ offset: true })
      .register(about, {
        description: 'When temporary credentials end: their tokens are refused from then on.',
        aws: 'Expiration',
        example: '2026-12-31T00:00:00Z',
        type: 'time',
        want: 'a time such as 2026-12-31T00:00:00Z',
        otherwise: 'never',
      })
      .optional(),
    users: texts('a name of a user', {
      description: 'Users whom tokens of this key may log in; * stands for any characters.',
      aws: 'Resource of rds-db:connect (dbuser:prx-.../NAME)',
      example: '[app, "report_*"]',
    }),
  },
  {
    description: 'One access key that may sign tokens.',
    aws: 'an IAM user or role with rds-db:connect',
    example: 'accessKeyId: AKIAWEIRAPP1',
  },
)

export const iam = section(
  {
    region: text('the name of a region', {
      description: 'Region that tokens must be signed for. Any name will do outside AWS.',
      aws: 'the region of the proxy',
      example: 'eu-west-1',
    }).prefault('us-east-1'),
    accessKeys: z.array(accessKey).prefault([]).register(about, {
      description: 'Keys whose tokens are good, and for whom.',
      aws: 'IAM policies that allow rds-db:connect',
      example: '[{ accessKeyId: AKIAWEIRAPP1, secretAccessKey: { env: KEY1 }, users: [app] }]',
      type: 'list of sections',
      want: 'a list of sections such as [{ accessKeyId, secretAccessKey, users }]',
    }),
    hosts: texts('HOST or HOST:PORT', {
      description:
        'Names by which clients call this Weir; a token is for one of them and a port of an endpoint. NAME:PORT allows another port, as behind a load balancer.',
      aws: 'the endpoint of the proxy',
      example: '[db.internal, "lb.example.com:5432"]',
      otherwise: 'listen.host, localhost and tlsServerNames of the endpoints',
    }).optional(),
    clockSkew: duration(
      { min: 0, max: 900_000 },
      {
        description: 'How far ahead the clock of whoever signed a token may be.',
        example: '5m',
      },
    ).prefault('5m'),
  },
  {
    description: 'Tokens in the format of RDS, checked here against access keys.',
    aws: 'IAM database authentication',
    example: 'region: eu-west-1',
  },
)

export const iamAuth = oneOf(IAM_AUTH, {
  description:
    'Whether clients log in with an IAM token instead of a password. enabled: either will do, and over TLS both are asked for in clear.',
  aws: 'IAMAuth (DISABLED, ENABLED, REQUIRED)',
  example: 'required',
})

const user = section(
  {
    name: text('the name of a user', { description: 'Whom this is about.', example: 'app' }),
    iamAuth: iamAuth.optional(),
    methods: choices(METHODS, {
      description: 'How this user may prove who it is, best first.',
      example: '[scram-sha-256]',
      otherwise: 'auth.methods',
    }).optional(),
    maxClients: count(
      { min: 1, max: 1_000_000, unit: 'clients' },
      {
        description: 'Clients of this user at once, for each worker.',
        example: '100',
        otherwise: 'the limit of all users',
      },
    ).optional(),
  },
  { description: 'What holds for one user.', example: 'name: app' },
)

export const users = z.array(user).register(about, {
  description: 'What holds for single users instead of the settings of all.',
  aws: 'UserAuthConfig of one user',
  example: '[{ name: app, iamAuth: required }]',
  type: 'list of sections',
  want: 'a list of sections such as [{ name: app, iamAuth: required }]',
})
