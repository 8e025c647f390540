/** A name server as the source: which nodes its records make, and that they keep their names. */
import { afterEach, expect, test } from 'vitest'
import { type DnsOptions, dnsSource } from '../../../../src/topology/source/dns.ts'
import { type NameServer, type Records, startNameServer } from '../../../support/name-server.ts'

let server: NameServer | undefined
afterEach(async () => {
  await server?.end()
  server = undefined
})

async function source(records: Records, options: Partial<DnsOptions> = {}) {
  server = await startNameServer(records)
  return dnsSource({
    ...{ names: ['pg.test'], record: 'A', port: 5432, servers: [server.address] },
    ...options,
  })
}

const ask = (from: ReturnType<typeof dnsSource>) => from.list(new AbortController().signal)
const nodesOf = async (from: ReturnType<typeof dnsSource>) =>
  (await ask(from)).nodes.map((n) => `${n.name} ${n.host}:${n.port} ${n.weight}`)

test('each address is a node called by it, however the list is turned', async () => {
  const dns = await source({
    a: { 'pg.test': ['10.0.0.12', '10.0.0.2', '10.0.0.1'] },
    aaaa: { 'pg.test': ['fd00::5'] },
  })
  const nodes = [
    '10.0.0.1 10.0.0.1:5432 1',
    '10.0.0.2 10.0.0.2:5432 1',
    '10.0.0.12 10.0.0.12:5432 1',
    'fd00::5 fd00::5:5432 1',
  ]
  expect(await nodesOf(dns)).toEqual(nodes)
  server!.records = {
    a: { 'pg.test': ['10.0.0.1', '10.0.0.12', '10.0.0.2'] },
    aaaa: { 'pg.test': ['fd00::5'] },
  }
  expect(await nodesOf(dns)).toEqual(nodes)
  expect(dns.place).toBe(`A and AAAA of pg.test at ${server!.address}`)
})

test('names and addresses that stand twice are one node', async () => {
  const records = { a: { 'a.test': ['10.0.0.1'], 'b.test': ['10.0.0.2', '10.0.0.1'] } }
  const dns = await source(records, { names: ['a.test', 'b.test'], port: 5433 })
  expect(await nodesOf(dns)).toEqual(['10.0.0.1 10.0.0.1:5433 1', '10.0.0.2 10.0.0.2:5433 1'])
})

test('a service names its targets, and a target that moves keeps its name', async () => {
  const srv = {
    '_pg._tcp.test': [
      { target: 'db-1.pg.test', port: 5433, weight: 33 },
      { target: 'db-0.pg.test', port: 5432, weight: 33 },
    ],
  }
  const a = { 'db-0.pg.test': ['10.0.0.5'], 'db-1.pg.test': ['10.0.0.6'] }
  const dns = await source({ srv, a }, { names: ['_pg._tcp.test'], record: 'SRV' })
  expect(await nodesOf(dns)).toEqual(['db-0 10.0.0.5:5432 1', 'db-1 10.0.0.6:5433 1'])
  server!.records = { srv, a: { ...a, 'db-1.pg.test': ['10.0.0.9'] } }
  expect(await nodesOf(dns)).toEqual(['db-0 10.0.0.5:5432 1', 'db-1 10.0.0.9:5433 1'])
})

test('weights count where they differ, and two targets of one first label stay apart', async () => {
  const srv = {
    's.test': [
      { target: 'db.east.test', port: 1, weight: 10 },
      { target: 'db.west.test', port: 1, weight: 30 },
    ],
  }
  const a = { 'db.east.test': ['10.0.0.1'], 'db.west.test': ['10.0.0.2'] }
  const dns = await source({ srv, a }, { names: ['s.test'], record: 'SRV' })
  expect(await nodesOf(dns)).toEqual(['db.east.test 10.0.0.1:1 10', 'db.west.test 10.0.0.2:1 30'])
})

test('what cannot be found is said in words', async () => {
  const dns = await source({ a: { 'other.test': ['10.0.0.1'] } })
  await expect(ask(dns)).rejects.toThrow('pg.test has no address')
  const services = dnsSource({
    ...{ names: ['pg.test'], record: 'SRV', port: 5432, servers: [server!.address] },
  })
  await expect(ask(services)).rejects.toThrow('SRV of pg.test: there is no such name (ENOTFOUND)')
})

test('a name server that is silent is given up when nobody waits any more', async () => {
  const dns = await source({})
  server!.records = undefined
  const off = new AbortController()
  const list = dns.list(off.signal)
  off.abort()
  await expect(list).rejects.toThrow(
    'addresses of pg.test: the name server did not answer in time (ECANCELLED)',
  )
})
