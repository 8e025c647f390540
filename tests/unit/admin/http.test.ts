import { createServer, type IncomingMessage, request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { type Admin, type AdminOptions, startAdmin } from '../../../src/admin/http.ts'
import type { AdminCommands } from '../../../src/admin/orders.ts'
import { silentLog } from '../../../src/core/log.ts'
import { exampleStatus } from './example.ts'

const NO_COMMANDS: AdminCommands = {
  pause: () => Promise.reject(new Error('nobody pauses here')),
  resume: () => ({ ended: [] }),
  writer: async () => null,
}

let admin: Admin | undefined
afterEach(async () => {
  await admin?.close()
  admin = undefined
})

async function start(some: Partial<AdminOptions> = {}): Promise<Admin> {
  admin = await startAdmin({
    host: '127.0.0.1',
    port: 0,
    snapshot: () => exampleStatus(),
    clients: () => [],
    metrics: async () => '# HELP x y\n',
    ready: () => ({ ready: true, why: 'node-1 is the writer' }),
    commands: NO_COMMANDS,
    log: silentLog,
    ...some,
  })
  return admin
}

interface Answer {
  status: number
  headers: IncomingMessage['headers']
  body: string
}

function ask(path: string, options: { method?: string; host?: string } = {}): Promise<Answer> {
  const port = admin?.port
  const headers = { host: options.host ?? `127.0.0.1:${port}` }
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method: options.method, headers })
    sent.on('error', reject).on('response', (reply) => {
      let body = ''
      reply.setEncoding('utf8').on('data', (part: string) => {
        body += part
      })
      reply.on('end', () =>
        resolve({ status: reply.statusCode ?? 0, headers: reply.headers, body }),
      )
    })
    sent.end()
  })
}

describe('the admin port', () => {
  test('gives the status as JSON, nodes with all that programs rely on', async () => {
    await start()
    const { status, headers, body } = await ask('/status')
    expect(status).toBe(200)
    expect(headers['content-type']).toContain('application/json')
    const got = JSON.parse(body)
    expect(got).toEqual(exampleStatus())
    expect(Object.keys(got.nodes[2])).toEqual(
      expect.arrayContaining(['name', 'host', 'port', 'role', 'health', 'lagMs', 'timeline']),
    )
  })

  test('lists clients', async () => {
    const one = {
      id: 7,
      endpoint: 'writer',
      user: 'weir',
      database: 'app',
      state: 'waiting',
      node: null,
      pins: ['temporary-table'],
      channels: ['jobs'],
      waitedMs: 12,
    }
    await start({ clients: () => [one] })
    expect(JSON.parse((await ask('/clients')).body)).toEqual({ clients: [one] })
  })

  test('hands out the metrics text with the content type Prometheus expects', async () => {
    await start()
    const { headers, body } = await ask('/metrics')
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(body).toBe('# HELP x y\n')
  })

  test('is alive while not ready, and says why it is not', async () => {
    let ready = false
    await start({ ready: () => ({ ready, why: ready ? 'ready' : 'no writer is known yet' }) })
    expect((await ask('/healthz')).status).toBe(200)
    expect(await ask('/readyz')).toMatchObject({ status: 503, body: 'no writer is known yet\n' })
    ready = true
    expect((await ask('/readyz')).status).toBe(200)
  })

  test('shows a page that needs nothing from elsewhere and that its own policy lets run', async () => {
    await start()
    const { headers, body } = await ask('/')
    expect(headers['content-type']).toContain('text/html')
    expect(body).not.toMatch(/(?:src|href)="?(?:https?:)?\/\//)
    expect(headers['content-security-policy']).toContain("default-src 'none'")
    const script = /<script>([\s\S]*)<\/script>/.exec(body)?.[1] ?? ''
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(script))
    expect(headers['content-security-policy']).toContain(
      `'sha256-${Buffer.from(digest).toString('base64')}'`,
    )
  })

  test('only reads: anything but GET is refused', async () => {
    await start()
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      expect((await ask('/status', { method })).status, method).toBe(405)
    }
  })

  test('gives no other origin leave to read it', async () => {
    await start()
    const { headers } = await ask('/status')
    expect(headers['access-control-allow-origin']).toBeUndefined()
  })

  test('refuses a host name that a stranger could have pointed here', async () => {
    await start()
    for (const host of [
      'evil.example',
      'evil.example:6480',
      '127.0.0.1.evil.example',
      '10.9.8.7',
    ]) {
      expect(await ask('/status', { host }), host).toMatchObject({ status: 403 })
    }
    expect((await ask('/status', { host: `localhost:${admin?.port}` })).status).toBe(200)
  })

  test('answers to names it was given', async () => {
    await start({ names: ['weir.internal'] })
    expect((await ask('/status', { host: 'Weir.Internal:6480' })).status).toBe(200)
  })

  test('says where to look when asked for what is not there', async () => {
    await start()
    expect(await ask('/nope')).toMatchObject({
      status: 404,
      body: expect.stringContaining('/status'),
    })
  })

  test('keeps its own errors to the log', async () => {
    const logged: object[] = []
    const log = { ...silentLog, error: (fields: object) => logged.push(fields) }
    await start({
      log,
      snapshot: () => {
        throw new Error('password=hunter2')
      },
    })
    const { status, body } = await ask('/status')
    expect(status).toBe(500)
    expect(body).not.toContain('hunter2')
    expect(logged).toEqual([{ url: '/status', error: 'password=hunter2' }])
  })

  test('names port and setting when the port is taken', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    try {
      await expect(start({ port })).rejects.toMatchObject({
        code: 'WEIR_PORT_TAKEN',
        message: `port ${port} on 127.0.0.1 is taken by another program (setting admin.port)`,
      })
    } finally {
      other.close()
    }
  })

  test('names the setting when the address is not of this machine', async () => {
    await expect(start({ host: '192.0.2.1' })).rejects.toMatchObject({
      code: 'WEIR_CANNOT_LISTEN',
      message: expect.stringContaining('admin.host'),
    })
  })

  test('closes although somebody keeps a connection open in the middle of a request', async () => {
    const { port, address } = await start()
    const slow = connect(port, '127.0.0.1')
    slow.on('error', () => {})
    await new Promise<void>((resolve) => slow.write('GET /status HTTP/1.1\r\n', () => resolve()))
    await (await fetch(`${address}/healthz`)).text()
    await admin?.close()
    await expect(fetch(`${address}/healthz`)).rejects.toThrow()
  })
})
