/**
 * Raw bytes at the admin port: requests with odd methods, paths, hosts, credentials, lengths and
 * bodies, two in a row, damaged, cut. What a case shows of credentials is written in it, so an order
 * carried out, or a page shown, without them is found at once.
 */
import net from 'node:net'
import { type Admin, startAdmin } from '../../../src/admin/http.ts'
import { AdminUsers } from '../../../src/admin/users.ts'
import { deriveKeys, formatVerifier } from '../../../src/auth/scram-keys.ts'
import { silentLog } from '../../../src/core/log.ts'
import type { Target } from '../../support/fuzz.ts'
import { Draw, tamper } from '../../support/fuzz-draw.ts'
import { exampleStatus } from '../../unit/admin/example.ts'

const VIEW_TOKEN = 'only-to-look-0123456789abcdef'
const OPERATE_TOKEN = 'to-give-orders-0123456789abcdef'
const PASSWORD = 'correct-horse'
const SALT = Buffer.from('sixteen bytes ok')

type Shows = 'nothing' | 'view' | 'operate' | 'operate-password' | 'wrong' | 'junk'

interface Request {
  method: string
  path: string
  version: string
  hosts: string[]
  shows: Shows
  headers: [string, string][]
  length: 'right' | 'none' | 'short' | 'long' | 'two' | 'chunked' | 'both'
  body: string
}

interface Case {
  requests: Request[]
  damage: number[] | undefined
}

/** Nodes that orders named: each case names one of its own, since an order may outlive its connection. */
const ordered: (string | undefined)[] = []
let cases = 0
let admin: Admin | undefined
let now = 0

async function started(): Promise<Admin> {
  const keys = await deriveKeys(PASSWORD, SALT, 4096)
  const verifier = formatVerifier({ ...keys, salt: SALT, iterations: 4096 })
  admin ??= await startAdmin({
    host: '127.0.0.1',
    port: 0,
    users: new AdminUsers(
      [
        { name: 'viewer', role: 'view', token: VIEW_TOKEN },
        { name: 'boss', role: 'operate', token: OPERATE_TOKEN },
        { name: 'chief', role: 'operate', password: verifier },
      ],
      // So late that every wrong try before is forgotten.
      () => {
        now += 3_600_000
        return now
      },
    ),
    open: ['healthz'],
    snapshot: () => exampleStatus(),
    clients: () => [],
    metrics: async () => '# HELP x y\n',
    ready: () => ({ ready: true, why: 'node-1 is the writer' }),
    commands: {
      pause: async ({ node }) => {
        ordered.push(node)
        return {} as never
      },
      resume: ({ node }) => {
        ordered.push(node)
        return { ended: [] }
      },
      writer: async () => null,
    },
    log: silentLog,
  })
  return admin
}

const PATHS = [
  ...['/pause', '/resume', '/status', '/', '/tables', '/clients', '/writer', '/metrics', '/readyz'],
  ...['/healthz', '/healthz/../pause', '/healthz/%2e%2e/pause', '//pause', '/PAUSE', '/pause/'],
  ...['/%70ause', '/pause?x=1', '/pause;x', 'http://evil/pause', '*', '/healthz?/pause', '/\0'],
  ...['/status#', '/writer?withinMs=1e99', '/writer?withinMs=-1', '/writer?not=__proto__', ''],
  ...[`/${'a'.repeat(9_000)}`, '/%', '/%ff', '/..%2fetc/passwd', '/constructor', '/__proto__'],
]

function makeRequest(draw: Draw): Request {
  return {
    method: draw.pick([
      'POST',
      'GET',
      'HEAD',
      'PUT',
      'OPTIONS',
      'CONNECT',
      'TRACE',
      'post',
      'PRI',
      '',
    ]),
    path: draw.maybe(10) ? draw.text(8, ['/', '..', '%', 'pause']) : draw.pick(PATHS),
    version: draw.pick(['HTTP/1.1', 'HTTP/1.0', 'HTTP/1.1', 'HTTP/2.0', 'HTTP/9', '']),
    hosts: draw.pick([
      ['here'],
      ['evil.example'],
      [],
      ['here', 'evil.example'],
      ['localhost'],
      ['[::1]'],
    ]),
    shows: draw.pick(['nothing', 'view', 'operate', 'operate-password', 'wrong', 'junk']),
    headers: draw.list(4, () =>
      draw.pick<[string, string]>([
        ['Content-Type', 'application/json'],
        ['Content-Type', 'text/plain'],
        ['Origin', 'http://evil.example'],
        ['Sec-Fetch-Site', 'cross-site'],
        ['Sec-Fetch-Mode', 'navigate'],
        ['X-HTTP-Method-Override', 'POST'],
        ['X-Forwarded-For', '127.0.0.1'],
        ['Expect', '100-continue'],
        ['Connection', 'Upgrade'],
        ['Upgrade', 'websocket'],
        ['Cookie', 'a=b'],
        ['Content-Encoding', 'gzip'],
        ['X', 'y'.repeat(20_000)],
      ]),
    ),
    length: draw.pick(['right', 'none', 'short', 'long', 'two', 'chunked', 'both']),
    body: draw.pick([
      ...['{}', '{"node":"node-1"}', '{"node":"a","endpoint":"b"}', '[]', 'null', '', '{'],
      ...[
        '{"__proto__":{"follow":true}}',
        '{"forMs":1e999}',
        '{"forMs":-1}',
        '{"x":1}',
        '"\\u0000"',
      ],
      ...['{"node":"a","node":"b"}', `{"node":"${'n'.repeat(2_000)}"}`, '{"forMs":"1"}', '1'],
    ]),
  }
}

/** An order as it should be given. */
function order(draw: Draw): Request {
  const one = makeRequest(draw)
  const right = { method: 'POST', path: draw.pick(['/pause', '/resume']), version: 'HTTP/1.1' }
  const headers: [string, string][] = [['Content-Type', 'application/json']]
  return { ...one, ...right, headers, hosts: ['here'], length: 'right', body: '{}' }
}

function make(draw: Draw): Case {
  const requests = [draw.maybe(40) ? order(draw) : makeRequest(draw)]
  if (draw.maybe(20)) requests.push(draw.maybe(50) ? order(draw) : makeRequest(draw))
  const damage = draw.maybe(15)
    ? [draw.number(), draw.number(), draw.number(), draw.number(), draw.number()]
    : undefined
  return { requests, damage }
}

function credentials(shows: Shows): string | undefined {
  switch (shows) {
    case 'nothing':
      return undefined
    case 'view':
      return `Bearer ${VIEW_TOKEN}`
    case 'operate':
      return `Bearer ${OPERATE_TOKEN}`
    case 'operate-password':
      return `Basic ${Buffer.from(`chief:${PASSWORD}`).toString('base64')}`
    case 'wrong':
      return `Basic ${Buffer.from('boss:guess').toString('base64')}`
    case 'junk':
      return 'Bearer'
  }
}

function bytesOf(request: Request, port: number, node: string): string {
  const { method, path, version, hosts, shows, headers, length } = request
  const body = request.body === '{}' ? JSON.stringify({ node }) : request.body
  const lines = [`${method} ${path} ${version}`]
  for (const host of hosts) lines.push(`Host: ${host === 'here' ? `127.0.0.1:${port}` : host}`)
  const authorization = credentials(shows)
  if (authorization !== undefined) lines.push(`Authorization: ${authorization}`)
  for (const [name, value] of headers) lines.push(`${name}: ${value}`)
  const size = Buffer.byteLength(body)
  if (length === 'right' || length === 'two' || length === 'both')
    lines.push(`Content-Length: ${size}`)
  if (length === 'two') lines.push(`Content-Length: ${size + 1}`)
  if (length === 'short') lines.push(`Content-Length: ${Math.max(0, size - 1)}`)
  if (length === 'long') lines.push(`Content-Length: ${size + 5}`)
  const chunked = length === 'chunked' || length === 'both'
  if (chunked) lines.push('Transfer-Encoding: chunked')
  const sent = chunked ? `${size.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body
  return `${lines.join('\r\n')}\r\n\r\n${sent}`
}

/** All that the port answers to `bytes`, until it closes. */
function answerTo(bytes: Buffer, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1')
    const parts: Buffer[] = []
    const over = () => resolve(Buffer.concat(parts).toString('latin1'))
    socket.setTimeout(20_000, () => {
      socket.destroy()
      reject(new Error('neither answered nor closed'))
    })
    socket.on('data', (part: Buffer) => parts.push(part))
    // Cut off for what it sent: that is an answer too.
    socket.on('error', () => {})
    socket.on('close', over)
    socket.end(bytes)
  })
}

async function check({ requests, damage }: Case): Promise<string> {
  const { port } = await started()
  const node = `case-${cases++}`
  const plain = Buffer.from(
    requests.map((request) => bytesOf(request, port, node)).join(''),
    'latin1',
  )
  const bytes = damage === undefined ? plain : tamper(new Draw(damage), plain)
  const answer = await answerTo(bytes, port)
  const given = ordered.filter((named) => named === node).length
  const mayOrder = requests.some(({ shows }) => shows.startsWith('operate'))
  const mayLook = mayOrder || requests.some(({ shows }) => shows === 'view')
  if (given > 0 && !mayOrder) throw new Error('an order was carried out for nobody')
  if (given > requests.length) throw new Error(`${given} orders of ${requests.length} requests`)
  const statuses = [...answer.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) =>
    Number(status),
  )
  if (answer !== '' && !answer.startsWith('HTTP/1.1 ')) throw new Error('no HTTP was answered')
  if (statuses.includes(500)) throw new Error('it failed inside')
  for (const secret of [VIEW_TOKEN, OPERATE_TOKEN, PASSWORD, 'SCRAM-SHA-256']) {
    if (answer.includes(secret)) throw new Error('a secret was told')
  }
  if (!mayLook && /node-1|<html|# HELP/i.test(answer)) throw new Error('shown to nobody')
  const hosts = requests.flatMap((request) => request.hosts)
  if (damage === undefined && hosts.every((host) => host === 'evil.example') && given > 0) {
    throw new Error('an order under the name of a stranger')
  }
  if (damage === undefined && requests.length === 1) {
    const [{ headers }] = requests as [Request]
    const foreign = headers.some(
      ([, value]) => value === 'cross-site' || value.startsWith('http://evil'),
    )
    if (foreign && given > 0) throw new Error("an order of another site's page")
  }
  return `${statuses.slice(0, 2).join(' ')}${given > 0 ? ', ordered' : ''}`
}

export const adminHttp: Target<Case> = {
  name: 'admin-http',
  promise:
    'nobody gives orders or looks without credentials, and whatever comes is answered or closed',
  runs: 800,
  make,
  check,
  close: async () => {
    await admin?.close()
    admin = undefined
  },
}
