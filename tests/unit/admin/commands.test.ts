/** Commands over HTTP: what is an order, who may give one, and what a web page may not. */
import { request } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isLocal } from '../../../src/admin/access.ts'
import { type Admin, startAdmin } from '../../../src/admin/http.ts'
import type { AdminCommands, PauseAnswer } from '../../../src/admin/orders.ts'
import { AdminClient } from '../../../src/cli/admin-client.ts'
import { WeirError } from '../../../src/core/errors.ts'
import { silentLog } from '../../../src/core/log.ts'
import { exampleStatus } from './example.ts'

const ANSWER: PauseAnswer = {
  what: 'node node-1',
  node: 'node-1',
  endpoint: null,
  since: 1_000.5,
  until: 31_000.5,
  lent: 0,
  waiting: 0,
  mostWaiting: 2,
  waitedMs: 3.25,
  inTheWay: [],
}

let admin: Admin
let orders: unknown[]

beforeEach(async () => {
  orders = []
  const commands: AdminCommands = {
    pause: async (order) => {
      orders.push(order)
      if (order.node === 'node-9') {
        throw new WeirError('WEIR_NO_SUCH_TARGET', 'there is no node node-9; there are node-1')
      }
      return ANSWER
    },
    resume: (target) => {
      orders.push(target)
      return { ended: [ANSWER] }
    },
    writer: async (than, withinMs) => {
      orders.push({ than, withinMs })
      return than.not === 'node-1' ? null : { name: 'node-1', timeline: 3, at: 5.5 }
    },
  }
  admin = await startAdmin({
    host: '127.0.0.1',
    port: 0,
    snapshot: () => exampleStatus(),
    clients: () => [],
    metrics: async () => '',
    ready: () => ({ ready: true, why: '' }),
    commands,
    log: silentLog,
  })
})

afterEach(() => admin.close())

function post(
  path: string,
  body: string,
  headers: Record<string, string> = { 'content-type': 'application/json' },
  method = 'POST',
): Promise<{ status: number; body: string }> {
  const { port } = admin
  return new Promise((resolve, reject) => {
    // Node itself says no length of a DELETE, and what follows would be another request.
    const all = { ...headers, 'content-length': String(Buffer.byteLength(body)) }
    const sent = request({ host: '127.0.0.1', port, path, method, headers: all })
    sent.on('error', reject).on('response', (reply) => {
      let text = ''
      reply.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, body: text }))
    })
    sent.end(body)
  })
}

describe('a command over HTTP', () => {
  test('is an order with defaults that do little harm', async () => {
    const { status, body } = await post('/pause', '{"node":"node-1"}')
    expect([status, JSON.parse(body)]).toEqual([200, ANSWER])
    await post('/pause', '{"endpoint":"writer","forMs":60000,"waitMs":10}')
    await post('/resume', '{}')
    expect(orders).toEqual([
      { node: 'node-1', endpoint: undefined, follow: false, forMs: 30_000, waitMs: 0 },
      { node: undefined, endpoint: 'writer', follow: false, forMs: 60_000, waitMs: 10 },
      { node: undefined, endpoint: undefined },
    ])
  })

  test('that is mistaken does nothing: unknown fields, both targets, no object, no number', async () => {
    const bad = [
      '{"nod":"node-1"}',
      '{"node":"a","endpoint":"b"}',
      '[]',
      'null',
      '"node-1"',
      '{"forMs":0}',
      '{"forMs":"30s"}',
      '{"forMs":3600001}',
      '{"waitMs":-1}',
      '{"node":""}',
      '{"node":1}',
      '{"follow":1}',
      '{',
      '',
    ]
    for (const body of bad) expect((await post('/pause', body)).status, body).toBe(400)
    expect((await post('/resume', '{"forMs":1}')).status).toBe(400)
    expect(orders).toEqual([])
  })

  test('for what is not there ends in 404 and a sentence', async () => {
    const { status, body } = await post('/pause', '{"node":"node-9"}')
    expect([status, body]).toEqual([404, 'there is no node node-9; there are node-1\n'])
  })

  test('is not taken from a web page, nor from a form, nor under a strange host name', async () => {
    const json = { 'content-type': 'application/json' }
    const refused: Record<string, string>[] = [
      { ...json, origin: 'http://evil.example' },
      // Even our own page has no business with it.
      { ...json, origin: admin.address },
      // Browsers say where a request comes from, be it from our own page.
      { ...json, 'sec-fetch-site': 'cross-site' },
      { ...json, 'sec-fetch-site': 'same-origin' },
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/x-www-form-urlencoded' },
      {},
      { ...json, host: 'evil.example' },
    ]
    for (const headers of refused) {
      expect((await post('/pause', '{}', headers)).status, JSON.stringify(headers)).toBe(403)
    }
    // The question a browser would ask first.
    expect((await post('/pause', '', { origin: 'http://evil.example' }, 'OPTIONS')).status).toBe(
      405,
    )
    for (const method of ['PUT', 'DELETE', 'PATCH']) {
      expect((await post('/pause', '{}', json, method)).status, method).toBe(405)
    }
    expect((await post('/status', '{}')).status).toBe(405)
    expect((await post('/pause', '', {}, 'GET')).status).toBe(404)
    expect(orders).toEqual([])
  })

  test('without users is taken from this machine alone', () => {
    for (const near of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1']) {
      expect(isLocal(near), near).toBe(true)
    }
    for (const far of ['10.0.0.5', '::ffff:10.0.0.5', 'fe80::1', '', undefined]) {
      expect(isLocal(far), String(far)).toBe(false)
    }
  })
})

describe('the client of the command line', () => {
  test('gives orders and reads answers', async () => {
    const client = new AdminClient(admin.address)
    expect(await client.pause({ node: 'node-1', forMs: 5_000, waitMs: 0 })).toEqual(ANSWER)
    expect(await client.resume({ node: 'node-1' })).toEqual({ ended: [ANSWER] })
    expect(await client.writer({}, 0)).toEqual({ name: 'node-1', timeline: 3, at: 5.5 })
    expect(await client.writer({ not: 'node-1', timeline: 2 }, 0)).toBeUndefined()
    expect(orders.at(-1)).toEqual({ than: { not: 'node-1', timeline: 2 }, withinMs: 0 })
  })

  test('says in words of Weir what is wrong with an order, and whom it did not find', async () => {
    const client = new AdminClient(admin.address)
    await expect(client.pause({ node: 'node-9' })).rejects.toMatchObject({
      code: 'WEIR_BAD_ORDER',
      message: 'there is no node node-9; there are node-1',
    })
    await expect(client.pause({ forMs: -1 })).rejects.toMatchObject({ code: 'WEIR_BAD_ORDER' })
    const { address } = admin
    await admin.close()
    await expect(new AdminClient(address).resume({})).rejects.toMatchObject({
      code: 'WEIR_NO_ADMIN',
      message: expect.stringContaining('nothing answers at http'),
    })
    expect(() => new AdminClient('http://:x')).toThrow('--admin http://:x is not an address')
  })
})
