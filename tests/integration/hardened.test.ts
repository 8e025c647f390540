/**
 * config/hardened.yaml in front of a lab: its clients come in by token or SCRAM over TLS 1.3, nobody
 * else does. Rule: of the file only addresses are changed, and TLS towards nodes that have none.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { parse } from 'yaml'
import { passwordLine } from '../../src/admin/password.ts'
import { type App, startApp } from '../../src/app.ts'
import { makeToken } from '../../src/auth/token-signing.ts'
import { loadSettings } from '../../src/config/load.ts'
import { silentLog } from '../../src/core/log.ts'
import { until } from '../../src/core/until.ts'
import { connect, endClients, failure, one } from '../support/clients.ts'
import { weirSays } from '../support/command-line.ts'
import { FRONT_PORTS } from '../support/front.ts'
import { freePorts, type House, startHouse } from '../support/house.ts'
import { testOverrides } from '../support/overrides.ts'

const SECRET = 'kahThohx3oosie9oRohjeech5Aiv'
const USERS = ['app', 'reporting', 'weir_watch']

let house: House
let app: App
let port: number
let ca: string

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  for (const user of USERS) await house.ask(`create role ${user} login password '${SECRET}'`)
  const directory = join(house.directory, 'hardened')
  mkdirSync(directory, { mode: 0o700 })
  await weirSays('cert', '--dir', join(directory, 'certs'), '--names', 'db.internal,localhost')
  ca = readFileSync(join(directory, 'certs', 'ca.crt'), 'utf8')
  for (const [name, text] of [
    ['secrets.json', JSON.stringify(USERS.map((username) => ({ username, password: SECRET })))],
    ['app-key.secret', SECRET],
    ['operator.verifier', await passwordLine(SECRET)],
    ['monitoring.token', SECRET],
  ] as const) {
    writeFileSync(join(directory, name), text, { mode: 0o600 })
  }
  const settings = parse(readFileSync('config/hardened.yaml', 'utf8'))
  port = await freePorts(3, FRONT_PORTS)
  Object.assign(settings.listen, { host: '127.0.0.1', allowPublic: false })
  settings.nodes = house.cluster
    .nodes()
    .map(({ name, host, port: at }) => ({ name, host, port: at }))
  settings.endpoints.forEach((endpoint: { port: number }, i: number) => {
    endpoint.port = port + i
  })
  settings.admin.port = port + 2
  Object.assign(settings.tls, { nodes: 'disable', nodesChannelBinding: 'prefer' })
  const file = join(directory, 'weir.yaml')
  writeFileSync(file, JSON.stringify(settings), { mode: 0o600 })
  app = await startApp({
    settings: loadSettings({ file, overrides: testOverrides() }).settings,
    ...{ log: silentLog, version: '0.0.0-test', graceMs: 500 },
  })
  await app.whenReady(20_000)
})

afterEach(() => endClients())

afterAll(async () => {
  endClients()
  await app?.stop()
  await house?.end()
})

function login(user: string, password: string, tls: object | null = {}) {
  const { database } = house.cluster.login
  const url = `postgres://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`
  return connect(url, tls === null ? {} : { ssl: { ca, servername: 'db.internal', ...tls } })
}

function token(user = 'app'): Promise<string> {
  const terms = { host: 'db.internal', port, user, region: 'eu-west-1', signedAt: Date.now() }
  return makeToken(terms, { accessKeyId: 'WEIRAPP1', secretAccessKey: SECRET })
}

it('The application comes in with a token, and not with its password', async () => {
  const client = await login('app', await token())
  expect(await one(client, 'select current_user::text')).toBe('app')
  expect(await failure(login('app', SECRET))).toMatchObject({ code: '28P01' })
})

it('Others come in with their passwords, and not with a token of a key that is not theirs', async () => {
  const client = await login('reporting', SECRET)
  expect(await one(client, 'select current_user::text')).toBe('reporting')
  expect(await failure(login('reporting', await token('reporting')))).toMatchObject({
    code: '28P01',
  })
})

it('Nobody comes in without TLS, or with an old one', async () => {
  const { code } = (await failure(login('reporting', SECRET, null))) as { code?: string }
  expect(code).toBe('28000')
  const old = await failure(login('reporting', SECRET, { maxVersion: 'TLSv1.2' }))
  expect(String(old)).toMatch(/protocol version|handshake|closed|terminated/i)
})

it('Admin tells a stranger that it is well, and no more', async () => {
  const get = async (path: string, headers: Record<string, string> = {}) =>
    (await fetch(`http://127.0.0.1:${port + 2}${path}`, { headers })).status
  expect(await get('/healthz')).toBe(200)
  expect(await get('/metrics')).toBe(401)
  expect(await get('/metrics', { authorization: `Bearer ${SECRET}` })).toBe(200)
})

it('All of it is written down', async () => {
  await login('app', await token())
  await failure(login('app', SECRET))
  const file = join(house.directory, 'hardened', 'audit.log')
  const lines = await until(
    () => {
      const text = readFileSync(file, 'utf8')
      return text.includes('"token-missing"') && text.includes('"WEIRAPP1"') && text
    },
    20_000,
    { what: 'the logins to be written' },
  )
  expect(lines).not.toContain(SECRET)
})
