/** What Weir tells over HTTP: alive, ready, status, and counts that agree with what clients did. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { StatusSnapshot } from '../../src/admin/snapshot.ts'
import { until } from '../../src/core/until.ts'
import { CATALOGUE } from '../../src/metrics/catalogue.ts'
import { connect, connectAll, endClients, one } from '../support/clients.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'
import { scrape, sumOf } from '../support/scrape.ts'

let house: House
let front: Front

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS, nodes: 2 })
  front = await startFront(house, { admin: true, config: { topology: { period: '100ms' } } })
  await until(() => front.app.snapshot().nodes.every((n) => n.health === 'up'), 10_000)
})

afterEach(async () => {
  endClients()
  await until(() => front.app.snapshot().clients.total === 0, 10_000)
})

afterAll(async () => {
  await front?.end()
  await house?.end()
})

const get = (path: string, method = 'GET') =>
  fetch(`http://127.0.0.1:${front.adminPort}${path}`, { method })

describe('Admin', () => {
  it('says that it is alive and ready, and who the writer is', async () => {
    const alive = await get('/healthz')
    expect([alive.status, await alive.text()]).toEqual([200, 'alive\n'])
    const ready = await get('/readyz')
    expect([ready.status, await ready.text()]).toEqual([200, 'The writer is node-1.\n'])
  })

  it('shows the status with the fields that programs rely on', async () => {
    await connect(front.url())
    const reader = await connect(front.url('reader'))
    await reader.query('begin')
    const status = (await (await get('/status')).json()) as StatusSnapshot
    const nodes = house.cluster.nodes()
    expect(Object.keys(status)).toEqual(
      expect.arrayContaining(['nodes', 'endpoints', 'pools', 'clients', 'epoch']),
    )
    expect(status.nodes).toMatchObject(
      nodes.map(({ name, host, port }) => ({
        name,
        host,
        port,
        role: name === 'node-1' ? 'writer' : 'reader',
        health: 'up',
        lagMs: expect.any(Number),
        timeline: 1,
      })),
    )
    expect(status.epoch).toEqual(expect.any(Number))
    expect(status.endpoints).toMatchObject([
      { name: 'writer', kind: 'writer', clients: 1, chooses: 'node-1' },
      { name: 'reader', kind: 'reader', clients: 1, chooses: 'node-2' },
    ])
    expect(status.pools).toContainEqual(
      expect.objectContaining({
        node: 'node-2',
        database: 'app',
        user: 'weir',
        total: 1,
        active: 1,
        idle: 0,
        waiting: 0,
        maximum: 3,
      }),
    )
    expect(status.clients).toMatchObject({ total: 2, active: 1, waiting: 0, pinned: 0 })
    expect(JSON.stringify(status)).not.toContain('password')
  })

  it('lists the clients', async () => {
    const client = await connect(front.url())
    await client.query('begin')
    const { clients } = (await (await get('/clients')).json()) as { clients: unknown }
    expect(clients).toMatchObject([
      { endpoint: 'writer', user: 'weir', database: 'app', state: 'leased', node: 'node-1' },
    ])
  })

  it('only reads', async () => {
    for (const method of ['POST', 'PUT', 'DELETE']) {
      expect((await get('/status', method)).status).toBe(405)
    }
  })
})

describe('Metrics', () => {
  it('are one page of well-formed lines, every metric of the catalogue among them', async () => {
    const client = await connect(front.url())
    await client.query('select 1')
    const page = await (await get('/metrics')).text()
    const line = /^(#.*|[a-z0-9_]+(\{([a-z_]+="([^"\\\n]|\\.)*",?)*\})? (NaN|[+-]?Inf|[-+0-9.e]+))$/
    const wrong = page.split('\n').filter((text) => text !== '' && !line.test(text))
    expect(wrong).toEqual([])
    for (const { name, type } of CATALOGUE) expect(page).toContain(`# TYPE ${name} ${type}\n`)
  })

  it('count each simple and each extended request once', async () => {
    const client = await connect(front.url())
    const before = await scrape(front.adminPort)
    const grown = async (name: string, labels = {}): Promise<number> =>
      sumOf(await scrape(front.adminPort), name, labels) - sumOf(before, name, labels)
    for (let i = 0; i < 5; i++) await client.query('select 1')
    await client.query('select 1; select 2')
    for (let i = 0; i < 4; i++) await client.query('select $1::int', [i])
    for (let i = 0; i < 3; i++) {
      await client.query({ name: 'kept', text: 'select $1::int + 1', values: [i] })
    }
    expect(await grown('weir_query_requests_total', { endpoint: 'writer' })).toBe(13)
    expect(await grown('weir_query_requests_total', { endpoint: 'reader' })).toBe(0)
    await client.query('begin')
    await client.query('select 1')
    await client.query('commit')
    expect(await grown('weir_query_requests_total', { endpoint: 'writer' })).toBe(16)
    const responses = { endpoint: 'writer' }
    expect(await grown('weir_query_response_latency_seconds_count', responses)).toBe(16)
  })

  it('count clients, logins and how sessions ended', async () => {
    const before = await scrape(front.adminPort)
    const now = async (name: string, labels = {}): Promise<number> =>
      sumOf(await scrape(front.adminPort), name, labels)
    const [polite, ...rude] = await connectAll(3, front.url())
    expect(await now('weir_client_connections', { endpoint: 'writer' })).toBe(3)
    expect(await now('weir_pool_connections', { node: 'node-1' })).toBeGreaterThan(0)
    await polite!.end()
    endClients()
    await until(async () => (await now('weir_client_connections')) === 0, 10_000)
    const ended = async (reason: string) =>
      (await now('weir_client_connections_closed_total', { reason })) -
      sumOf(before, 'weir_client_connections_closed_total', { reason })
    expect(await ended('client-quit')).toBe(1)
    expect((await ended('client-gone')) + (await ended('client-reset'))).toBe(rude.length)
    const logins = 'weir_client_connections_setup_succeeded_total'
    expect((await now(logins)) - sumOf(before, logins)).toBe(3)
  })

  it('show role, lag and health of each node', async () => {
    const series = await scrape(front.adminPort)
    expect(sumOf(series, 'weir_node_up')).toBe(2)
    expect(sumOf(series, 'weir_node_role', { node: 'node-1', role: 'writer' })).toBe(1)
    expect(sumOf(series, 'weir_node_role', { node: 'node-2', role: 'reader' })).toBe(1)
    expect(series.has('weir_node_lag_seconds{node="node-2"}')).toBe(true)
  })

  it('never stay at zero for what has happened', async () => {
    const client = await connect(front.url())
    const pinned = await connect(front.url())
    await pinned.query('create temp table mine (n int)')
    await until(() => front.app.snapshot().clients.pinned === 1, 10_000)
    await client.query('begin')
    await one(client, 'select repeat($$x$$, 1000)')
    const series = await scrape(front.adminPort)
    const silent = CATALOGUE.map((row) => row.name).filter((name) =>
      HAPPENED.some((word) => name === `weir_${word}`) ? sumOf(series, name) === 0 : false,
    )
    expect(silent).toEqual([])
  })
})

/** What every running Weir with one busy client must have counted. */
const HAPPENED = [
  'client_connections',
  'client_connections_no_tls',
  'client_connections_received_total',
  'client_connections_setup_succeeded_total',
  'client_received_bytes_total',
  'client_sent_bytes_total',
  'database_connection_requests_total',
  'database_connections',
  'database_connections_currently_borrowed',
  'database_connections_currently_in_transaction',
  'database_connections_currently_session_pinned',
  'database_sent_bytes_total',
  'database_received_bytes_total',
  'node_probes_passed_total',
  'session_pins_total',
  'query_requests_total',
]
