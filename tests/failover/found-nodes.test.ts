/** Nodes that a name server or Aurora's own function names: they come, go and change their roles. */
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { connect, endClients, failure, one } from '../support/clients.ts'
import { type Front, startFront } from '../support/front.ts'
import { type House, rowsOf, startHouse } from '../support/house.ts'
import { type NameServer, startNameServer } from '../support/name-server.ts'

let house: House | undefined
let front: Front | undefined
let names: NameServer | undefined

afterEach(async () => {
  endClients()
  await front?.end()
  await house?.end()
  await names?.end()
  front = house = names = undefined
})

const lab = async (nodes: number): Promise<House> => {
  house = await startHouse({ nodes, ports: [15_960, 15_999] })
  return house
}

/** A Weir of its own that finds its nodes by `source`. */
const startFound = async (
  source: object,
  endpoints: readonly Readonly<Record<string, unknown>>[] = [
    { name: 'writer', kind: 'writer' },
    { name: 'reader', kind: 'reader', noReader: 'error' },
  ],
): Promise<Front> => {
  const { user, database } = house!.cluster.login
  const topology = { user, database, source: { period: '100ms', ...source } }
  front = await startFront(house!, { config: { nodes: undefined, topology }, endpoints })
  return front
}

const picture = () =>
  front!.app
    .snapshot()
    .nodes.map((n) => `${n.name} ${n.role}/${n.health}`)
    .join(', ')
const seen = (text: string) =>
  until(() => picture() === text, 20_000, { what: `${text}, not ${picture()}` })
const said = (text: string) => front!.app.snapshot().events.some((e) => e.text.includes(text))

describe('Nodes named by a name server', () => {
  /** SRV records for the nodes with these numbers. */
  const recordsFor = (...numbers: number[]) => ({
    a: Object.fromEntries([1, 2, 3].map((n) => [`node-${n}.test`, ['127.0.0.1']])),
    srv: {
      'pg.test': numbers.map((n) => ({
        target: `node-${n}.test`,
        port: house!.cluster.nodes()[n - 1]!.port,
      })),
    },
  })

  it('a reader that leaves serves its transaction to the end and nobody after it', async () => {
    const { cluster } = await lab(3)
    names = await startNameServer(recordsFor(1, 2))
    await startFound({ kind: 'dns', record: 'SRV', names: ['pg.test'], servers: [names.address] }, [
      { name: 'writer', kind: 'writer' },
      { name: 'reader', kind: 'reader' },
      { name: 'third', kind: 'instance', node: 'node-3' },
    ])
    await seen('node-1 writer/up, node-2 reader/up')
    expect(said('endpoint third names node-3, not there now; there are node-1, node-2')).toBe(true)
    const early = await failure(connect(front!.url('third')))
    expect(early).toMatchObject({ code: '08001' })
    expect(early.message).toContain('there is no node node-3')

    const port = 'select inet_server_port()'
    const ports = cluster.nodes().map((n) => n.port)
    const client = await connect(front!.url('reader'))
    await client.query('begin')
    expect(await one(client, port)).toBe(ports[1])

    names.records = recordsFor(1, 3)
    await seen('node-1 writer/up, node-3 reader/up')
    expect(said('node-2 left the topology')).toBe(true)
    expect(await one(client, port)).toBe(ports[1])
    await client.query('commit')
    expect(await one(client, port)).toBe(ports[2])
    expect(client.strays).toEqual([])
    expect(front!.app.snapshot().pools.filter((p) => p.node === 'node-2')).toEqual([])
    expect(await one(await connect(front!.url('third')), port)).toBe(ports[2])
  })

  it('a name server that falls silent changes nothing, and a failover happens all the same', async () => {
    const { cluster } = await lab(2)
    names = await startNameServer(recordsFor(1, 2))
    await startFound({ kind: 'dns', record: 'SRV', names: ['pg.test'], servers: [names.address] })
    await seen('node-1 writer/up, node-2 reader/up')
    const client = await connect(front!.url())
    await client.query('select 1')
    names.records = undefined
    await until(() => front!.app.snapshot().source.ok === false, 10_000)
    expect(said('does not answer: SRV of pg.test: ')).toBe(true)
    await cluster.promote('node-2')
    expect(await one(client, 'select inet_server_port()')).toBe(cluster.nodes()[1]!.port)
    names.records = recordsFor(1, 2)
    await until(() => front!.app.snapshot().source.ok === true, 10_000)
    expect(said('answers again, after ')).toBe(true)
  })

  it('a node that moves is reached at its new address, and not at the old one', async () => {
    const { cluster } = await lab(3)
    names = await startNameServer(recordsFor(1, 2))
    await startFound({ kind: 'dns', record: 'SRV', names: ['pg.test'], servers: [names.address] })
    await seen('node-1 writer/up, node-2 reader/up')
    const client = await connect(front!.url('reader'))
    const ports = cluster.nodes().map((n) => n.port)
    const port = 'select inet_server_port()'
    expect(await one(client, port)).toBe(ports[1])
    const records = recordsFor(1, 2)
    names.records = {
      ...records,
      srv: { 'pg.test': [records.srv['pg.test'][0]!, { target: 'node-2.test', port: ports[2]! }] },
    }
    const moved = () => front!.app.snapshot().nodes[1]!.port === ports[2]
    await until(moved, 10_000, { what: 'node-2 at its new port' })
    await seen('node-1 writer/up, node-2 reader/up')
    expect(await one(client, port)).toBe(ports[2])
    expect(client.strays).toEqual([])
  })
})

describe('Nodes named by aurora_replica_status()', () => {
  /** What Aurora refuses. */
  const withoutLog = async (): Promise<void> => {
    await rowsOf(
      house!.direct,
      `set allow_system_table_mods = on;
       alter function pg_catalog.pg_last_wal_receive_lsn() rename to pg_no_longer;
       create function pg_catalog.pg_last_wal_receive_lsn() returns pg_lsn
         language plpgsql as $$ begin
           raise 'Function pg_last_wal_receive_lsn() is currently not supported for Aurora'
             using errcode = '0A000'; end $$;`,
    )
  }

  /** That, and what it has; the port of a node stands for the name of an instance. */
  const disguise = async (): Promise<void> => {
    const [first, second] = house!.cluster.nodes()
    await rowsOf(
      house!.direct,
      `create table instances (server_id text, writes bool, lag float8);
       insert into instances values ('${first!.port}', true, null), ('${second!.port}', false, 17);
       create function aurora_db_instance_identifier() returns text language sql
         as 'select inet_server_port()::text';
       create function aurora_replica_status(out server_id text, out session_id text,
           out last_update_timestamp timestamptz, out replica_lag_in_msec float8)
         returns setof record language sql as $$ select server_id,
           case when writes then 'MASTER_SESSION_ID' else 'b9ef-' || server_id end, now(), lag
           from instances $$`,
    )
    await withoutLog()
  }

  it('instances are found, asked for their roles, and their lag is what Aurora says', async () => {
    const { cluster } = await lab(2)
    await disguise()
    const [first, second] = cluster.nodes()
    // The first host is one that nobody listens at.
    const hosts = ['127.0.0.1:1', `127.0.0.1:${second!.port}`]
    await startFound({ kind: 'aurora', hosts, instanceHost: '127.0.0.1:?' }, [
      { name: 'writer', kind: 'writer' },
      { name: 'reader', kind: 'reader', noReader: 'error', maxLag: '100ms' },
    ])
    await seen(`${first!.port} writer/up, ${second!.port} reader/up`)
    expect(front!.app.snapshot().nodes.map((n) => [n.lagMs, n.timeline])).toEqual([
      [0, null],
      [17, null],
    ])
    const port = 'select inet_server_port()'
    const client = await connect(front!.url())
    const reader = await connect(front!.url('reader'))
    expect(await one(client, port)).toBe(first!.port)
    expect(await one(reader, port)).toBe(second!.port)

    await rowsOf(house!.direct, `update instances set lag = 5000 where not writes`)
    await until(() => front!.app.snapshot().nodes[1]!.lagMs === 5000, 10_000)

    await cluster.promote('node-2')
    expect(await one(client, port)).toBe(second!.port)
    expect(client.strays).toEqual([])
  })

  it('a node that tells nothing of its log, and is no Aurora either, still tells its role', async () => {
    const { cluster } = await lab(2)
    await withoutLog()
    front = await startFront(house!)
    await seen('node-1 writer/up, node-2 reader/up')
    expect(front.app.snapshot().nodes.map((n) => n.lagMs)).toEqual([0, null])
    const client = await connect(front.url())
    await client.query('select 1')
    await cluster.promote('node-2')
    expect(await one(client, 'select inet_server_port()')).toBe(cluster.nodes()[1]!.port)
  })
})
