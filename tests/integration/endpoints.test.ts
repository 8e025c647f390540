/** Which node answers: by port, by name, by TLS server name, and what happens without a reader. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { query } from '../../src/wire/postgres/frontend.ts'
import { writeTestCertificate } from '../support/certificate.ts'
import { type Client, connect, endClients, failure, one } from '../support/clients.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { type House, rowsOf, startHouse } from '../support/house.ts'
import { rawSession } from '../support/raw-session.ts'

const ENDPOINTS = [
  { name: 'writer', kind: 'writer' },
  { name: 'reader', kind: 'reader', tlsServerNames: ['reader', 'reader.db.test'] },
  { name: 'fresh', kind: 'reader', maxLag: '300ms', noReader: 'writer' },
  { name: 'strict', kind: 'reader', noReader: 'error' },
  { name: 'patient', kind: 'reader', noReader: 'wait', borrowTimeout: '2s' },
  { name: 'analytics', kind: 'custom', type: 'READER', staticMembers: ['node-3'] },
  { name: 'others', kind: 'custom', excludedMembers: ['node-3'] },
  { name: 'node-2', kind: 'instance', node: 'node-2' },
]

let house: House
let front: Front

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS, nodes: 3 })
  const { certFile, keyFile } = await writeTestCertificate(house.directory)
  front = await startFront(house, {
    endpoints: ENDPOINTS,
    config: {
      tls: { mode: 'allowed', certFile, keyFile },
      auth: { trust: true },
      topology: { period: '100ms', user: 'weir', database: 'app' },
    },
  })
  await allUp()
})

afterEach(() => endClients())

afterAll(async () => {
  endClients()
  await front?.end()
  await house?.end()
})

const allUp = () =>
  until(() => front.app.snapshot().nodes.every((n) => n.health === 'up'), 10_000, {
    what: 'all nodes to be up',
  })

const portOf = (name: string): number => house.cluster.node(name).port
const nodeOf = async (client: Client): Promise<string> => {
  const port = await one(client, 'select inet_server_port()')
  return house.cluster.nodes().find((n) => n.port === port)!.name
}
const nodeBehind = async (endpoint: string, options?: string): Promise<string> => {
  const client = await connect(front.url(endpoint), options === undefined ? {} : { options })
  return nodeOf(client)
}

describe('By port', () => {
  it('the writer endpoint leads to the writer, which writes', async () => {
    const client = await connect(front.url('writer'))
    expect(await nodeOf(client)).toBe('node-1')
    await client.query('create table if not exists written (n int)')
    expect((await client.query('insert into written values (1)')).rowCount).toBe(1)
  })

  it('the reader endpoint leads to readers only, which refuse to write', async () => {
    const client = await connect(front.url('reader'))
    expect(await one(client, 'select pg_is_in_recovery()')).toBe(true)
    expect((await failure(client.query('create table never (n int)'))).code).toBe('25006')
  })

  it('what was inserted through the writer can be read through the reader', async () => {
    const client = await connect(front.url('writer'))
    await client.query('create table if not exists carried (word text)')
    await client.query(`insert into carried values ('hello')`)
    const reader = await connect(front.url('reader'))
    const found = await until(() => one(reader, 'select word from carried'), 10_000)
    expect(found).toBe('hello')
  })

  it('a custom endpoint leads to its members only, an instance endpoint to its node only', async () => {
    for (let i = 0; i < 3; i++) {
      expect(await nodeBehind('analytics')).toBe('node-3')
      expect(['node-1', 'node-2']).toContain(await nodeBehind('others'))
      expect(await nodeBehind('node-2')).toBe('node-2')
    }
  })
})

describe('By name', () => {
  it('options=-c weir.endpoint=NAME leads there through any port', async () => {
    expect(await nodeBehind('writer', '-c weir.endpoint=node-2')).toBe('node-2')
    expect(await nodeBehind('reader', '-c weir.endpoint=writer')).toBe('node-1')
    const both = await connect(front.url('writer'), {
      options: '-c weir.endpoint=analytics -c work_mem=21MB',
    })
    expect(await nodeOf(both)).toBe('node-3')
    expect(await one(both, 'show work_mem')).toBe('21MB')
  })

  it('an unknown one is refused with the names that exist', async () => {
    const error = await failure(connect(front.url(), { options: '-c weir.endpoint=raeder' }))
    expect(error).toMatchObject({
      severity: 'FATAL',
      code: '08004',
      message: 'there is no endpoint "raeder"',
      hint: `Endpoints here: ${ENDPOINTS.map((e) => e.name).join(', ')}.`,
    })
  })

  it('a TLS server name leads there through any port', async () => {
    const nodeFor = async (serverName: string): Promise<number> => {
      const raw = await rawSession(front.port('writer'), { serverName })
      raw.messages.length = 0
      raw.send(query('select inet_server_port()'))
      const [port] = await raw.values()
      raw.vanish()
      return Number(port)
    }
    expect(await nodeFor('node-2')).toBe(portOf('node-2'))
    expect(await nodeFor('Analytics')).toBe(portOf('node-3'))
    expect([portOf('node-2'), portOf('node-3')]).toContain(await nodeFor('reader.db.test'))
    // A name of no endpoint is the name of the host, and the port decides.
    expect(await nodeFor('localhost')).toBe(portOf('node-1'))
  })
})

describe('Readers', () => {
  it('take new connections in turn, and each session keeps its reader', async () => {
    const clients: Client[] = []
    const nodes: string[] = []
    for (let i = 0; i < 6; i++) {
      const client = await connect(front.url('reader'))
      clients.push(client)
      nodes.push(await nodeOf(client))
    }
    expect(nodes.filter((n) => n === 'node-2').length).toBe(3)
    expect(nodes.filter((n) => n === 'node-3').length).toBe(3)
    for (let round = 0; round < 3; round++) {
      for (const [i, client] of clients.entries()) expect(await nodeOf(client)).toBe(nodes[i])
    }
  })

  it('that lag more than maxLag are skipped until they have caught up', async () => {
    const paused = ['node-2', 'node-3']
    const replay = (node: string, verb: string) =>
      rowsOf(house.cluster.url(node), `select pg_wal_replay_${verb}()`)
    await house.ask('create table if not exists ticks (at timestamptz)')
    const tick = () => house.ask('insert into ticks values (now())')
    const lagOf = (node: string) =>
      front.app.snapshot().nodes.find((n) => n.name === node)!.lagMs ?? 0
    const session = await connect(front.url('fresh'))
    expect(paused).toContain(await nodeOf(session))
    try {
      for (const [i, node] of paused.entries()) {
        await replay(node, 'pause')
        const expected = i === 0 ? ['node-3'] : ['node-1']
        await until(
          async () => {
            await tick()
            return lagOf(node) > 300
          },
          10_000,
          { what: `${node} to fall behind` },
        )
        expect(expected).toContain(await nodeBehind('fresh'))
        // A session that was there moves too; one without maxLag does not care.
        expect(expected).toContain(await nodeOf(session))
      }
      expect(paused).toContain(await nodeBehind('reader'))
    } finally {
      await Promise.all(paused.map((node) => replay(node, 'resume')))
    }
    await until(async () => paused.includes(await nodeBehind('fresh')), 10_000)
  })

  it('being all away, the policy decides: writer, error at once, or wait', async () => {
    const sessions = {
      fresh: await connect(front.url('fresh')),
      strict: await connect(front.url('strict')),
      patient: await connect(front.url('patient')),
    }
    for (const session of Object.values(sessions)) await session.query('select 1')
    await Promise.all(['node-2', 'node-3'].map((node) => house.cluster.stop(node)))
    const down = () => front.app.snapshot().nodes.filter((n) => n.health === 'down').length === 2
    await until(down, 10_000)
    expect(await nodeOf(sessions.fresh)).toBe('node-1')
    expect(await nodeBehind('reader')).toBe('node-1')
    const refused = await failure(sessions.strict.query('select 1'))
    expect(refused).toMatchObject({ code: '08001', message: 'endpoint strict: no reader is up' })
    const late = await failure(sessions.patient.query('select 1'))
    expect(late.code).toBe('08001')
    expect(late.message).toMatch(
      /^timed out after [\d.]+ s waiting for a node: endpoint patient: no reader is up$/,
    )
    await house.cluster.start('node-2')
    const waited = until(() => sessions.patient.query('select pg_is_in_recovery() as r'), 15_000)
    expect((await waited).rows).toEqual([{ r: true }])
    expect((await until(() => sessions.strict.query('select 5 as n'), 10_000)).rows[0].n).toBe(5)
    await house.cluster.start('node-3')
    await allUp()
  })
})
