/** Settings that say who may log in and how they prove it. Rule: nobody may by default. */
import { z } from 'zod'
import { iam, iamAuth, METHODS, users } from './schema-tokens.ts'
import { about, choices, count, duration, section, text, yesNo } from './setting.ts'

const refresh = duration(
  { min: 1_000, max: 604_800_000 },
  {
    description: 'How often it is asked anew.',
    aws: 'none; a change is seen by the proxy itself',
    example: '5m',
  },
).prefault('5m')

const command = z.strictObject({
  command: z.array(z.string().min(1)).min(1),
  timeout: duration(
    { min: 100, max: 600_000 },
    { description: 'A command that takes longer is ended.', example: '10s' },
  ).prefault('10s'),
  refresh,
})

const secretsManager = z.strictObject({
  secretsManager: z.strictObject({
    secretId: z.string().min(1),
    region: z.string().min(1).optional(),
    endpoint: z.url({ protocol: /^https?$/ }).optional(),
    refresh,
  }),
})

/**
 * A file name, the pair itself, or another place to read from. An RDS secret holds more keys than the
 * two of the pair (engine, host, ...); they are ignored.
 */
export const secret = z
  .union([
    z.string().min(1),
    z.looseObject({ username: z.string().min(1), password: z.string() }),
    z.strictObject({ username: z.string().min(1), passwordEnv: z.string().min(1) }),
    z.strictObject({ env: z.string().min(1) }),
    command,
    secretsManager,
  ])
  .register(about, {
    description: 'A place to read secrets from, or one secret.',
    example: 'secrets.json',
    type: 'file name or { username, password } or another source',
    want: 'a file name such as secrets.json, { username, password }, { username, passwordEnv }, { env }, { command: [...], timeout, refresh } or { secretsManager: { secretId, region, endpoint, refresh } }',
    secret: true,
  })

const query = section(
  {
    user: text('the username of one of auth.secrets', {
      description: 'User who asks the node; its secret is one of auth.secrets.',
      example: 'auth_lookup',
    }),
    database: text('the name of a database', {
      description: 'Database in which the query runs.',
      example: 'postgres',
    }).prefault('postgres'),
    query: text('SQL with $1 for the name', {
      description:
        'Gives name, stored password and, as a third column if there is one, the end of its validity for the user named by $1. Runs with search_path pg_catalog, read only.',
      example: 'SELECT * FROM weir.user_secret($1)',
    }).prefault(
      'SELECT rolname, rolpassword, rolvaliduntil FROM pg_catalog.pg_authid WHERE rolname = $1 AND rolcanlogin',
    ),
    cache: duration(
      { min: 0, max: 86_400_000 },
      { description: 'How long an answer holds.', example: '30s' },
    ).prefault('30s'),
    negativeCache: duration(
      { min: 0, max: 86_400_000 },
      { description: 'How long it holds that there is no such user.', example: '5s' },
    ).prefault('5s'),
    keep: duration(
      { min: 0, max: 604_800_000 },
      {
        description: 'An older answer holds so long while no node can be asked.',
        example: '1h',
      },
    ).prefault('1h'),
    timeout: duration(
      { min: 100, max: 60_000 },
      {
        description: 'A login waits so long for an answer, waiting its turn included.',
        example: '5s',
      },
    ).prefault('5s'),
    connections: count(
      { min: 1, max: 32 },
      { description: 'Questions asked at once, by each worker.', example: '2' },
    ).prefault(2),
  },
  {
    description:
      'Users that auth.secrets does not name are looked up on the node; then no password is stored here.',
    example: 'user: auth_lookup',
  },
)

export const auth = section(
  {
    secrets: z.array(secret).prefault([]).register(about, {
      description:
        'Users and passwords: names of JSON files, relative to this file, entries written here, or other sources: { username, passwordEnv }, { env }, { command }, { secretsManager }. A file, a variable or an output holds one { "username", "password" } or a list of them. Sources are read again when they change.',
      aws: 'Auth[].SecretArn; the same shape as an RDS secret',
      example: '[secrets.json]',
      type: 'list of file names or { username, password } or other sources',
      want: 'a list of file names, { username, password } or other sources, such as [secrets.json]',
      secret: true,
    }),
    rotationWindow: duration(
      { min: 0, max: 604_800_000 },
      {
        description:
          'A password that was replaced in auth.secrets stays right so long: clients get in with either, and a node is offered the other when it refuses one.',
        aws: 'AWSPREVIOUS beside AWSCURRENT',
        example: '10m',
      },
    ).prefault('10m'),
    query: query.optional(),
    iamAuth: iamAuth.prefault('disabled'),
    iam: iam.optional(),
    users: users.prefault([]),
    methods: choices(METHODS, {
      description:
        'How clients may prove who they are, best first. md5 only when listed; cert: a client certificate that fits the user, instead of a password.',
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
