import { describe, expect, test } from 'vitest'
import { CATALOGUE } from '../../../src/metrics/catalogue.ts'
import type { ControlSample } from '../../../src/metrics/control-sample.ts'
import { exposition } from '../../../src/metrics/exposition.ts'
import { Metrics } from '../../../src/metrics/metrics.ts'

const CLOUDWATCH = `AvailabilityPercentage ClientConnections ClientConnectionsClosed
  ClientConnectionsNoTLS ClientConnectionsTLS ClientConnectionsReceived
  ClientConnectionsSetupFailedAuth ClientConnectionsSetupSucceeded DatabaseConnectionRequests
  DatabaseConnectionRequestsWithTLS DatabaseConnections DatabaseConnectionsWithTLS
  DatabaseConnectionsBorrowLatency DatabaseConnectionsCurrentlyBorrowed
  DatabaseConnectionsCurrentlyInTransaction DatabaseConnectionsCurrentlySessionPinned
  DatabaseConnectionsSetupFailed DatabaseConnectionsSetupSucceeded MaxDatabaseConnectionsAllowed
  QueryDatabaseResponseLatency QueryRequests QueryRequestsNoTLS QueryRequestsTLS
  QueryResponseLatency`.split(/\s+/)

const control: ControlSample = {
  version: '0.1.0',
  startedAt: 1_700_000_000_000,
  certificates: { 'weir.crt': 1_800_000_000_000 },
  workers: [
    { number: 1, state: 'serving', clients: 2, cpuSeconds: 3, memoryBytes: 4 },
    { number: 2, state: 'leaving', clients: 1, cpuSeconds: 5, memoryBytes: 6 },
  ],
  epoch: 7,
  source: { kind: 'patroni', ok: false },
  clients: { waiting: 5, heldBytes: 4_096 },
  pauses: [{}, {}],
  nodes: [
    { name: 'node-1', role: 'writer', health: 'up', lagMs: 0, timeline: 2, budget: 87 },
    { name: 'node-2', role: 'reader', health: 'down', lagMs: null, timeline: null, budget: null },
  ],
  pools: [
    pool({ user: 'a', total: 4, active: 3, idle: 1, waiting: 2, longestWaitMs: 1500 }),
    pool({ user: 'quo"te\\\n', total: 2, active: 1, idle: 1 }),
  ],
}

function pool(some: Partial<ControlSample['pools'][number]>): ControlSample['pools'][number] {
  const zero = { total: 0, active: 0, idle: 0, waiting: 0, opening: 0, longestWaitMs: 0 }
  return { node: 'node-1', database: 'app', user: 'u', maximum: 10, ...zero, ...some }
}

/** A strict little reader of the text format: throws on any line that is not of it. */
function parse(text: string): { values: Map<string, number>; types: Map<string, string> } {
  const values = new Map<string, number>()
  const types = new Map<string, string>()
  expect(text.endsWith('\n')).toBe(true)
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# HELP ')) continue
    const type = /^# TYPE (\w+) (counter|gauge|histogram|summary)$/.exec(line)
    if (type?.[1] !== undefined && type[2] !== undefined) {
      expect(types.has(type[1])).toBe(false)
      types.set(type[1], type[2])
      continue
    }
    const sample =
      /^([a-zA-Z_:]\w*(?:\{(?:[a-zA-Z_]\w*="(?:[^"\\]|\\["\\n])*",?)*\})?) (\S+)$/.exec(line)
    if (sample?.[1] === undefined) throw new Error(`not a line of the text format: ${line}`)
    expect(values.has(sample[1])).toBe(false)
    const value = Number(sample[2] === '+Inf' ? 'Infinity' : sample[2])
    if (sample[2] !== 'Nan') expect(Number.isNaN(value)).toBe(false)
    values.set(sample[1], value)
  }
  return { values, types }
}

function counted(): Metrics {
  const metrics = new Metrics()
  const writer = metrics.endpoint('writer')
  writer.clients = 5
  writer.clientsTls = 2
  writer.queries = 30
  writer.queriesTls = 10
  writer.closed.add('client-left', 4)
  writer.refused.add('junk')
  writer.pins.add('temporary-table')
  writer.borrowsRefused.add('timeout')
  writer.outcomes.add('retried')
  writer.ridesPutBack.add('slow')
  writer.borrow.record(0.06)
  writer.borrow.record(3)
  metrics.general.userLookups.add('found')
  metrics.general.adminRefused.add('password')
  metrics.general.peerCancels.add('2')
  metrics.general.peerCancelsFailed.add('2', 0)
  metrics.general.failovers.record('promoted_observed', 12)
  const node = metrics.node('node-1')
  node.evicted.add('lifetime')
  node.hints.add('reset')
  return metrics
}

async function scrape(metrics = counted()): Promise<ReturnType<typeof parse>> {
  return parse(await exposition(() => ({ counted: metrics.snapshot(), control }))())
}

describe('exposition', () => {
  test('is text that Prometheus can read, names with quotes and newlines included', async () => {
    const { values } = await scrape()
    const odd = String.raw`weir_pool_maximum{node="node-1",database="app",user="quo\"te\\\n"}`
    expect(values.get(odd)).toBe(10)
  })

  test('shows every metric of the catalogue with its type and help text', async () => {
    const text = await exposition(() => ({ counted: counted().snapshot(), control }))()
    const { types, values } = parse(text)
    for (const row of CATALOGUE) {
      expect(types.get(row.name), row.name).toBe(row.type)
      expect(text).toContain(`# HELP ${row.name} `)
      const seen = [...values.keys()].some((key) => key.startsWith(row.name))
      expect(seen, `${row.name} has no series`).toBe(true)
    }
  })

  test('gives every series exactly the labels its row promises', async () => {
    const metrics = counted()
    for (const row of CATALOGUE) {
      for (const reading of row.read({ counted: metrics.snapshot(), control })) {
        expect(Object.keys(reading.labels).sort(), row.name).toEqual([...row.labels].sort())
        expect(typeof reading.value, row.name).toBe(row.type === 'histogram' ? 'object' : 'number')
      }
    }
  })

  test('writes counters as they stand, and differences where two add up', async () => {
    const { values } = await scrape()
    expect(values.get('weir_client_connections{endpoint="writer"}')).toBe(5)
    expect(values.get('weir_client_connections_no_tls{endpoint="writer"}')).toBe(3)
    expect(values.get('weir_query_requests_total{endpoint="writer"}')).toBe(30)
    expect(values.get('weir_query_requests_no_tls_total{endpoint="writer"}')).toBe(20)
    const closed = 'weir_client_connections_closed_total{endpoint="writer",reason="client-left"}'
    expect(values.get(closed)).toBe(4)
  })

  test('writes histograms cumulative, in seconds', async () => {
    const { values } = await scrape()
    const name = 'weir_database_connections_borrow_latency_seconds'
    const bucket = (le: string) => values.get(`${name}_bucket{endpoint="writer",le="${le}"}`)
    expect([bucket('0.00005'), bucket('0.0001'), bucket('0.005')]).toEqual([0, 1, 2])
    expect(bucket('+Inf')).toBe(2)
    expect(values.get(`${name}_count{endpoint="writer"}`)).toBe(2)
    expect(values.get(`${name}_sum{endpoint="writer"}`)).toBeCloseTo(0.00306, 9)
  })

  test('sums the pools of a node and leaves out what is not known', async () => {
    const { values } = await scrape()
    expect(values.get('weir_database_connections{node="node-1"}')).toBe(6)
    expect(values.get('weir_database_connections_currently_borrowed{node="node-1"}')).toBe(4)
    expect(values.get('weir_database_connections{node="node-2"}')).toBe(0)
    expect(values.get('weir_max_database_connections_allowed{node="node-1"}')).toBe(87)
    expect(values.has('weir_max_database_connections_allowed{node="node-2"}')).toBe(false)
    expect(values.has('weir_node_lag_seconds{node="node-2"}')).toBe(false)
  })

  test('says who is what and who answers', async () => {
    const { values } = await scrape()
    expect(values.get('weir_topology_epoch')).toBe(7)
    expect(values.get('weir_topology_source_up{kind="patroni"}')).toBe(0)
    expect(values.get('weir_clients_waiting')).toBe(5)
    expect(values.get('weir_clients_held_bytes')).toBe(4_096)
    expect(values.get('weir_pauses')).toBe(2)
    expect(values.get('weir_node_up{node="node-2"}')).toBe(0)
    expect(values.get('weir_node_role{node="node-1",role="writer"}')).toBe(1)
    expect(values.get('weir_node_role{node="node-1",role="reader"}')).toBe(0)
    expect(values.get('weir_availability_percentage{role="writer"}')).toBe(100)
    expect(values.get('weir_availability_percentage{role="reader"}')).toBe(0)
  })

  test('reads anew at each scrape', async () => {
    const metrics = counted()
    const text = exposition(() => ({ counted: metrics.snapshot(), control }))
    const key = 'weir_client_connections{endpoint="writer"}'
    expect(parse(await text()).values.get(key)).toBe(5)
    metrics.endpoint('writer').clients--
    expect(parse(await text()).values.get(key)).toBe(4)
  })
})

describe('the catalogue', () => {
  test('answers to every CloudWatch metric of RDS Proxy, by name in the help text', () => {
    const named = CATALOGUE.flatMap((row) => row.aws ?? [])
    expect(named.sort()).toEqual([...CLOUDWATCH].sort())
    for (const row of CATALOGUE) {
      if (row.aws !== undefined) expect(row.help).toMatch(new RegExp(`AWS: ${row.aws}$`))
    }
  })

  test('names a CloudWatch metric in snake case, with the endings of Prometheus', () => {
    for (const { aws, name } of CATALOGUE) {
      if (aws === undefined) continue
      const snake = aws
        .replace('TLS', 'Tls')
        .replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)
        .slice(1)
      expect(name.replace(/_(total|seconds)$/, '')).toBe(`weir_${snake}`)
    }
  })

  test('holds each name once, in the characters Prometheus allows', () => {
    const names = CATALOGUE.map((row) => row.name)
    expect(new Set(names).size).toBe(names.length)
    for (const row of CATALOGUE) {
      expect(row.name).toMatch(/^weir_[a-z_]+$/)
      expect(row.name.endsWith('_total')).toBe(row.type === 'counter')
      expect(/_seconds(_total)?$/.test(row.name)).toBe(row.unit === 'seconds')
    }
  })
})

test('a retired pool and its successor are one series', async () => {
  const twins = [
    pool({ total: 3, active: 3, maximum: 10 }),
    pool({ total: 2, active: 1, idle: 1, opening: 1, maximum: 8, waiting: 4, longestWaitMs: 500 }),
  ]
  const read = exposition(() => ({
    counted: counted().snapshot(),
    control: { ...control, pools: twins },
  }))
  const { values } = parse(await read())
  const labels = 'node="node-1",database="app",user="u"'
  expect(values.get(`weir_pool_connections{${labels},state="active"}`)).toBe(4)
  expect(values.get(`weir_pool_connections{${labels},state="opening"}`)).toBe(1)
  expect(values.get(`weir_pool_maximum{${labels}}`)).toBe(10)
  expect(values.get(`weir_pool_waiting{${labels}}`)).toBe(4)
  expect(values.get(`weir_pool_longest_wait_seconds{${labels}}`)).toBe(0.5)
  expect(values.get('weir_database_connections{node="node-1"}')).toBe(5)
})
