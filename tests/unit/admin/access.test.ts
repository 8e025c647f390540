/** Roles over HTTP: each route with nobody, a viewer and an operator, what may be open, what is audited. */
import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { type Admin, type AdminOptions, startAdmin } from '../../../src/admin/http.ts'
import type { AdminCommands } from '../../../src/admin/orders.ts'
import { AdminUsers } from '../../../src/admin/users.ts'
import type { Audit, AuditEvent } from '../../../src/core/audit.ts'
import { WeirError } from '../../../src/core/errors.ts'
import { silentLog } from '../../../src/core/log.ts'
import { exampleStatus, PAUSE } from './example.ts'

const VIEW = 'view-token-of-at-least-24-characters'
const OPERATE = 'operate-token-of-at-least-24-characters'
const hash = (token: string): string => `sha256:${createHash('sha256').update(token).digest('hex')}`

const COMMANDS: AdminCommands = {
  pause: async (order) => {
    if (order.node === 'gone') throw new WeirError('WEIR_NO_SUCH_TARGET', 'there is no node gone')
    return { ...PAUSE, waitedMs: 0, inTheWay: [] }
  },
  resume: () => ({ ended: [] }),
  writer: async () => ({ name: 'node-1', timeline: 1, at: 1 }),
}

let admin: Admin | undefined
let told: AuditEvent[] = []
let refusals: string[] = []
afterEach(async () => {
  await admin?.close()
  admin = undefined
})

async function start(some: Partial<AdminOptions> = {}): Promise<void> {
  told = []
  refusals = []
  const audit: Audit = { tell: (event) => told.push(event), wants: () => true, closed: undefined }
  const users = new AdminUsers(
    [
      { name: 'viewer', role: 'view', token: hash(VIEW) },
      { name: 'operator', role: 'operate', token: hash(OPERATE) },
    ],
    () => 0,
  )
  admin = await startAdmin({
    host: '127.0.0.1',
    port: 0,
    users,
    audit,
    refused: (reason) => refusals.push(reason),
    snapshot: () => exampleStatus(),
    clients: () => [],
    metrics: async () => '',
    ready: () => ({ ready: true, why: '' }),
    commands: COMMANDS,
    log: silentLog,
    ...some,
  })
}

function ask(
  method: 'GET' | 'POST' | 'HEAD',
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body = '{}',
): Promise<{ status: number; body: string; headers: Readonly<Record<string, unknown>> }> {
  const json = { 'content-type': 'application/json', 'content-length': String(body.length) }
  const all = { ...(method === 'POST' ? json : {}), ...headers }
  return new Promise((resolve, reject) => {
    const { port } = admin!
    const sent = request({ host: '127.0.0.1', port, path, method, headers: all, agent: false })
    sent.on('error', reject).on('response', (reply) => {
      let text = ''
      reply.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      reply.on('end', () =>
        resolve({ status: reply.statusCode ?? 0, body: text, headers: reply.headers }),
      )
    })
    sent.end(method === 'POST' ? body : undefined)
  })
}

const as = (token: string) => ({ authorization: `Bearer ${token}` })

const READS = ['/', '/tables', '/status', '/clients', '/writer', '/metrics', '/healthz', '/readyz']
const ORDERS = ['/pause', '/resume']

test('every route needs a user, and each order one who may operate', async () => {
  await start()
  for (const path of [...READS, '/nope', '/%73tatus', '//status', '/status/']) {
    expect((await ask('GET', path)).status, path).toBe(401)
    expect((await ask('HEAD', path)).status, path).toBe(401)
  }
  for (const path of READS) {
    expect((await ask('GET', path, as(VIEW))).status, path).toBe(200)
    expect((await ask('GET', path, as(OPERATE))).status, path).toBe(200)
  }
  for (const path of ORDERS) {
    expect((await ask('POST', path)).status, path).toBe(401)
    expect((await ask('POST', path, as(VIEW))).status, path).toBe(403)
    expect((await ask('POST', path, as(OPERATE))).status, path).toBe(200)
    // However it is written, it is the same route.
    const other = path.replace('e', '%65')
    expect((await ask('POST', other, as(VIEW))).status, other).toBe(403)
    expect((await ask('POST', `${path}?a=1`, as(VIEW))).status).toBe(403)
  }
  expect((await ask('GET', '/nope', as(VIEW))).status).toBe(404)
})

test('a browser is asked for a password, and no answer may be kept or framed', async () => {
  await start()
  const { headers } = await ask('GET', '/')
  expect(headers).toMatchObject({
    'www-authenticate': 'Basic realm="Weir", charset="UTF-8"',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
  })
  expect(headers['content-security-policy']).toContain("frame-ancestors 'none'")
  expect(headers['set-cookie']).toBeUndefined()
})

test('what is open is open to all, and nothing else is', async () => {
  await start({ open: ['healthz', 'metrics'] })
  for (const path of READS) {
    const open = path === '/healthz' || path === '/metrics'
    expect((await ask('GET', path)).status, path).toBe(open ? 200 : 401)
  }
  expect((await ask('POST', '/pause')).status).toBe(401)
})

test('pages of other sites are answered nothing, though the browser knows a password', async () => {
  await start()
  for (const site of ['cross-site', 'same-site']) {
    const headers = { ...as(OPERATE), 'sec-fetch-site': site, 'sec-fetch-mode': 'no-cors' }
    expect((await ask('GET', '/status', headers)).status, site).toBe(403)
    expect((await ask('POST', '/pause', headers)).status, site).toBe(403)
  }
  const own = { ...as(OPERATE), 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }
  expect((await ask('GET', '/tables', own)).status).toBe(200)
  expect((await ask('POST', '/pause', own)).status).toBe(403)
  const link = { ...as(VIEW), 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }
  expect((await ask('GET', '/', link)).status).toBe(200)
  expect((await ask('POST', '/pause', { ...as(OPERATE), origin: 'null' })).status).toBe(403)
})

test('wrong tokens are counted, and soon answered with a wait', async () => {
  await start()
  const wrong = as('wrong-token-of-at-least-24-characters')
  const said: number[] = []
  for (let i = 0; i < 7; i++) said.push((await ask('GET', '/status', wrong)).status)
  expect(said).toEqual([401, 401, 401, 401, 401, 429, 429])
  expect((await ask('GET', '/status', wrong)).headers['retry-after']).toBe('1')
  expect(refusals.filter((reason) => reason === 'wrong-password')).toHaveLength(5)
})

test('orders are audited with who gave them, what was ordered and what came of it', async () => {
  await start()
  await ask('POST', '/pause', as(OPERATE), '{"node":"node-1"}')
  await ask('POST', '/pause', as(OPERATE), '{"node":"gone"}')
  await ask('POST', '/pause', as(OPERATE), '{"nod":1}')
  await ask('POST', '/resume', as(OPERATE))
  await ask('POST', '/resume', as(VIEW))
  await ask('GET', '/status', as(VIEW))
  await ask('GET', '/status')
  await ask('GET', '/status', as('wrong-token-of-at-least-24-characters'))
  const source = { address: '127.0.0.1', port: expect.any(Number) }
  const common = { kind: 'command', source }
  expect(told).toEqual([
    {
      ...{ ...common, command: 'pause', user: 'operator', outcome: 'done' },
      order: { node: 'node-1', endpoint: undefined, follow: false, forMs: 30_000, waitMs: 0 },
      answer: 'node node-1 paused, 3 still lent',
    },
    expect.objectContaining({ outcome: 'failed', answer: 'there is no node gone' }),
    expect.objectContaining({ outcome: 'failed', order: undefined }),
    expect.objectContaining({ command: 'resume', outcome: 'done', answer: 'nothing was paused' }),
    expect.objectContaining({ command: 'resume', outcome: 'refused', user: 'viewer' }),
    expect.objectContaining({ command: 'status', outcome: 'refused', user: undefined }),
  ])
  expect(JSON.stringify(told)).not.toContain('24-characters')
})

test('no order is taken while it could not be written down and must be', async () => {
  const closed = new WeirError('WEIR_AUDIT', 'the audit log cannot be written')
  await start({ audit: { tell: () => {}, wants: () => true, closed } })
  expect(await ask('POST', '/pause', as(OPERATE))).toMatchObject({
    status: 503,
    body: 'the audit log cannot be written\n',
  })
  expect((await ask('GET', '/status', as(VIEW))).status).toBe(200)
})
