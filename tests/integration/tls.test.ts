/** TLS towards clients: offered, required, direct, and what a snoop or a fool gets. */
import { chownSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net'
import { join } from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import {
  cancelRequest,
  query,
  sslRequest,
  startupMessage,
} from '../../src/wire/postgres/frontend.ts'
import { readErrorFields } from '../../src/wire/postgres/read.ts'
import { writeTestCertificate } from '../support/certificate.ts'
import { cancelKeyOf, connect, endClients, failure, one, wireOf } from '../support/clients.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'
import { exchange, PROTOCOL_3, RawSession, rawSession } from '../support/raw-session.ts'
import { scrape, sumOf } from '../support/scrape.ts'
import { TEST_CERTIFICATE, TEST_KEY } from './test-certificate.ts'

let house: House
let allowed: Front
let required: Front

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  const files = await writeTestCertificate(house.directory)
  allowed = await startFront(house, { config: { tls: { mode: 'allowed', ...files } }, admin: true })
  required = await startFront(house, {
    config: { tls: { mode: 'required', ...files }, auth: { trust: true } },
    admin: true,
  })
})

afterEach(() => endClients())

afterAll(async () => {
  endClients()
  await allowed?.end()
  await required?.end()
  await house?.end()
})

const ssl = { ca: TEST_CERTIFICATE, host: 'localhost' }

describe('With tls.mode allowed', () => {
  it('a client that checks certificate and host name is served over TLS', async () => {
    const client = await connect(allowed.url().replace('127.0.0.1', 'localhost'), { ssl })
    expect(await one(client, 'select 1')).toBe(1)
    const socket = wireOf(client).stream as unknown as { encrypted: boolean; getProtocol(): string }
    expect(socket.encrypted).toBe(true)
    expect(socket.getProtocol()).toBe('TLSv1.3')
  })

  it('a client without TLS is served too, and both are counted apart', async () => {
    const plain = await connect(allowed.url())
    const secure = await connect(allowed.url(), { ssl: { rejectUnauthorized: false } })
    expect(await one(plain, 'select 1')).toBe(1)
    expect(await one(secure, 'select 1')).toBe(1)
    const series = await scrape(allowed.adminPort)
    expect(sumOf(series, 'weir_client_connections_tls', { endpoint: 'writer' })).toBe(1)
    expect(sumOf(series, 'weir_client_connections_no_tls', { endpoint: 'writer' })).toBe(1)
  })

  it('many rows and a long text pass through unharmed', async () => {
    const client = await connect(allowed.url(), { ssl: { rejectUnauthorized: false } })
    const text = 'ü'.repeat(2_000_000)
    expect((await client.query('select $1::text as t', [text])).rows[0].t).toBe(text)
    const { rows } = await client.query('select n from generate_series(1, 20000) as n')
    expect(rows.at(-1)).toEqual({ n: 20_000 })
  })
})

describe('With tls.mode required', () => {
  it('a client without TLS is refused with 28000 and a hint', async () => {
    const error = await failure(connect(required.url()))
    expect(error).toMatchObject({
      severity: 'FATAL',
      code: '28000',
      message: 'this endpoint accepts TLS connections only',
      hint: 'Connect with sslmode=require or stricter.',
    })
    const series = await scrape(required.adminPort)
    const reason = { reason: 'tls-required' }
    expect(sumOf(series, 'weir_client_connections_refused_total', reason)).toBe(1)
    expect(sumOf(series, 'weir_client_connections_setup_failed_auth_total')).toBe(1)
  })

  it('a client with TLS is served', async () => {
    const raw = await rawSession(required.port('writer'), { serverName: 'localhost' })
    raw.messages.length = 0
    raw.send(query('select 42'))
    expect(await raw.values()).toEqual(['42'])
    raw.vanish()
  })

  it('a client that begins with its handshake is served when it names the protocol', async () => {
    const port = required.port('writer')
    const socket = tlsConnect({
      port,
      host: '127.0.0.1',
      servername: 'localhost',
      ALPNProtocols: ['postgresql'],
      rejectUnauthorized: false,
    })
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve).once('error', reject)
    })
    expect(socket.alpnProtocol).toBe('postgresql')
    const raw = new RawSession(socket)
    raw.send(startupMessage(PROTOCOL_3, Object.entries({ user: 'weir', database: 'app' })))
    await raw.take('Z')
    raw.send(query('select 42'))
    expect(await raw.values()).toEqual(['42'])
    raw.vanish()
  })

  it('bytes in clear behind the request for TLS are refused', async () => {
    const startup = startupMessage(PROTOCOL_3, Object.entries({ user: 'weir', database: 'app' }))
    const answer = await exchange(required.port('writer'), Buffer.concat([sslRequest(), startup]))
    expect(answer.toString('latin1', 0, 1)).toBe('E')
    expect(readErrorFields(answer.subarray(5))).toMatchObject({
      code: '08P01',
      message: 'received unencrypted data after SSL request',
    })
  })

  it('junk where the handshake should be ends that connection alone', async () => {
    const socketAnswer = exchange(
      required.port('writer'),
      Buffer.concat([Buffer.from([0x16, 0x03, 0x01, 0x00, 0x05]), Buffer.from('hello')]),
    )
    expect((await socketAnswer).toString('latin1')).not.toContain('42')
    const raw = await rawSession(required.port('writer'), { serverName: 'localhost' })
    raw.vanish()
    const series = await scrape(required.adminPort)
    const reason = { reason: 'tls-handshake' }
    expect(sumOf(series, 'weir_client_connections_refused_total', reason)).toBe(1)
  })
})

describe('Towards the nodes', () => {
  const nodes = (mode: string, nodesCaFile?: string) => ({
    tls: { nodes: mode, ...(nodesCaFile === undefined ? {} : { nodesCaFile }) },
    topology: { period: '100ms', user: 'weir', database: 'app' },
  })
  const encrypted = 'select ssl from pg_stat_ssl where pid = pg_backend_pid()'
  const served = async (config: Record<string, unknown>): Promise<unknown> => {
    const front = await startFront(house, { config })
    try {
      return await one(await connect(front.url()), encrypted)
    } finally {
      endClients()
      await front.end()
    }
  }

  it('TLS is used where a node has it, demanded or verified as the setting says', async () => {
    expect(await served(nodes('prefer'))).toBe(false)
    const [data] = await house.ask('show data_directory')
    const directory = String(data!.data_directory)
    const { uid, gid } = statSync(directory)
    for (const [name, text] of [
      ['test.key', TEST_KEY],
      ['test.crt', TEST_CERTIFICATE],
    ] as const) {
      writeFileSync(join(directory, name), text, { mode: 0o600 })
      chownSync(join(directory, name), uid, gid)
    }
    await house.ask(`alter system set ssl_cert_file = 'test.crt'`)
    await house.ask(`alter system set ssl_key_file = 'test.key'`)
    await house.ask('alter system set ssl = on')
    await house.ask('select pg_reload_conf()')
    await until(async () => (await house.ask('show ssl'))[0]!.ssl === 'on', 10_000)

    const ca = join(house.directory, 'test.crt')
    expect(await served(nodes('disable'))).toBe(false)
    expect(await served(nodes('prefer'))).toBe(true)
    expect(await served(nodes('require'))).toBe(true)
    expect(await served(nodes('verify-ca', ca))).toBe(true)
    // The certificate is for localhost, the node is configured as 127.0.0.1.
    await expect(refusedStart(nodes('verify-full', ca))).resolves.toContain('127.0.0.1')
    await expect(refusedStart(nodes('verify-ca'))).resolves.toMatch(/self.signed certificate/)
  })

  it('a cancel request goes over TLS, as its server connection does', async () => {
    // Between Weir and the node, reading along.
    const seen: Buffer[] = []
    const node = house.cluster.writer()
    const relay = createServer((from) => {
      const to = connectTcp(node.port, node.host)
      from.on('data', (bytes) => seen.push(bytes))
      from.pipe(to).pipe(from)
      for (const socket of [from, to]) socket.on('error', () => from.destroy())
      from.on('close', () => to.destroy())
    })
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
    const { port } = relay.address() as AddressInfo
    const between = { nodes: [{ name: node.name, host: '127.0.0.1', port }] }
    const front = await startFront(house, { config: { ...nodes('require'), ...between } })
    try {
      const client = await connect(front.url())
      expect(await one(client, encrypted)).toBe(true)
      const backend = await one(client, 'select pg_backend_pid()')
      const asleep = failure(client.query('select pg_sleep(600)'))
      const sleeping = `select 1 from pg_stat_activity where wait_event = 'PgSleep'`
      await until(async () => (await house.ask(sleeping)).length === 1, 10_000)
      seen.length = 0
      const { pid, secret } = cancelKeyOf(client)
      const key = Buffer.alloc(4)
      key.writeInt32BE(secret)
      await exchange(front.port('writer'), cancelRequest(pid, key))
      expect((await asleep).code).toBe('57014')
      // It has landed for certain, so the server connection may go on serving.
      expect(await one(client, 'select pg_backend_pid()')).toBe(backend)
      const clear = Buffer.concat(seen)
      expect(clear.indexOf(sslRequest())).toBeGreaterThanOrEqual(0)
      // The code of a CancelRequest, which stands before the key (pqcomm.h).
      expect(clear.indexOf(cancelRequest(0, key).subarray(0, 8))).toBe(-1)
    } finally {
      endClients()
      await front.end()
      relay.close()
    }
  })

  it('a replication connection is encrypted on both sides when both have TLS', async () => {
    const files = await writeTestCertificate(house.directory)
    const { tls: toNodes, ...rest } = nodes('require')
    const front = await startFront(house, {
      config: { ...rest, tls: { ...toNodes, mode: 'required', ...files } },
    })
    try {
      const wanted = { ssl: { rejectUnauthorized: false }, replication: 'database' } as object
      const client = await connect(front.url(), wanted)
      expect(await one(client, encrypted)).toBe(true)
      const text = 'ü'.repeat(2_000_000)
      expect(await one(client, `select repeat('ü', 2000000)`)).toBe(text)
    } finally {
      endClients()
      await front.end()
    }
  })

  /** What Weir says of a node it will not trust. */
  async function refusedStart(config: Record<string, unknown>): Promise<string> {
    const front = await startFront(house, { config, ready: false })
    try {
      const [node] = await until(() => {
        const { nodes } = front.app.snapshot()
        return nodes[0]!.health === 'down' ? nodes : undefined
      }, 10_000)
      return node!.because
    } finally {
      await front.end()
    }
  }
})
