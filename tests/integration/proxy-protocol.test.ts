/**
 * Clients behind a load balancer that says for whom it speaks: the address it names counts for lists,
 * limits and failed logins, is handed on to Postgres, and nobody else can claim one.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { cancelRequest } from '../../src/wire/postgres/frontend.ts'
import { writeTestCertificate } from '../support/certificate.ts'
import { type House, startHouse } from '../support/house.ts'
import { dial, exchange } from '../support/raw-session.ts'
import { LOCAL, type Relay, startRelay, v1, v2 } from '../support/relay.ts'

const CLIENT = '203.0.113.7'

let house: House
let relay: Relay
let files: string

beforeAll(async () => {
  files = await mkdtemp(join(tmpdir(), 'weir-relay-'))
  house = await startHouse({
    pool: 4,
    ports: [17_500, 17_529],
    config: {
      listen: {
        proxyProtocol: 'required',
        proxyTrusted: ['127.0.0.1'],
        allow: ['127.0.0.0/8', '203.0.113.0/24'],
        deny: ['203.0.113.66'],
        clientAddress: 'setting:weir.client_address',
      },
      tls: { mode: 'allowed', ...(await writeTestCertificate(files)) },
      limits: { authFailures: 3, maxClientsPerSource: 2, maxClientsPerUser: 4 },
    },
  })
  relay = await startRelay(house.port, v1(CLIENT))
})

afterAll(async () => {
  await relay?.end()
  await house?.end()
  if (files !== undefined) await rm(files, { recursive: true })
})

/** Logs in through the relay, which says `header`. */
async function login(header: Buffer, more: pg.ClientConfig = {}): Promise<pg.Client> {
  relay.header = header
  const { pathname } = new URL(house.writer)
  const client = new pg.Client({
    ...{ host: '127.0.0.1', port: relay.port, user: 'weir', password: password() },
    ...{ database: pathname.slice(1), connectionTimeoutMillis: 20_000 },
    ...more,
  })
  client.on('error', () => {})
  await client.connect()
  return client
}

const password = (): string => decodeURIComponent(new URL(house.writer).password)

const refusal = (header: Buffer, more: pg.ClientConfig = {}) =>
  login(header, more).then(
    async (client) => {
      await client.end()
      return 'accepted'
    },
    (error: { code?: string; message: string }) => error.code ?? error.message,
  )

async function addressSeen(client: pg.Client): Promise<string> {
  const { rows } = await client.query("select current_setting('weir.client_address') as address")
  await client.end()
  return rows[0].address
}

it('Postgres is told the address that the header names, in either version, and over TLS', async () => {
  expect(await addressSeen(await login(v1(CLIENT)))).toBe(CLIENT)
  const tlvs = Buffer.from([0x04, 0, 3, 1, 2, 3])
  expect(await addressSeen(await login(v2('203.0.113.8', 1, tlvs)))).toBe('203.0.113.8')
  const ssl = { rejectUnauthorized: false }
  expect(await addressSeen(await login(v2('203.0.113.9'), { ssl }))).toBe('203.0.113.9')
})

it('a relay that speaks for itself or does not know is a client from its own address', async () => {
  expect(await addressSeen(await login(LOCAL))).toBe('127.0.0.1')
  expect(await addressSeen(await login(Buffer.from('PROXY UNKNOWN 1.2.3.4 ...\r\n')))).toBe(
    '127.0.0.1',
  )
})

it('an address that may not come is refused although its relay may', async () => {
  expect(await refusal(v1('198.51.100.1'))).toBe('28000')
  expect(await refusal(v1('203.0.113.66'))).toBe('28000')
  expect(await refusal(v1('203.0.113.67'))).toBe('accepted')
})

it('nobody else can claim an address, and a relay cannot leave it out', async () => {
  const direct = await dialFrom('127.0.0.2')
  const heard = await direct(Buffer.concat([v1(CLIENT), Buffer.alloc(20)]))
  expect(heard.toString('latin1')).not.toContain('AuthenticationOk')
  expect(heard.toString('latin1')).toMatch(/^E|^$/)
  expect((await exchange(house.port, Buffer.alloc(60, 'x'))).length).toBe(0)
})

/** What comes back to bytes sent from another address of this machine. */
async function dialFrom(localAddress: string): Promise<(bytes: Buffer) => Promise<Buffer>> {
  const { connect } = await import('node:net')
  return (bytes) =>
    new Promise((resolve) => {
      const chunks: Buffer[] = []
      const socket = connect({ port: house.port, host: '127.0.0.1', localAddress })
      socket.on('data', (chunk) => chunks.push(chunk))
      socket.on('error', () => {})
      socket.on('close', () => resolve(Buffer.concat(chunks)))
      socket.write(bytes)
    })
}

it('a cancel request finds its session through the relay too', async () => {
  const client = await login(v1('203.0.113.20'))
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number }
  const running = client.query('select pg_sleep(60)').then(
    () => 'slept',
    (error: { code: string }) => error.code,
  )
  await until(async () => {
    const rows = await house.ask(
      "select 1 from pg_stat_activity where query = 'select pg_sleep(60)' and state = 'active'",
    )
    return rows.length > 0
  }, 20_000)
  const secret = Buffer.alloc(4)
  secret.writeInt32BE(secretKey)
  const socket = await dial(relay.port)
  socket.write(cancelRequest(processID, secret))
  expect(await running).toBe('57014')
  await client.end()
})

it('who fails too often is refused from there, and the same user comes in from elsewhere', async () => {
  const wrong = { password: 'wrong' }
  const codes: string[] = []
  for (let i = 0; i < 4; i++) codes.push(await refusal(v1('203.0.113.30'), wrong))
  expect(codes).toEqual(['28P01', '28P01', '28P01', '53300'])
  expect(await refusal(v1('203.0.113.31'))).toBe('accepted')
  const back = await until(
    async () => (await refusal(v1('203.0.113.30'))) === 'accepted' || undefined,
    20_000,
  )
  expect(back).toBe(true)
})

it('no more clients of one source, and of one user, than may be', async () => {
  const here = () => house.app.snapshot().clients.total
  await until(() => here() === 0, 20_000)
  const clients = [await login(v1('203.0.113.40')), await login(v2('203.0.113.40', 9))]
  expect(await refusal(v1('203.0.113.40'))).toBe('53300')
  clients.push(await login(v1('203.0.113.41')), await login(v1('203.0.113.42')))
  expect(await refusal(v1('203.0.113.43'))).toBe('53300')
  for (const client of clients) await client.end()
  await until(() => here() === 0, 20_000)
  expect(await refusal(v1('203.0.113.40'))).toBe('accepted')
})
