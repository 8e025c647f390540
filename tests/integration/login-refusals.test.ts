/** Who is turned away at the door: told why in words a client knows, counted, nobody else disturbed. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import {
  cancelRequest,
  gssEncRequest,
  query,
  sslRequest,
  startupMessage,
} from '../../src/wire/postgres/frontend.ts'
import { readErrorFields } from '../../src/wire/postgres/read.ts'
import { type Client, connect, endClients, failure, one } from '../support/clients.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'
import { dial, exchange, PROTOCOL_3, RawSession } from '../support/raw-session.ts'
import { type Series, scrape, sumOf } from '../support/scrape.ts'

let house: House
let front: Front
let bystander: Client
let before: Series

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  front = await startFront(house, {
    config: { limits: { loginTimeout: '5s' } },
    // A role without a secret's counterpart on the node, and a secret without a role.
    users: [{ username: 'ghost', password: 'boo' }],
    admin: true,
  })
})

beforeEach(async () => {
  bystander = await connect(front.url())
  before = await scrape(front.adminPort)
})

afterEach(async () => {
  // Whatever happened at the door, who is inside goes on.
  expect(await one(bystander, 'select 1')).toBe(1)
  endClients()
})

afterAll(async () => {
  endClients()
  await front?.end()
  await house?.end()
})

const REFUSED = 'weir_client_connections_refused_total'
const FAILED_AUTH = 'weir_client_connections_setup_failed_auth_total'

async function counted(name: string, labels: Record<string, string>, times = 1): Promise<void> {
  const by = async () =>
    sumOf(await scrape(front.adminPort), name, labels) - sumOf(before, name, labels)
  await until(async () => (await by()) >= times, 10_000, {
    what: `${name} ${JSON.stringify(labels)} to grow by ${times}`,
  })
  expect(await by()).toBe(times)
}

const port = () => front.port('writer')
const errorOf = (answer: Buffer) => {
  expect(answer.toString('latin1', 0, 1)).toBe('E')
  return readErrorFields(answer.subarray(5))
}
const startup = (params: Record<string, string>, version = PROTOCOL_3) =>
  startupMessage(version, Object.entries(params))
const urlOf = (user: string, password: string) =>
  `postgres://${user}:${password}@127.0.0.1:${port()}/app`

describe('The door refuses', () => {
  it('a wrong password and an unknown user with the same words', async () => {
    const wrong = await failure(connect(urlOf('weir', 'wrong')))
    const unknown = await failure(connect(urlOf('nobody', 'wrong')))
    expect(wrong).toMatchObject({
      severity: 'FATAL',
      code: '28P01',
      message: 'password authentication failed for user "weir"',
    })
    expect({ ...unknown, length: 0, message: unknown.message }).toEqual({
      ...wrong,
      length: 0,
      message: wrong.message.replace('weir', 'nobody'),
    })
    await counted(REFUSED, { reason: 'auth-failed', endpoint: 'writer' }, 2)
    await counted(FAILED_AUTH, { endpoint: 'writer' }, 2)
  })

  it('a database that does not exist and a user the node does not know, as the node says it', async () => {
    const database = await failure(connect(front.url().replace(/app$/, 'nowhere')))
    expect(database).toMatchObject({
      code: '3D000',
      message: 'database "nowhere" does not exist',
    })
    const role = await failure(connect(front.url('writer', 'ghost')))
    expect(role.code).toBe('28P01')
    await counted(REFUSED, { reason: 'no-server' }, 2)
  })

  it('a web browser in its own language', async () => {
    const answer = await fetch(`http://127.0.0.1:${port()}/`)
    expect(answer.status).toBe(400)
    expect(await answer.text()).toContain('This is a Postgres port; it does not speak HTTP.')
    await counted(REFUSED, { reason: 'http' })
  })

  it('junk with a protocol error', async () => {
    const answer = await exchange(port(), Buffer.from('\x00\x00\x00\x04what is this'))
    expect(errorOf(answer)).toMatchObject({
      severity: 'FATAL',
      code: '08P01',
      message: 'invalid length of startup packet',
    })
    await counted(REFUSED, { reason: 'junk' })
  })

  it('a startup packet longer than Postgres takes, without reading it', async () => {
    const head = Buffer.alloc(8)
    head.writeInt32BE(10_001)
    head.writeInt32BE(PROTOCOL_3, 4)
    const answer = await exchange(port(), head)
    expect(errorOf(answer).code).toBe('08P01')
    await counted(REFUSED, { reason: 'startup-too-long' })
  })

  it('protocol 2', async () => {
    const answer = await exchange(port(), startup({ user: 'weir' }, 0x0002_0000))
    expect(errorOf(answer)).toMatchObject({
      code: '0A000',
      message: 'unsupported frontend protocol 2.0: server supports 3.0 to 3.2',
    })
    await counted(REFUSED, { reason: 'unsupported-protocol' })
  })

  it('a startup packet without a user', async () => {
    const answer = await exchange(port(), startup({ database: 'app' }))
    expect(errorOf(answer)).toMatchObject({
      code: '28000',
      message: 'no PostgreSQL user name specified in startup packet',
    })
    await counted(REFUSED, { reason: 'no-user' })
  })

  it('a query before the login is over', async () => {
    const raw = new RawSession(await dial(port()))
    raw.send(startup({ user: 'weir', database: 'app' }))
    await raw.take('R')
    raw.send(query('select 1'))
    expect((await raw.error()).code).toBe('08P01')
    await until(() => raw.closed, 10_000)
    await counted(REFUSED, { reason: 'login-message' })
  })

  it('a client that takes too long', async () => {
    const config = { limits: { loginTimeout: '400ms' } }
    const hasty = await startFront(house, { config, admin: true })
    try {
      const began = performance.now()
      const silent = await exchange(hasty.port('writer'), Buffer.alloc(0))
      expect(errorOf(silent).message).toBe('canceling authentication due to timeout')
      expect(performance.now() - began).toBeGreaterThan(350)
      const refused = async () =>
        sumOf(await scrape(hasty.adminPort), REFUSED, { reason: 'login-timeout' })
      await until(async () => (await refused()) === 1, 10_000)
    } finally {
      await hasty.end()
    }
  })

  it('more clients than limits.maxClientConnections', async () => {
    const small = await startFront(house, { config: { limits: { maxClientConnections: 2 } } })
    try {
      const first = await connect(small.url())
      await connect(small.url())
      const error = await failure(connect(small.url()))
      expect(error).toMatchObject({
        severity: 'FATAL',
        code: '53300',
        message: 'sorry, too many clients already (2 of limits.maxClientConnections 2)',
      })
      await first.end()
      const third = await until(() => connect(small.url()), 10_000)
      expect(await one(third, 'select 3')).toBe(3)
    } finally {
      endClients(bystander)
      await small.end()
    }
  })
})

describe('The door answers', () => {
  it('N to a request for TLS while TLS is off, and the client may go on in clear', async () => {
    const socket = await dial(port())
    const letters: string[] = []
    const answered = new Promise<void>((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        letters.push(chunk.toString('latin1'))
        if (letters.length === 1) socket.write(gssEncRequest())
        if (letters.length === 2) socket.write(startup({ user: 'weir', database: 'app' }))
        if (letters.length === 3) resolve()
      })
    })
    socket.write(sslRequest())
    await answered
    expect(letters.slice(0, 2)).toEqual(['N', 'N'])
    expect(letters[2]).toMatch(/^R[\s\S]*SCRAM-SHA-256/)
    socket.destroy()
    await counted(REFUSED, { reason: 'client-gone' })
  })

  it('nothing to a cancel request for nobody', async () => {
    expect(await exchange(port(), cancelRequest(4711, Buffer.alloc(4)))).toHaveLength(0)
    await counted('weir_client_cancels_total', {}, 0)
  })

  it('a client of a newer minor version with the one it speaks', async () => {
    const raw = new RawSession(await dial(port()))
    raw.send(startup({ user: 'weir', database: 'app', '_pq_.shiny': '1' }, 0x0003_0009))
    const { body } = await raw.take('v')
    expect(body.readInt32BE(0) & 0xffff).toBe(2)
    expect(body.toString('latin1')).toContain('_pq_.shiny')
    await raw.take('R')
    raw.vanish()
  })

  it('a crowd that never logs in, without losing its place for those who do', async () => {
    const idlers = await Promise.all(Array.from({ length: 100 }, () => dial(port())))
    const client = await connect(front.url())
    expect(await one(client, 'select 9')).toBe(9)
    await Promise.all(
      idlers.map((s) => new Promise<void>((resolve) => s.once('close', () => resolve()).resume())),
    )
    await counted(REFUSED, { reason: 'login-timeout' }, 100)
  })
})
