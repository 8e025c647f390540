import { randomBytes } from 'node:crypto'
import { chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { TLSSocket, connect as tlsConnect } from 'node:tls'
import { Client } from 'pg'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Proof } from '../../src/auth/credential.ts'
import { md5Hash } from '../../src/auth/md5.ts'
import { ScramKeyCache } from '../../src/auth/scram-key-cache.ts'
import { deriveKeys, parseVerifier } from '../../src/auth/scram-keys.ts'
import { Secrets } from '../../src/auth/secrets.ts'
import { type Cluster, startCluster } from '../../src/cluster/cluster.ts'
import { until } from '../../src/core/until.ts'
import { Connecting } from '../../src/protocol/postgres/connect.ts'
import type {
  ConnectFailed,
  ConnectingOptions,
  ConnectReady,
} from '../../src/protocol/postgres/connect-step.ts'
import { Greeting } from '../../src/protocol/postgres/greet.ts'
import type {
  Authenticated,
  GreetingOptions,
  Refused,
} from '../../src/protocol/postgres/greet-step.ts'
import {
  backendKeyData,
  commandComplete,
  parameterStatus,
  readyForQuery,
} from '../../src/wire/postgres/backend.ts'
import { FRONTEND } from '../../src/wire/postgres/codes.ts'
import { query, terminate } from '../../src/wire/postgres/frontend.ts'
import { TEST_CERTIFICATE, TEST_KEY } from './test-certificate.ts'

const BASE_PORT = 15951

let directory: string
let cluster: Cluster
let admin: Client

type Where = 'tcp' | 'unix'

/** Logs in over a bare socket and asks one thing. */
async function logIn(
  more: Partial<ConnectingOptions>,
  where: Where = 'tcp',
): Promise<{ end: ConnectReady | ConnectFailed; tls: boolean; answer: string }> {
  const node = cluster.writer()
  const path = join(node.socketDirectory, `.s.PGSQL.${node.port}`)
  let socket: Socket = where === 'unix' ? connect(path) : connect(node.port, '127.0.0.1')
  let tls = false
  const login = new Connecting({
    user: 'scram_user',
    proof: { kind: 'password', password: 's3cret' },
    database: cluster.login.database,
    parameters: [['application_name', 'bare']],
    tls: 'disable',
    secureOrLocal: where === 'unix',
    scramKeys: new ScramKeyCache(),
    random: randomBytes,
    ...more,
  })
  const end = await new Promise<ConnectReady | ConnectFailed>((resolve, reject) => {
    const pull = (): void => {
      for (;;) {
        const step = login.next()
        switch (step.kind) {
          case 'starved':
          case 'waiting':
            return
          case 'send':
            socket.write(step.bytes)
            break
          case 'upgrade-tls': {
            socket.removeAllListeners('data')
            socket = tlsConnect({ socket, rejectUnauthorized: false }, () => {
              tls = true
              login.secured()
              pull()
            })
            listen()
            return
          }
          default:
            resolve(step)
            return
        }
      }
    }
    const listen = (): void => {
      socket.on('error', reject)
      socket.on('data', (chunk: Buffer) => {
        login.push(chunk)
        pull()
      })
    }
    login.onReady = pull
    listen()
    pull()
  })
  socket.removeAllListeners('data')
  let answer = ''
  if (end.kind === 'ready') {
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1')
    })
    socket.write(query('select current_user'))
    await until(() => answer.includes('SELECT 1'), 10_000, { what: 'the answer' })
    socket.end(terminate())
  } else {
    socket.destroy()
  }
  return { end, tls, answer }
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'weir-login-'))
  cluster = await startCluster({ directory, nodes: 1, basePort: BASE_PORT, fsync: false })
  admin = new Client({ connectionString: cluster.url() })
  await admin.connect()
  await admin.query(`
    create role scram_user login password 's3cret';
    create role clear_user login password 's3cret';
    create role trust_user login;
    set password_encryption = md5;
    create role md5_user login password 's3cret';
    reset password_encryption`)
  const { rows } = await admin.query<{ hba_file: string }>('show hba_file')
  const hba = rows[0]!.hba_file
  const data = dirname(hba)
  const { uid, gid } = statSync(data)
  for (const [name, text] of [
    ['test.key', TEST_KEY],
    ['test.crt', TEST_CERTIFICATE],
    [
      'pg_hba.conf',
      [
        'host all trust_user 127.0.0.1/32 trust',
        'local all clear_user password',
        'host all clear_user 127.0.0.1/32 password',
        'host all md5_user 127.0.0.1/32 md5',
        'local all all scram-sha-256',
        'host all all 127.0.0.1/32 scram-sha-256',
        '',
      ].join('\n'),
    ],
  ] as const) {
    writeFileSync(join(data, name), text, { mode: 0o600 })
    chownSync(join(data, name), uid, gid)
  }
  await admin.query(`alter system set ssl_cert_file = 'test.crt'`)
  await admin.query(`alter system set ssl_key_file = 'test.key'`)
  await admin.query('alter system set ssl = on')
  await admin.query('select pg_reload_conf()')
  const ssl = async () => (await admin.query<{ ssl: string }>('show ssl')).rows[0]?.ssl === 'on'
  await until(ssl, 10_000, { what: 'ssl on' })
})

afterAll(async () => {
  await admin?.end()
  await cluster?.destroy()
  rmSync(directory, { recursive: true, force: true })
})

describe('a login to a real node', () => {
  const hash: Proof = { kind: 'md5-hash', hash: md5Hash('s3cret', 'md5_user') }
  it.each<[string, Partial<ConnectingOptions>, Where, boolean]>([
    ['SCRAM', {}, 'tcp', false],
    ['SCRAM over a Unix socket', {}, 'unix', false],
    ['SCRAM over TLS', { tls: 'require' }, 'tcp', true],
    ['SCRAM over TLS because it is there', { tls: 'prefer' }, 'tcp', true],
    ['md5', { user: 'md5_user' }, 'tcp', false],
    ['an md5 hash', { user: 'md5_user', proof: hash }, 'tcp', false],
    ['clear text over TLS', { user: 'clear_user', tls: 'require' }, 'tcp', true],
    ['clear text over a Unix socket', { user: 'clear_user' }, 'unix', false],
    ['trust', { user: 'trust_user', proof: undefined }, 'tcp', false],
    ['SCRAM asking for 3.2', { minor: 2 }, 'tcp', false],
  ])('succeeds by %s', async (_, more, where, secure) => {
    const { end, tls, answer } = await logIn(more, where)
    expect(end).toMatchObject({ kind: 'ready' })
    expect(tls).toBe(secure)
    expect(answer).toContain(more.user ?? 'scram_user')
    if (end.kind !== 'ready') return
    expect(end.pid).toBeGreaterThan(0)
    expect(end.secret.length).toBe(end.minor === 2 ? 32 : 4)
    expect(end.parameters.get('application_name')).toBe('bare')
    expect(end.parameters.get('server_version')).toBeDefined()
    expect(end.rest).toHaveLength(0)
  })

  it('keeps the password to itself where somebody could listen', async () => {
    const { end } = await logIn({ user: 'clear_user' })
    expect(end).toMatchObject({ kind: 'failed', why: 'auth', code: '28000' })
  })

  it.each<[string, Partial<ConnectingOptions>, string, string]>([
    ['a wrong password', { proof: { kind: 'password', password: 'x' } }, '28P01', 'auth'],
    ['an unknown user', { user: 'nobody' }, '28P01', 'auth'],
    ['an unknown database', { database: 'nowhere' }, '3D000', 'rejected'],
    ['a bad setting', { parameters: [['geqo', 'maybe']] }, '22023', 'rejected'],
  ])('fails for %s in the words of the node', async (_, more, code, why) => {
    expect((await logIn(more)).end).toMatchObject({ kind: 'failed', code, why, severity: 'FATAL' })
  })
})

describe('passwords of every kind', () => {
  it.each([
    'plain',
    'with space and "quotes"',
    'tab\tand bell\u0007',
    'é',
    'e\u0301',
    '\u2168 roman nine',
    'soft\u00adhyphen',
    'no\u00a0break\u3000space',
    'zero\u200bwidth',
    '\u0627\u0628',
    '\u0627\u2168\u0628',
    '\u06271',
    '\u{1f600}',
    '\u2168\u{1f600}',
    '\u2168\u0221',
    '\u2168\ue000',
    '\u00ad',
    'x'.repeat(2_000),
  ])('%j gives the keys that Postgres made of it', async (password) => {
    await admin.query('drop role if exists odd_user')
    await admin.query(`create role odd_user login password ${admin.escapeLiteral(password)}`)
    const { rows } = await admin.query<{ rolpassword: string }>(
      `select rolpassword from pg_authid where rolname = 'odd_user'`,
    )
    const { salt, iterations, storedKey, serverKey } = parseVerifier(rows[0]!.rolpassword)!
    expect(await deriveKeys(password, salt, iterations)).toMatchObject({ storedKey, serverKey })
    const proof: Proof = { kind: 'password', password }
    expect((await logIn({ user: 'odd_user', proof })).end.kind).toBe('ready')
  })
})

describe('a driver at our door', () => {
  const doors: Server[] = []
  const ends: (Authenticated | Refused)[] = []
  afterAll(() => {
    for (const door of doors) door.close()
  })

  /** A server that greets and then gives every query an empty answer. */
  async function open(more: Partial<GreetingOptions>): Promise<number> {
    const secrets = await Secrets.of([{ username: 'app', password: 's3cret', source: 'test' }])
    const server = createServer((raw) => {
      let socket: Socket = raw
      const greeting = new Greeting({
        secrets,
        methods: ['scram-sha-256'],
        loopback: true,
        tls: 'allowed',
        secure: false,
        startupLimit: 10_000,
        random: randomBytes,
        ...more,
      })
      const pull = (): void => {
        for (;;) {
          const step = greeting.next()
          switch (step.kind) {
            case 'starved':
            case 'waiting':
              return
            case 'answer':
              socket.write(step.bytes)
              break
            case 'upgrade-tls':
              socket.removeAllListeners('data')
              if (step.direct) {
                socket.pause() // a flowing socket would drop what is put back
                socket.unshift(step.early)
              }
              socket = new TLSSocket(socket, {
                isServer: true,
                key: TEST_KEY,
                cert: TEST_CERTIFICATE,
                ALPNProtocols: ['postgresql'],
              })
              greeting.secured()
              listen()
              return
            case 'cancel':
              socket.destroy()
              return
            case 'refused':
              ends.push(step)
              socket.end(step.bytes)
              return
            case 'authenticated':
              ends.push(step)
              socket.removeAllListeners('data')
              socket.on('data', (chunk: Buffer) => {
                if (chunk[0] === FRONTEND.QUERY) socket.write(SELECTED)
                else socket.end()
              })
              socket.write(WELCOME)
              return
          }
        }
      }
      const listen = (): void => {
        socket.on('error', () => {})
        socket.on('data', (chunk: Buffer) => {
          greeting.push(chunk)
          pull()
        })
      }
      listen()
    })
    doors.push(server)
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    return (server.address() as AddressInfo).port
  }

  const WELCOME = Buffer.concat([
    parameterStatus('server_version', '16.4'),
    parameterStatus('client_encoding', 'UTF8'),
    backendKeyData(1, Buffer.alloc(4)),
    readyForQuery('I'),
  ])
  const SELECTED = Buffer.concat([commandComplete('SELECT 0'), readyForQuery('I')])
  const ssl = { rejectUnauthorized: false }

  it.each<[string, Partial<GreetingOptions>, boolean]>([
    ['SCRAM', {}, false],
    ['SCRAM over TLS', { tls: 'required' }, true],
    ['md5', { methods: ['md5'] }, false],
    ['trust', { methods: ['trust'] }, false],
  ])('logs in by %s: pg', async (_, more, tls) => {
    const client = new Client({
      host: '127.0.0.1',
      port: await open(more),
      user: 'app',
      password: 's3cret',
      database: 'shop',
      options: '-c weir.endpoint=reader',
      ssl: tls ? ssl : false,
    })
    await client.connect()
    await client.query('select')
    await client.end()
    expect(ends.at(-1)).toMatchObject({ user: 'app', database: 'shop', endpoint: 'reader' })
  })

  it.each<[string, Partial<GreetingOptions>, boolean]>([
    ['SCRAM', {}, false],
    ['SCRAM over TLS', { tls: 'required' }, true],
    ['md5', { methods: ['md5'] }, false],
  ])('logs in by %s: postgres', async (_, more, tls) => {
    const sql = postgres({
      host: '127.0.0.1',
      port: await open(more),
      user: 'app',
      password: 's3cret',
      database: 'shop',
      ssl: tls ? ssl : false,
      fetch_types: false,
      max: 1,
    })
    await sql`select`.simple()
    await sql.end()
    expect(ends.at(-1)).toMatchObject({ kind: 'authenticated', user: 'app', database: 'shop' })
  })

  it('may begin with its TLS handshake', async () => {
    const port = await open({ tls: 'required' })
    const login = new Connecting({
      user: 'app',
      proof: { kind: 'password', password: 's3cret' },
      database: 'shop',
      parameters: [],
      tls: 'require',
      secureOrLocal: true,
      scramKeys: new ScramKeyCache(),
      random: randomBytes,
    })
    const socket = tlsConnect({ port, host: '127.0.0.1', ALPNProtocols: ['postgresql'], ...ssl })
    const end = await new Promise((resolve, reject) => {
      const pull = (): void => {
        for (;;) {
          const step = login.next()
          if (step.kind === 'starved' || step.kind === 'waiting') return
          if (step.kind !== 'send') {
            resolve(step)
            return
          }
          socket.write(step.bytes)
        }
      }
      login.onReady = pull
      socket.on('error', reject)
      socket.on('secureConnect', pull)
      socket.on('data', (chunk: Buffer) => {
        login.push(chunk)
        pull()
      })
    })
    expect(end).toMatchObject({ kind: 'ready' })
    expect(socket.alpnProtocol).toBe('postgresql')
    socket.destroy()
  })

  it.each(['app', 'nobody'])('is told of a wrong password as user %s', async (user) => {
    const port = await open({})
    const client = new Client({ host: '127.0.0.1', port, user, password: 'wrong' })
    await expect(client.connect()).rejects.toMatchObject({
      severity: 'FATAL',
      code: '28P01',
      message: `password authentication failed for user "${user}"`,
    })
  })
})
