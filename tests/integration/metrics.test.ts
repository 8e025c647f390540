/** `/metrics` after traffic that is known to the last message: every number must be the exact one. */
import { chown, copyFile, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { CATALOGUE } from '../../src/metrics/catalogue.ts'
import { ARROWS } from '../../src/topology/timeline.ts'
import { cancelRequest } from '../../src/wire/postgres/frontend.ts'
import { writeTestCertificate } from '../support/certificate.ts'
import {
  cancelKeyOf,
  connect,
  connectAll,
  endClients,
  failure,
  later,
  wireOf,
} from '../support/clients.ts'
import { freePorts, type House, startHouse } from '../support/house.ts'
import { exchange } from '../support/raw-session.ts'
import { type Series, scrape, sumOf } from '../support/scrape.ts'

const WRITER = { endpoint: 'writer' }
const NODE = { node: 'node-1' }

let house: House
let certificates: string
let adminPort: number
let atFirst: Series

beforeAll(async () => {
  certificates = await mkdtemp(join(tmpdir(), 'weir-metrics-'))
  const files = await writeTestCertificate(certificates)
  adminPort = await freePorts(1, [16_150, 16_199])
  house = await startHouse({
    nodes: 2,
    pool: 2,
    ports: [16_101, 16_149],
    config: {
      tls: { mode: 'allowed', nodes: 'prefer', ...files },
      admin: { enabled: true, port: adminPort },
    },
  })
  atFirst = await scrape(adminPort)
})

afterEach(async () => {
  endClients()
  await quiet()
})

afterAll(async () => {
  endClients()
  await house?.end()
  await rm(certificates, { recursive: true, force: true })
})

/** Until every session is gone and every server connection is back and clean. */
async function quiet(): Promise<void> {
  await until(() => {
    const { clients, pools } = house.app.snapshot()
    return clients.total === 0 && pools.every((p) => p.idle === p.total && p.opening === 0)
  }, 10_000)
}

/** What `during` adds to a series; names without the `weir_` that all begin with. */
async function watched(during: () => Promise<void>) {
  const before = await scrape(adminPort)
  await during()
  const after = await scrape(adminPort)
  return (name: string, labels: Record<string, string> = {}): number =>
    sumOf(after, `weir_${name}`, labels) - sumOf(before, `weir_${name}`, labels)
}

const now = async (name: string, labels: Record<string, string> = {}): Promise<number> =>
  sumOf(await scrape(adminPort), `weir_${name}`, labels)

/** A login before, so that what follows finds its server connection and its welcome known. */
async function warm(): Promise<void> {
  const client = await connect(house.writer)
  await client.query('select 1')
  await client.end()
  await quiet()
}

/** What must have a series from the start, by the first label. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  endpoint: ['writer', 'reader'],
  arrow: ARROWS,
}

describe('Before any client has come', () => {
  it('every counter is there for every endpoint and node, at zero', () => {
    const outside = /^weir_(node_probes_passed|event_loop|start_time|worker_cpu)/
    for (const { name, type, labels } of CATALOGUE) {
      if (type === 'gauge' || labels.length === 0 || outside.test(name)) continue
      const count = type === 'histogram' ? `${name}_count` : name
      const names = NAMES[labels[0]!] ?? ['node-1', 'node-2']
      // Nobody is a peer of this one.
      if (labels[0] === 'peer') continue
      const byReason =
        /^weir_(client_connections_refused|borrows_refused|user_lookups|admin_refused)_total$/
      if (byReason.test(name)) continue
      for (const each of names) {
        const series = [...atFirst].filter(
          ([key]) => key.startsWith(`${count}{`) && key.includes(`${labels[0]}="${each}"`),
        )
        expect(series.length, `${name} of ${each}`).toBeGreaterThan(0)
        for (const [key, value] of series) expect(value, key).toBe(0)
      }
    }
  })

  it('no series is there twice', async () => {
    const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
    const keys = text
      .split('\n')
      .filter((line) => line.startsWith('weir_'))
      .map((line) => line.slice(0, line.lastIndexOf(' ')))
    expect(new Set(keys).size).toBe(keys.length)
  })
})

describe('Requests', () => {
  it('are counted by message, timed by answer, and end in boundaries', async () => {
    await warm()
    const client = await connect(house.writer)
    const change = await watched(async () => {
      await client.query('select 1; select 2')
      await client.query('select $1::int', [1])
      await client.query({ name: 'a', text: 'select $1::int', values: [1] })
      await client.query('begin')
      await client.query('select 1')
      await client.query('commit')
    })
    expect(change('query_requests_total', WRITER)).toBe(6)
    expect(change('query_requests_no_tls_total', WRITER)).toBe(6)
    expect(change('query_requests_tls_total')).toBe(0)
    expect(change('query_response_latency_seconds_count', WRITER)).toBe(6)
    expect(change('query_database_response_latency_seconds_count', NODE)).toBe(6)
    expect(change('transactions_total', WRITER)).toBe(4)
    expect(change('database_connections_borrow_latency_seconds_count', WRITER)).toBe(4)
    expect(change('query_requests_total', { endpoint: 'reader' })).toBe(0)
  })

  it('are timed with the wait for a lease at the endpoint, without it at the node', async () => {
    await warm()
    const [one, two, third] = await connectAll(3, house.writer)
    await one!.query('begin')
    await two!.query('begin')
    const began = performance.now()
    const change = await watched(async () => {
      const waiting = later(third!.query('select 1'))
      await until(() => house.app.snapshot().clients.waiting === 1, 10_000)
      await one!.query('select pg_sleep(0.3)')
      await one!.query('commit')
      await waiting
    })
    const seconds = (performance.now() - began) / 1_000
    const client = change('query_response_latency_seconds_sum', WRITER)
    const node = change('query_database_response_latency_seconds_sum', NODE)
    const borrow = change('database_connections_borrow_latency_seconds_sum', WRITER)
    expect(borrow).toBeGreaterThan(0.29)
    expect(client - node).toBeGreaterThan(borrow - 0.02)
    // Two clients, one request after the other each: together no more than twice the time there was.
    expect(client).toBeLessThan(2 * seconds)
    expect(node).toBeGreaterThan(0.29)
    expect(node).toBeLessThan(2 * seconds - borrow)
    expect(change('query_response_latency_seconds_count', WRITER)).toBe(3)
    expect(change('query_database_response_latency_seconds_count', NODE)).toBe(3)
  })

  it('that are refused or left unanswered are not timed', async () => {
    await warm()
    const [one, two, third, fourth] = await connectAll(4, house.writer)
    await one!.query('begin')
    await two!.query('begin')
    const change = await watched(async () => {
      const cancelled = failure(third!.query('select 1'))
      await until(() => house.app.snapshot().clients.waiting === 1, 10_000)
      await cancel(cancelKeyOf(third!))
      await cancelled
      void failure(fourth!.query('select 1'))
      await until(() => house.app.snapshot().clients.waiting === 1, 10_000)
      wireOf(fourth!).stream.destroy()
      await until(() => house.app.snapshot().clients.waiting === 0, 10_000)
    })
    expect(change('borrows_refused_total', { ...WRITER, reason: 'WEIR_CANCELLED' })).toBe(1)
    expect(change('borrows_refused_total', { ...WRITER, reason: 'WEIR_CLIENT_LEFT' })).toBe(1)
    expect(change('query_response_latency_seconds_count')).toBe(0)
    expect(change('query_database_response_latency_seconds_count')).toBe(0)
    expect(change('query_requests_total')).toBe(0)
  })

  it('that prepare again on another server connection count as injected', async () => {
    await warm()
    const [client, other] = await connectAll(2, house.writer)
    const named = { name: 'b', text: 'select 7 as seven' }
    const change = await watched(async () => {
      await client!.query(named)
      // Holds the connection that knows the statement, so that the next use lands on another.
      await other!.query('begin')
      await client!.query(named)
    })
    expect(change('prepared_statements_injected_total', NODE)).toBe(1)
  })
})

describe('Bytes', () => {
  it('are those of the messages, on both sides alike', async () => {
    await warm()
    const client = await connect(house.writer)
    await client.query('select 1')
    const text = `select repeat('x', 100000)`
    const change = await watched(async () => {
      await client.query(text)
    })
    const request = 5 + text.length + 1
    // RowDescription, DataRow, CommandComplete "SELECT 1", ReadyForQuery.
    const answer = 5 + 2 + 'repeat'.length + 1 + 18 + (5 + 2 + 4 + 100_000) + (5 + 9) + 6
    expect(change('client_received_bytes_total', WRITER)).toBe(request)
    expect(change('client_sent_bytes_total', WRITER)).toBe(answer)
    expect(change('database_sent_bytes_total', NODE)).toBe(request)
    expect(change('database_received_bytes_total', NODE)).toBe(answer)
  })

  it('of a whole session are what its socket saw, while it lives and after', async () => {
    await warm()
    let sent = 0
    let received = 0
    const change = await watched(async () => {
      const before = await now('client_received_bytes_total')
      const client = await connect(house.writer)
      await client.query('select 1')
      const { stream } = wireOf(client)
      expect((await now('client_received_bytes_total')) - before).toBe(stream.bytesWritten)
      await client.end()
      await quiet()
      sent = stream.bytesWritten
      received = stream.bytesRead
    })
    expect(change('client_received_bytes_total', WRITER)).toBe(sent)
    expect(change('client_sent_bytes_total', WRITER)).toBe(received)
  })

  it('of a server connection stay counted when it is gone', async () => {
    await warm()
    const change = await watched(async () => {
      await house.ask(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where pid <> pg_backend_pid() and backend_type = 'client backend' and application_name <> 'weir probe'`,
      )
      await until(() => house.app.snapshot().pools.every((p) => p.total === 0), 10_000)
    })
    expect(change('database_connections', NODE)).toBeLessThan(0)
    expect(change('database_sent_bytes_total', NODE)).toBe(0)
    // The FATAL it said goodbye with.
    expect(change('database_received_bytes_total', NODE)).toBeGreaterThan(0)
    const gone = -change('database_connections', NODE)
    expect(change('database_connections_evicted_total', { ...NODE, reason: 'broken' })).toBe(gone)
    expect(change('node_hints_total', { ...NODE, reason: 'shutdown' })).toBe(gone)
  })
})

describe('Sessions', () => {
  it('are counted in, now, and out by reason', async () => {
    await warm()
    const change = await watched(async () => {
      const [left, gone] = await connectAll(2, house.writer)
      expect(await now('client_connections', WRITER)).toBe(2)
      expect(await now('client_connections_no_tls', WRITER)).toBe(2)
      await left!.end()
      wireOf(gone!).stream.destroy()
      await quiet()
    })
    expect(change('client_connections_received_total', WRITER)).toBe(2)
    expect(change('client_connections_setup_succeeded_total', WRITER)).toBe(2)
    expect(change('client_connections', WRITER)).toBe(0)
    expect(change('client_connections_closed_total', { reason: 'client-quit' })).toBe(1)
    expect(change('client_connections_closed_total')).toBe(2)
  })

  it('over TLS are counted apart, with their requests', async () => {
    await warm()
    const change = await watched(async () => {
      const client = await connect(house.writer, { ssl: { rejectUnauthorized: false } })
      await client.query('select 1')
      expect(await now('client_connections_tls', WRITER)).toBe(1)
      expect(await now('client_connections_no_tls', WRITER)).toBe(0)
      await client.end()
      await quiet()
    })
    expect(change('query_requests_tls_total', WRITER)).toBe(1)
    expect(change('query_requests_no_tls_total', WRITER)).toBe(0)
    expect(change('client_connections_tls', WRITER)).toBe(0)
  })

  it('that fail to log in are refused, and no session', async () => {
    const change = await watched(async () => {
      const error = await failure(connect(house.writer.replace(':weir@', ':wrong@')))
      expect(error.code).toBe('28P01')
    })
    expect(change('client_connections_received_total', WRITER)).toBe(1)
    expect(change('client_connections_setup_failed_auth_total', WRITER)).toBe(1)
    expect(change('client_connections_refused_total', { reason: 'auth-failed' })).toBe(1)
    expect(change('client_connections_setup_succeeded_total')).toBe(0)
  })

  it('in a transaction and pinned ones show at their node, until they end', async () => {
    await warm()
    const [inside, pinned] = await connectAll(2, house.writer)
    const change = await watched(async () => {
      await inside!.query('begin')
      await pinned!.query('create temp table something (n int)')
      // What a statement leaves behind is known a moment after its answer.
      await until(() => house.app.snapshot().clients.pinned === 1, 10_000)
    })
    expect(change('database_connections_currently_in_transaction', NODE)).toBe(1)
    expect(change('database_connections_currently_session_pinned', NODE)).toBe(1)
    expect(change('database_connections_currently_borrowed', NODE)).toBe(2)
    expect(change('session_pins_total', { ...WRITER, reason: 'temporary' })).toBe(1)
    expect(change('session_pins_total')).toBe(1)
    await failure(inside!.query('select 1 / 0'))
    expect(await now('database_connections_currently_in_transaction', NODE)).toBe(1)
    await inside!.query('rollback')
    await inside!.end()
    await pinned!.end()
    await quiet()
    expect(await now('database_connections_currently_in_transaction', NODE)).toBe(0)
    expect(await now('database_connections_currently_session_pinned', NODE)).toBe(0)
  })
})

describe('A cancel request', () => {
  it('is counted where it came in and where it went', async () => {
    await warm()
    const client = await connect(house.writer)
    const change = await watched(async () => {
      const asleep = failure(client.query('select pg_sleep(600)'))
      await until(async () => (await asleepAt()) === 1, 10_000)
      await cancel(cancelKeyOf(client))
      expect((await asleep).code).toBe('57014')
    })
    expect(change('client_cancels_total', WRITER)).toBe(1)
    expect(change('database_cancels_total', NODE)).toBe(1)
    expect(change('client_connections_received_total', WRITER)).toBe(1)
  })
})

describe('Nodes', () => {
  it('are opened over TLS where they offer it', async () => {
    const directory = await house.ask('show data_directory')
    const data = String(directory[0]?.data_directory)
    const { uid, gid } = await stat(data)
    for (const name of ['test.crt', 'test.key']) {
      await copyFile(join(certificates, name), join(data, name))
      await chown(join(data, name), uid, gid)
    }
    await house.ask(`alter system set ssl_cert_file = 'test.crt'`)
    await house.ask(`alter system set ssl_key_file = 'test.key'`)
    await house.ask('alter system set ssl = on')
    await house.ask('select pg_reload_conf()')
    await until(async () => (await house.ask('show ssl'))[0]?.ssl === 'on', 10_000)
    await house.ask(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where pid <> pg_backend_pid() and backend_type = 'client backend' and application_name <> 'weir probe'`,
    )
    await until(() => house.app.snapshot().pools.every((p) => p.total === 0), 10_000)
    const client = await connect(house.writer)
    const change = await watched(async () => {
      // Both connections of the pool; the logins cost none, for their welcome is known.
      await client.query('begin')
      const other = await connect(house.writer)
      await other.query('begin')
    })
    expect(await now('database_connections_with_tls', NODE)).toBe(2)
    expect(await now('database_connection_requests_with_tls_total', NODE)).toBe(2)
    expect(change('database_connection_requests_total', NODE)).toBe(2)
    expect(change('database_connection_requests_with_tls_total', NODE)).toBe(2)
    expect(change('database_connections_setup_succeeded_total', NODE)).toBe(2)
  })

  it('that are down have no lag, and what stands beside an endpoint does not name it again', async () => {
    await house.cluster.kill('node-2')
    const node = () => house.app.snapshot().nodes.find((n) => n.name === 'node-2')
    await until(() => node()?.health === 'down', 10_000)
    expect(node()?.lagMs).toBeNull()
    expect([...(await scrape(adminPort)).keys()]).not.toContain(
      'weir_node_lag_seconds{node="node-2"}',
    )
    expect(await now('node_up', { node: 'node-2' })).toBe(0)
    expect(await now('availability_percentage', { role: 'reader' })).toBe(0)
    await house.cluster.kill('node-1')
    const writer = () => house.app.snapshot().endpoints.find((e) => e.name === 'writer')
    await until(() => /^the writer is away/.test(writer()?.chooses ?? ''), 10_000)
    expect(await now('availability_percentage', { role: 'writer' })).toBe(0)
    await house.cluster.start('node-1')
    await house.cluster.start('node-2')
    await until(async () => (await now('availability_percentage')) === 200, 30_000)
  })

  it('that answer and fail probes, and change the writer, are counted', async () => {
    const change = await watched(async () => {
      await house.cluster.promote('node-2')
      await until(
        async () =>
          (await now('writer_changes_total')) > sumOf(atFirst, 'weir_writer_changes_total'),
        30_000,
      )
      await until(async () => (await now('node_role', { ...NODE, role: 'reader' })) === 1, 30_000)
    })
    expect(change('writer_changes_total')).toBe(1)
    expect(change('node_probes_passed_total', { node: 'node-2' })).toBeGreaterThan(0)
    expect(change('node_probes_failed_total', NODE)).toBeGreaterThan(0)
    expect(change('node_timeline', { node: 'node-2' })).toBe(1)
  })
})

async function cancel({ pid, secret }: { pid: number; secret: number }): Promise<void> {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(secret)
  await exchange(house.port, cancelRequest(pid, bytes))
}

async function asleepAt(): Promise<number> {
  const asleep = `select 1 from pg_stat_activity where wait_event = 'PgSleep'`
  return (await house.ask(asleep)).length
}
