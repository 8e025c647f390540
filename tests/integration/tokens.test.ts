/**
 * IAM tokens end to end: signed by the AWS SDK and by `weir token`, sent by psql, `pg` and `postgres`
 * over TLS, judged here, while the node knows a password as always.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Signer } from '@aws-sdk/rds-signer'
import pg from 'pg'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type AccessKey, makeToken, type TokenTerms } from '../../src/auth/token-signing.ts'
import { until } from '../../src/core/until.ts'
import { writeTestCertificate } from '../support/certificate.ts'
import { connect, endClients, failure, one } from '../support/clients.ts'
import { weirSays } from '../support/command-line.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'
import { scrape, sumOf } from '../support/scrape.ts'
import { TEST_CERTIFICATE } from './test-certificate.ts'

const REGION = 'eu-west-1'
const KEY = { accessKeyId: 'AKIAWEIRTEST', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG' }
const TEMPORARY = {
  ...{ accessKeyId: 'ASIAWEIRTEST', secretAccessKey: 'another', sessionToken: 'FwoGZXIv+/==' },
}
const FAILED = (user: string) =>
  `The IAM authentication failed for the role ${user}. Check the IAM token for this role and try again.`

const users = [
  { username: 'app', password: 'app-password' },
  { username: 'both', password: 'both-password' },
  { username: 'plain', password: 'plain-password' },
]

let house: House
let front: Front
let keyFile: string

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  for (const { username, password } of users) {
    await house.ask(`create role "${username}" login password '${password}'`)
  }
  const files = await writeTestCertificate(house.directory)
  keyFile = join(house.directory, 'key.secret')
  await writeFile(keyFile, `${KEY.secretAccessKey}\n`, { mode: 0o600 })
  front = await startFront(house, {
    users,
    admin: true,
    config: {
      tls: { mode: 'allowed', ...files },
      audit: { to: 'file', file: join(house.directory, 'audit.log') },
      auth: {
        secrets: [
          { username: house.cluster.login.user, password: house.cluster.login.password },
          ...users,
        ],
        iamAuth: 'required',
        iam: {
          region: REGION,
          hosts: ['localhost', '127.0.0.1'],
          accessKeys: [
            { ...KEY, secretAccessKey: { file: keyFile }, users: ['app', 'both', 'nobody'] },
            { ...TEMPORARY, users: ['*'] },
          ],
        },
        users: [
          { name: 'both', iamAuth: 'enabled' },
          { name: 'plain', iamAuth: 'disabled' },
        ],
      },
    },
  })
})

afterEach(() => endClients())

afterAll(async () => {
  endClients()
  await front?.end()
  await house?.end()
})

const ssl = { ca: TEST_CERTIFICATE, host: 'localhost' }

function signerFor(user: string, credentials: typeof KEY | typeof TEMPORARY = KEY): Signer {
  return new Signer({
    ...{ hostname: 'localhost', port: front.port('writer'), username: user },
    ...{ region: REGION, credentials },
  })
}

/** Made here, so that it may be wrong in what the SDK always does right. */
function token(more: Partial<TokenTerms> = {}, key: AccessKey = KEY): Promise<string> {
  const port = front.port('writer')
  const right = { host: 'localhost', port, user: 'app', region: REGION, signedAt: Date.now() }
  return makeToken({ ...right, ...more }, key)
}

function loginWith(password: string, user = 'app', more: pg.ClientConfig = { ssl }) {
  const { database } = house.cluster.login
  const secret = encodeURIComponent(password)
  return connect(`postgres://${user}:${secret}@localhost:${front.port('writer')}/${database}`, more)
}

describe('A token signed by the AWS SDK', () => {
  it('logs in with pg, and the node knows the user by the password of the secret', async () => {
    const client = await loginWith(await signerFor('app').getAuthToken())
    expect(await one(client, 'select current_user::text')).toBe('app')
  })

  it('logs in with postgres, which asks the signer for each connection', async () => {
    const signer = signerFor('app')
    const sql = postgres({
      ...{ host: 'localhost', port: front.port('writer'), username: 'app', max: 2 },
      database: house.cluster.login.database,
      password: () => signer.getAuthToken(),
      ssl: { ca: TEST_CERTIFICATE },
    })
    try {
      expect((await sql`select current_user::text as me`)[0]).toEqual({ me: 'app' })
    } finally {
      await sql.end()
    }
  })

  it('logs in with a pool of pg, which asks the signer for each connection', async () => {
    const signer = signerFor('app')
    const pool = new pg.Pool({
      ...{ host: 'localhost', port: front.port('writer'), user: 'app', max: 2, ssl },
      database: house.cluster.login.database,
      password: () => signer.getAuthToken(),
    })
    try {
      expect((await pool.query('select current_user::text as me')).rows).toEqual([{ me: 'app' }])
    } finally {
      await pool.end()
    }
  })

  it('of temporary credentials logs in too, any user they may', async () => {
    const signer = signerFor('app', TEMPORARY)
    const client = await loginWith(await signer.getAuthToken())
    expect(await one(client, 'select current_user::text')).toBe('app')
  })
})

const psql = ['18', '17', '16', '15', '14']
  .map((version) => `/usr/lib/postgresql/${version}/bin/psql`)
  .find((path) => existsSync(path))
if (psql === undefined && process.env.CI === 'true') throw new Error('psql is not installed')

describe.skipIf(psql === undefined)('psql', () => {
  it('logs in with what weir token prints, and is told what is wrong otherwise', async () => {
    const port = String(front.port('writer'))
    const kept = { ...process.env }
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: KEY.accessKeyId,
      AWS_SECRET_ACCESS_KEY: KEY.secretAccessKey,
      AWS_REGION: REGION,
    })
    const args = ['token', '--host', 'localhost', '--port', port, '--user', 'app']
    const { out } = await weirSays(...args).finally(() => {
      process.env = kept
    })
    const run = (password: string, sslmode: string) =>
      promisify(execFile)(
        psql!,
        [
          ...['-X', '-w', '-A', '-t', '-c', 'select current_user'],
          `host=localhost port=${port} user=app dbname=${house.cluster.login.database} sslmode=${sslmode}`,
        ],
        { env: { PATH: process.env.PATH ?? '', LC_ALL: 'C', PGPASSWORD: password } },
      )
    expect((await run(out.trim(), 'require')).stdout).toBe('app\n')
    await expect(run('app-password', 'require')).rejects.toMatchObject({
      stderr: expect.stringContaining(`FATAL:  ${FAILED('app')}`),
    })
    await expect(run(out.trim(), 'disable')).rejects.toMatchObject({
      stderr: expect.stringContaining(
        'FATAL:  IAM authentication is allowed only with SSL connections.',
      ),
    })
  })
})

describe('A login with iamAuth required is refused', () => {
  const aMinute = 60_000
  const refusals: [string, () => Promise<string>, string?][] = [
    ['token-expired', () => token({ signedAt: Date.now() - 901_000 })],
    ['token-not-yet-valid', () => token({ signedAt: Date.now() + 10 * aMinute })],
    ['token-host', () => token({ host: 'elsewhere.example.com' })],
    ['token-port', () => token({ port: 5432 })],
    ['token-user', () => token({ user: 'both' })],
    ['token-region', () => token({ region: 'us-east-1' })],
    ['token-lifetime', () => token({ lifetimeS: 86_400 })],
    ['token-unknown-key', () => token({}, { ...KEY, accessKeyId: 'AKIASTRANGER' })],
    ['token-signature', () => token({}, { ...KEY, secretAccessKey: 'guessed' })],
    ['token-session-token', () => token({}, { ...TEMPORARY, sessionToken: 'another' })],
    ['token-key-not-for-user', () => token({ user: 'plainer' }), 'plainer'],
    ['token-service', async () => (await token()).replace('rds-db', 's3')],
    ['token-action', async () => (await token()).replace('Action=connect', 'Action=delete')],
    ['token-malformed', async () => `${await token()}&DBUser=app`],
    ['token-missing', async () => 'app-password'],
  ]

  it.each(refusals)(
    'for %s, in the words of RDS Proxy, and counted',
    async (reason, make, user = 'app') => {
      const before = await refusedFor(reason)
      const error = await failure(loginWith(await make(), user))
      expect(error).toMatchObject({ severity: 'FATAL', code: '28P01', message: FAILED(user) })
      expect(error).toMatchObject({ hint: undefined, detail: undefined })
      expect(await refusedFor(reason)).toBe(before + 1)
    },
  )

  it('without TLS, before anything is sent in clear', async () => {
    const error = await failure(loginWith(await token(), 'app', {}))
    expect(error).toMatchObject({
      code: '28000',
      message: 'IAM authentication is allowed only with SSL connections.',
    })
    expect(await refusedFor('token-without-tls')).toBeGreaterThan(0)
  })

  it('when no secret is held for the user of a good token', async () => {
    const error = await failure(loginWith(await token({ user: 'nobody' }), 'nobody'))
    expect(error).toMatchObject({
      code: '28000',
      message:
        'This proxy has no credentials for the role nobody. Check the credentials for this role and try again.',
    })
  })
})

async function refusedFor(reason: string): Promise<number> {
  const series = await scrape(front.adminPort)
  return sumOf(series, 'weir_client_connections_refused_total', { reason })
}

describe('The rule of a user', () => {
  it('enabled: token or password over TLS, and SCRAM without', async () => {
    for (const password of [await token({ user: 'both' }), 'both-password']) {
      const client = await loginWith(password, 'both')
      expect(await one(client, 'select current_user::text')).toBe('both')
    }
    const plain = await loginWith('both-password', 'both', {})
    expect(await one(plain, 'select current_user::text')).toBe('both')
    expect(await failure(loginWith('wrong', 'both'))).toMatchObject({
      code: '28P01',
      message: 'password authentication failed for user "both"',
    })
  })

  it('disabled: the password, and a token is nothing but a wrong one', async () => {
    const client = await loginWith('plain-password', 'plain')
    expect(await one(client, 'select current_user::text')).toBe('plain')
    const error = await failure(loginWith(await token({ user: 'plain' }), 'plain'))
    expect(error).toMatchObject({ code: '28P01' })
  })
})

describe('The audit log', () => {
  it('names the key of a token, says exactly what was wrong, and holds no token', async () => {
    const [good, bad] = [await token(), await token({ host: 'elsewhere.example.com' })]
    await loginWith(good)
    await failure(loginWith(bad))
    await failure(loginWith('app-password'))
    const lines = await until(
      async () => {
        const text = await readFile(join(house.directory, 'audit.log'), 'utf8')
        return text.includes('"token-missing"') && text
      },
      20_000,
      { what: 'the refusals to be written' },
    )
    const logins = lines
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ user, event, kind }) => user === 'app' && (event ?? kind) === 'login')
    expect(logins).toContainEqual(
      expect.objectContaining({ outcome: 'accepted', method: 'iam', tokenKey: KEY.accessKeyId }),
    )
    expect(logins).toContainEqual(
      expect.objectContaining({
        ...{ outcome: 'refused', reason: 'token-host', tokenKey: KEY.accessKeyId },
      }),
    )
    expect(logins).toContainEqual(
      expect.objectContaining({ outcome: 'refused', reason: 'token-missing' }),
    )
    for (const secret of ['X-Amz-Signature', 'app-password', KEY.secretAccessKey]) {
      expect(lines).not.toContain(secret)
    }
  })
})

describe('A key file', () => {
  it('that changes is read again, and who is logged in stays so', async () => {
    const client = await loginWith(await token())
    const rotated = { ...KEY, secretAccessKey: 'rotated' }
    await writeFile(keyFile, 'rotated', { mode: 0o600 })
    await until(
      async () => {
        const entered = await loginWith(await token({}, rotated)).catch(() => undefined)
        return entered !== undefined
      },
      30_000,
      { what: 'the new key to be taken' },
    )
    expect(await failure(loginWith(await token()))).toMatchObject({ message: FAILED('app') })
    expect(await one(client, 'select 1')).toBe(1)
  })
})
