/**
 * Strangers at the door of a real Weir: junk, torn logins, early departures in every state, while a
 * well-behaved client goes on asking. The proxy stays up, counts why it closed whom, and keeps
 * neither sessions nor server connections.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type App, startApp } from '../../src/app.ts'
import { loadSettings } from '../../src/config/load.ts'
import { silentLog } from '../../src/core/log.ts'
import { until } from '../../src/core/until.ts'
import { PROTOCOL_3_0, PROTOCOL_3_2 } from '../../src/wire/postgres/codes.ts'
import * as frontend from '../../src/wire/postgres/frontend.ts'
import { randomOf } from '../support/client-scripts.ts'
import { freePorts } from '../support/house.ts'
import { backendBytes, frontendBytes } from '../support/message-text.ts'
import { testOverrides } from '../support/overrides.ts'
import { type ScriptedNode, startScriptedNode } from '../support/scripted-node.ts'

const STRANGERS = Number(process.env.FUZZ_RUNS ?? 600)
const AT_ONCE = 20
const LOGIN_TIMEOUT_MS = 500

let node: ScriptedNode
let app: App
let port: number
let directory: string

beforeAll(async () => {
  node = await startScriptedNode()
  port = await freePorts(1, [15_700, 15_740])
  directory = await mkdtemp(join(tmpdir(), 'weir-hostile-'))
  const file = join(directory, 'weir.yaml')
  const settings = {
    nodes: [{ name: 'node-1', host: '127.0.0.1', port: node.port }],
    topology: { user: 'weir', database: 'app' },
    endpoints: [{ name: 'writer', kind: 'writer', port }],
    auth: { trust: true, secrets: [{ username: 'weir', password: 'weir' }] },
    limits: { loginTimeout: `${LOGIN_TIMEOUT_MS}ms` },
    pool: { maxConnections: 4 },
    admin: { enabled: false },
  }
  await writeFile(file, JSON.stringify(settings))
  const loaded = loadSettings({ file, overrides: testOverrides() }).settings
  app = await startApp({ settings: loaded, log: silentLog, version: '0.0.0-test' })
  await app.whenReady(10_000)
})

afterAll(async () => {
  await app?.stop()
  await node?.close()
  if (directory !== undefined) await rm(directory, { recursive: true, force: true })
})

const login = frontend.startupMessage(PROTOCOL_3_0, [
  ['user', 'weir'],
  ['database', 'app'],
])

/** What a stranger sends, in pieces; it leaves at a random moment. */
type Rudeness = (random: () => number) => Buffer[]

function noise(random: () => number, most: number): Buffer {
  return Buffer.from(Array.from({ length: 1 + Math.floor(random() * most) }, () => random() * 256))
}

function length(n: number, code: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32BE(n, 0)
  bytes.writeUInt32BE(code, 4)
  return bytes
}

const RUDENESS: Record<string, Rudeness> = {
  junk: (random) => [noise(random, 400)],
  http: () => [Buffer.from('GET / HTTP/1.1\r\nHost: db\r\n\r\n')],
  'startup torn': (random) => [login.subarray(0, 1 + Math.floor(random() * (login.length - 1)))],
  'startup byte by byte': () => [...login].map((byte) => Buffer.from([byte])),
  'huge startup': () => [length(0x7fff_ffff, PROTOCOL_3_0), Buffer.alloc(20_000, 65)],
  'tiny startup': (random) => [length(Math.floor(random() * 8), PROTOCOL_3_2)],
  'TLS without TLS': () => [frontend.sslRequest(), Buffer.from([0x16, 3, 1, 2, 0])],
  'requests without end': () =>
    [...Array(20)].flatMap(() => [frontend.gssEncRequest(), frontend.sslRequest()]),
  'cancel of nobody': (random) => [
    frontend.cancelRequest(Math.floor(random() * 9), Buffer.alloc(4)),
  ],
  'query before login': () => [frontendBytes('Query "echo x"')],
  silence: () => [],
  'junk after login': (random) => [login, noise(random, 300)],
  'unknown message after login': () => [login, Buffer.from([0x21, 0, 0, 0, 4])],
  'bad length after login': () => [login, Buffer.from([0x51, 0xff, 0xff, 0xff, 0xff])],
  'half a query': () => [login, frontendBytes('Query "echo a long text"').subarray(0, 9)],
  'a query and gone': () => [login, frontendBytes('Query "echo x"')],
  'a transaction and gone': () => [
    login,
    frontendBytes('Query "begin"'),
    frontendBytes('Query "insert rude"'),
  ],
  'a batch and gone': () => [
    login,
    ...['Parse "" "insert rude" []', 'Bind "" "" []', 'Execute "" 0', 'Flush'].map(frontendBytes),
  ],
  'a copy and gone': () => [login, frontendBytes('Query "copy"'), frontendBytes('CopyData "x"')],
  'half a copy': () => [
    login,
    frontendBytes('Query "copy"'),
    frontendBytes('CopyData "xxxx"').subarray(0, 7),
  ],
  'a pin and gone': () => [login, frontendBytes('Query "set a.b = \'c\'"')],
  'malformed parse': () => [login, Buffer.from([0x50, 0, 0, 0, 6, 0x73, 0x31])],
  "a server's messages": () => [
    login,
    backendBytes('ReadyForQuery I'),
    backendBytes('DataRow ["x"]'),
  ],
}

async function beRude(make: Rudeness, random: () => number): Promise<void> {
  const socket = net.connect(port, '127.0.0.1')
  socket.on('error', () => {})
  const dawdles = random() < 0.5
  if (dawdles) socket.resume()
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))
  for (const piece of make(random)) {
    if (socket.destroyed) return
    socket.write(piece)
    if (random() < 0.5) await new Promise((resolve) => setImmediate(resolve))
  }
  const how = random()
  if (how < 0.3) {
    // Half open: says that it is done, and waits to be let go.
    socket.end()
    socket.resume()
    await until(() => socket.destroyed, 15_000, { what: 'a half-open stranger to be closed' })
  } else if (how < 0.6) {
    await new Promise((resolve) => setTimeout(resolve, random() * 30))
    socket.destroy()
  } else socket.resetAndDestroy()
}

/** Asks one question after another until told to stop; every answer must be the right one. */
async function behave(stop: () => boolean): Promise<number> {
  const socket = net.connect(port, '127.0.0.1')
  let received = Buffer.alloc(0)
  let over = false
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
  })
  socket.on('close', () => {
    over = true
  })
  socket.write(login)
  const ready = backendBytes('ReadyForQuery I')
  const answered = (): boolean => over || received.subarray(-ready.length).equals(ready)
  await until(answered, 10_000, { everyMs: 1 })
  let asked = 0
  while (!stop()) {
    received = Buffer.alloc(0)
    socket.write(frontendBytes(`Query "echo ${asked}"`))
    await until(answered, 10_000, { everyMs: 1, what: 'an answer' })
    expect(received.toString('latin1')).toContain(`echo ${asked} ()`)
    asked++
  }
  socket.end(frontend.terminate())
  return asked
}

it('strangers disturb nobody and leave nothing behind', async () => {
  const seed = Number(process.env.FUZZ_SEED ?? 2_082_117_612)
  const random = randomOf(seed)
  const kinds = Object.entries(RUDENESS)
  let over = false
  const polite = [behave(() => over), behave(() => over)]
  let met = 0
  while (met < STRANGERS) {
    const group = Array.from({ length: AT_ONCE }, () => kinds[met++ % kinds.length]![1])
    await Promise.all(group.map((make) => beRude(make, random)))
  }
  over = true
  const asked = (await Promise.all(polite)).reduce((sum, n) => sum + n, 0)
  expect(asked).toBeGreaterThan(STRANGERS / 20)
  // Whoever was silent is shown out by the login timeout; nothing stays.
  const rest = (): string => {
    const { clients, pools } = app.snapshot()
    const busy = pools.reduce((sum, p) => sum + p.total - p.idle + p.waiting, 0)
    return `${clients.total} clients, ${busy} server connections busy`
  }
  await until(() => rest() === '0 clients, 0 server connections busy', 10_000).catch(() => {})
  expect(rest()).toBe('0 clients, 0 server connections busy')
  expect(node.committed).not.toContain('insert rude ()')
  expect(await behave(once())).toBe(1)
  console.log(`hostile fuzz: seed ${seed}, ${met} strangers, ${asked} questions answered meanwhile`)
})

function once(): () => boolean {
  let asked = 0
  return () => asked++ > 0
}
