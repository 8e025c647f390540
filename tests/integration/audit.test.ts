/**
 * The audit log in front of a real node: each login, pin, cancel and order on one line, whatever a
 * stranger calls himself, no secret in it, and nobody let in while it cannot be written and must be.
 */
import { mkdir, mkdtemp, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { passwordLine } from '../../src/admin/password.ts'
import { AdminClient } from '../../src/cli/admin-client.ts'
import { adminTarget } from '../../src/cli/admin-target.ts'
import { fetchStatus } from '../../src/cli/status.ts'
import { loadSettings } from '../../src/config/load.ts'
import { until } from '../../src/core/until.ts'
import { writeTestCertificate } from '../support/certificate.ts'
import { endClients } from '../support/clients.ts'
import {
  FRONT_PORTS,
  type Front,
  type FrontFile,
  startFront,
  writeFront,
} from '../support/front.ts'
import { freePorts, type House, startHouse } from '../support/house.ts'

const TOKEN = 'a-token-of-the-test-that-nobody-may-see'
const PASSWORD = 'an operator in the test'

let house: House
let front: Front
let directory: string
let file: string
let certificate: { certFile: string; keyFile: string }
const clients: pg.Client[] = []

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  const place = await mkdtemp(join(house.directory, 'audit-'))
  directory = join(place, 'log')
  await mkdir(directory)
  file = join(directory, 'audit.log')
  certificate = await writeTestCertificate(place)
  const tokenFile = join(place, 'token')
  await writeFile(tokenFile, `${TOKEN}\n`, { mode: 0o600 })
  front = await startFront(house, {
    config: {
      tls: { mode: 'allowed', ...certificate },
      audit: { to: 'file', file, required: true, statements: 'text' },
      admin: {
        port: await freePorts(1, [15_940, 15_949]),
        tls: certificate,
        users: [
          { name: 'operator', role: 'operate', password: await passwordLine(PASSWORD) },
          { name: 'viewer', role: 'view', tokenFile },
        ],
      },
    },
  })
})

afterEach(async () => {
  for (const client of clients.splice(0)) await client.end().catch(() => {})
  endClients()
})

afterAll(async () => {
  await front?.end()
  await house?.end()
})

interface Line {
  readonly event: string
  readonly outcome?: string
  readonly [field: string]: unknown
}

async function lines(): Promise<Line[]> {
  const text = await readFile(file, 'utf8')
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line)
}

/** The newest line like that, once it is there. */
async function line(like: Partial<Line>): Promise<Line> {
  return until(async () => (await lines()).findLast((one) => matches(one, like)) ?? false, 15_000, {
    what: `an audit line like ${JSON.stringify(like)}`,
  }) as Promise<Line>
}

function matches(one: Line, like: Partial<Line>): boolean {
  return Object.entries(like).every(([field, value]) => one[field] === value)
}

async function connect(some: pg.ClientConfig = {}): Promise<pg.Client> {
  const { user, password, database } = house.cluster.login
  const port = front.port('writer')
  const client = new pg.Client({ host: '127.0.0.1', port, user, password, database, ...some })
  client.on('error', () => {})
  clients.push(client)
  await client.connect()
  return client
}

describe('the audit log', () => {
  test('tells of each login how it ended, where it came from and how it was encrypted', async () => {
    const plain = await connect({ application_name: 'plain' })
    const accepted = await line({ event: 'login', outcome: 'accepted' })
    expect(accepted).toMatchObject({
      ...{ endpoint: 'writer', user: 'weir', database: 'app', from: '127.0.0.1' },
      ...{ method: 'scram-sha-256', session: expect.any(Number), port: expect.any(Number) },
    })
    expect(accepted.tls).toBeUndefined()
    await plain.end()
    expect(await line({ event: 'logout', session: accepted.session as number })).toMatchObject({
      ...{ user: 'weir', database: 'app', reason: expect.any(String) },
    })
    await connect({ ssl: { rejectUnauthorized: false } })
    const secure = await line({ event: 'login', outcome: 'accepted', tls: 'TLSv1.3' })
    expect(secure.cipher).toEqual(expect.stringContaining('TLS_'))
  })

  test('tells why a login was refused, and puts nothing of its password down', async () => {
    await expect(connect({ password: 'hunter2-wrong' })).rejects.toThrow('password')
    expect(await line({ event: 'login', outcome: 'refused' })).toMatchObject({
      ...{ reason: 'auth-failed', user: 'weir', endpoint: 'writer', from: '127.0.0.1' },
    })
    expect(await readFile(file, 'utf8')).not.toContain('hunter2')
  })

  test('has one line for a user with line feeds and escapes in its name', async () => {
    const user = 'eve\n{"event":"login","outcome":"accepted","user":"root"}\u001b[2J\u009b'
    await expect(connect({ user, password: 'x' })).rejects.toThrow()
    expect(await line({ event: 'login', user })).toMatchObject({ outcome: 'refused' })
    expect((await lines()).filter((one) => one.user === 'root')).toEqual([])
    const text = await readFile(file, 'utf8')
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
  })

  test('tells of pins with the statement and without its values, and of cancels', async () => {
    const client = await connect()
    await client.query(`create temp table t as select 'very secret' as a`)
    const pin = await line({ event: 'pin', reason: 'temporary' })
    expect(pin).toMatchObject({ user: 'weir', statement: expect.stringMatching(/create temp/i) })
    expect(await readFile(file, 'utf8')).not.toContain('very secret')
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number }
    const stuck = client.query('select pg_sleep(600)').catch((error: unknown) => error)
    const cancel = async (key: number): Promise<void> => {
      const canceller = new pg.Client(front.url()) as unknown as {
        connection: {
          cancel(pid: number, secret: number): void
          once(e: string, f: () => void): void
        }
      }
      const { connection } = canceller
      await new Promise<void>((resolve) => {
        const stream = connection as unknown as {
          connect(port: number, host: string): void
          stream: { once(event: string, call: () => void): void }
        }
        connection.once('connect', () => connection.cancel(processID, key))
        stream.connect(front.port('writer'), '127.0.0.1')
        stream.stream.once('close', resolve)
      })
    }
    await cancel(secretKey ^ 1)
    expect(await line({ event: 'cancel', pid: processID })).toMatchObject({
      ...{ outcome: 'ignored', from: '127.0.0.1', endpoint: 'writer' },
    })
    await cancel(secretKey)
    await line({ event: 'cancel', pid: processID, outcome: 'accepted' })
    expect(await stuck).toMatchObject({ code: '57014' })
    expect(await readFile(file, 'utf8')).not.toContain(String(secretKey))
  })
})

/** By the name that its certificate has. */
const adminAddress = (): string => front.app.admin!.address.replace('127.0.0.1', 'localhost')

describe('the admin port with users and a certificate', () => {
  const target = (flags: object = {}, env: Record<string, string> = {}) =>
    adminTarget({ admin: adminAddress(), ca: certificate.certFile, ...flags }, env)
  const operator = () => target({ user: 'operator' }, { WEIR_ADMIN_PASSWORD: PASSWORD })

  test('takes orders of an operator over TLS, and they are audited', async () => {
    expect(front.app.admin?.address).toMatch(/^https:/)
    const weir = new AdminClient(operator())
    const paused = await weir.pause({ endpoint: 'reader', forMs: 5_000 })
    expect(paused.what).toBe('endpoint reader')
    await weir.resume({ endpoint: 'reader' })
    expect(await line({ event: 'command', command: 'pause' })).toMatchObject({
      ...{ user: 'operator', outcome: 'done', from: '127.0.0.1' },
      order: { endpoint: 'reader', forMs: 5_000 },
    })
    expect(await line({ event: 'command', command: 'resume' })).toMatchObject({
      ...{ outcome: 'done', answer: 'endpoint reader resumed' },
    })
  })

  test('lets a viewer look and not order, and nobody without a name in', async () => {
    const viewer = target({}, { WEIR_ADMIN_TOKEN: TOKEN })
    expect((await fetchStatus(viewer)).nodes).not.toEqual([])
    await expect(new AdminClient(viewer).resume({})).rejects.toMatchObject({
      ...{ code: 'WEIR_NOT_ALLOWED', message: 'viewer may look, and may not give orders.' },
    })
    expect(await line({ event: 'command', outcome: 'refused' })).toMatchObject({ user: 'viewer' })
    await expect(fetchStatus(target())).rejects.toMatchObject({
      ...{ code: 'WEIR_NOT_ALLOWED', hint: expect.stringContaining('--user') },
    })
    const wrong = target({ user: 'operator' }, { WEIR_ADMIN_PASSWORD: 'hunter3' })
    await expect(fetchStatus(wrong)).rejects.toMatchObject({ code: 'WEIR_NOT_ALLOWED' })
    const text = await readFile(file, 'utf8')
    for (const secret of [TOKEN, PASSWORD, 'hunter3']) expect(text).not.toContain(secret)
  })

  test('is not believed without its authority, and is sent no password in clear', async () => {
    await expect(fetchStatus(adminAddress())).rejects.toMatchObject({
      ...{ code: 'WEIR_NO_ADMIN', message: expect.stringContaining('--ca') },
    })
    const far = { admin: 'http://weir.example:6480', user: 'operator' }
    expect(() => adminTarget(far, { WEIR_ADMIN_PASSWORD: PASSWORD })).toThrow('in clear')
    expect(() => adminTarget(far, {})).toThrow('no password for --user operator')
  })
})

test('nobody logs in while the audit log must be written and cannot be', async () => {
  const away = `${directory}-away`
  await connect()
  const name = 'audit-failing'
  await rename(directory, away)
  try {
    // The one that finds out may still come in.
    const refused = await until(async () => {
      try {
        await (await connect({ application_name: name })).end()
        return false
      } catch (error) {
        return error as { code: string; message: string }
      }
    }, 20_000)
    expect(refused).toMatchObject({
      ...{ code: '57P03', message: expect.stringContaining('audit log') },
    })
    expect((await front.app.snapshot()).clients.total).toBeGreaterThan(0)
  } finally {
    await rename(away, directory)
  }
  await until(async () => {
    await (await connect()).end()
    return true
  }, 30_000)
  expect(await line({ event: 'login', outcome: 'refused', reason: 'audit' })).toBeDefined()
})

test('a reload takes other users and rules of the audit log, and is audited itself', async () => {
  const settings = await reloaded((all) => {
    all.admin = {
      ...(all.admin as object),
      users: [{ name: 'new', role: 'view', tokenHash: `sha256:${'0'.repeat(64)}` }],
    }
    all.audit = { ...(all.audit as object), events: ['change'] }
  })
  expect(settings).toBeDefined()
  const change = await line({ event: 'change', what: 'settings' })
  expect(change.detail).toContain('admin.users')
  const env = { WEIR_ADMIN_TOKEN: TOKEN }
  const target = adminTarget({ admin: adminAddress(), ca: certificate.certFile }, env)
  await expect(fetchStatus(target)).rejects.toMatchObject({ code: 'WEIR_NOT_ALLOWED' })
  const before = (await lines()).length
  await connect()
  expect((await lines()).length).toBe(before)
})

/** Reloads the front with some of its file changed. */
async function reloaded(change: (all: Record<string, unknown>) => void): Promise<FrontFile> {
  const written = await writeFront(house, { admin: true })
  const all = JSON.parse(await readFile(written.file, 'utf8')) as Record<string, unknown>
  const place = join(directory, '..')
  all.tls = { mode: 'allowed', ...certificate }
  all.audit = { to: 'file', file, required: true, statements: 'text' }
  all.admin = { enabled: true, tls: certificate, users: [] }
  change(all)
  await writeFile(join(place, 'next.yaml'), JSON.stringify(all), { mode: 0o600 })
  await front.app.reload(loadSettings({ file: join(place, 'next.yaml') }).settings)
  return written
}
