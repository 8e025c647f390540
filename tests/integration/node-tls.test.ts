/** TLS towards nodes: what is verified, with which files, on which connections, and in what words it fails. */
import { chownSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type Authority,
  issue,
  makeAuthority,
  type Pair,
  revoke,
} from '../../src/certificates/authority.ts'
import { until } from '../../src/core/until.ts'
import { cancelRequest } from '../../src/wire/postgres/frontend.ts'
import { cancelKeyOf, connect, endClients, failure, one } from '../support/clients.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'
import { exchange } from '../support/raw-session.ts'

let house: House
let authority: Authority
let stranger: Authority
let server: Pair
let data: string
const fronts: Front[] = []

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  data = String((await house.ask('show data_directory'))[0]!.data_directory)
  authority = await makeAuthority('nodes CA', 2)
  stranger = await makeAuthority('another CA', 2)
  server = await issue(authority, {
    purpose: 'server',
    commonName: 'node-1',
    names: ['node-1.internal'],
    days: 1,
  })
  const client = await issue(authority, { purpose: 'client', commonName: 'weir', days: 1 })
  file('ca.crt', authority.certificate)
  file('other-ca.crt', stranger.certificate)
  file('client.crt', client.certificate)
  file('client.key', client.key)
  const rules = [
    'hostssl all bare 127.0.0.1/32 scram-sha-256 clientcert=verify-ca',
    'hostssl all clear_only 127.0.0.1/32 reject',
    'hostnossl all tls_only 127.0.0.1/32 reject',
    'host all all 127.0.0.1/32 scram-sha-256',
    'local all all scram-sha-256',
  ]
  onNode('pg_hba.conf', `${rules.join('\n')}\n`)
  onNode('node-ca.crt', authority.certificate)
  onNode('node.crt', server.certificate)
  onNode('node.key', server.key)
  for (const user of USERS) await house.ask(`create role ${user} login password 's3cret'`)
  await house.ask(`alter system set ssl_cert_file = 'node.crt'`)
  await house.ask(`alter system set ssl_key_file = 'node.key'`)
  await house.ask(`alter system set ssl_ca_file = 'node-ca.crt'`)
  await house.ask('alter system set ssl = on')
  await reload()
  await until(async () => (await house.ask('show ssl'))[0]?.ssl === 'on', 10_000, { what: 'TLS' })
})

afterEach(async () => {
  endClients()
  for (const front of fronts.splice(0)) await front.end()
})

afterAll(() => house?.end())

const USERS = ['bare', 'clear_only', 'tls_only', 'bound']

function file(name: string, text: string): string {
  const path = join(house.directory, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

function onNode(name: string, text: string): void {
  writeFileSync(join(data, name), text, { mode: 0o600 })
  const { uid, gid } = statSync(data)
  chownSync(join(data, name), uid, gid)
}

async function reload(): Promise<void> {
  await house.ask('select pg_reload_conf()')
}

const at = (name: string): string => join(house.directory, name)

/** @param node more for the node, `tls` of its own */
async function front(tls: object, node: object = {}, ready = true, user = 'weir'): Promise<Front> {
  const { name, host, port } = house.cluster.writer()
  const made = await startFront(house, {
    config: { tls, topology: { user, database: 'app' }, nodes: [{ name, host, port, ...node }] },
    users: USERS.map((username) => ({ username, password: 's3cret' })),
    pool: { maxConnections: 1 },
    ready,
  })
  fronts.push(made)
  return made
}

const SSL = 'select ssl from pg_stat_ssl where pid = pg_backend_pid()'

async function because(made: Front): Promise<string> {
  const down = () => made.app.snapshot().nodes.find(({ health }) => health === 'down')
  return (await until(down, 20_000, { what: 'the node to be found down' })).because
}

describe('the certificate of a node', () => {
  it('must name it under verify-full, and the error says what to do', async () => {
    const made = await front({ nodes: 'verify-full', nodesCaFile: at('ca.crt') }, {}, false)
    const why = await because(made)
    expect(why).toContain('TLS to node-1 (verify-full) failed')
    expect(why).toContain('127.0.0.1')
    expect(why).toContain('Set tls.serverName of the node')
  })

  it('may name it otherwise where the settings of that node say so', async () => {
    const tls = { serverName: 'node-1.internal', caFile: at('ca.crt') }
    const made = await front({ nodes: 'verify-full', nodesCaFile: at('other-ca.crt') }, { tls })
    expect(await one(await connect(made.url()), SSL)).toBe(true)
  })

  it('is verified under require too when authorities are named, as in libpq', async () => {
    const made = await front({ nodes: 'require', nodesCaFile: at('other-ca.crt') }, {}, false)
    expect(await because(made)).toContain('tls.nodesCaFile')
  })

  it('is verified by the file as it is now, not as it was at the start', async () => {
    const live = file('live-ca.crt', stranger.certificate)
    const made = await front({ nodes: 'verify-ca', nodesCaFile: live }, {}, false)
    expect(await because(made)).toContain('verify-ca')
    renameSync(file('next-ca.crt', authority.certificate), live)
    await made.app.whenReady(20_000)
    expect(await one(await connect(made.url()), SSL)).toBe(true)
  })

  it('is refused once it is revoked', async () => {
    const fine = file('fine.crl', await revoke(authority, [], 1))
    const nodes = { nodes: 'verify-ca', nodesCaFile: at('ca.crt') }
    const made = await front({ ...nodes, nodesCrlFile: fine })
    expect(await one(await connect(made.url()), SSL)).toBe(true)
    const revoked = file('revoked.crl', await revoke(authority, [server.certificate], 1))
    const other = await front({ ...nodes, nodesCrlFile: revoked }, {}, false)
    expect(await because(other)).toContain('certificate revoked')
  })
})

describe('our own certificate', () => {
  it('is shown to a node that asks for one', async () => {
    const shown = { nodesCertFile: at('client.crt'), nodesKeyFile: at('client.key') }
    const made = await front({ nodes: 'require', ...shown })
    const client = await connect(made.url('writer', 'bare'))
    const { rows } = await client.query(
      'select client_dn from pg_stat_ssl where pid = pg_backend_pid()',
    )
    expect(rows).toEqual([{ client_dn: '/CN=weir' }])
  })

  it('is missed by a node in its own words, which say where', async () => {
    const made = await front({ nodes: 'require' })
    expect(await failure(connect(made.url('writer', 'bare')))).toMatchObject({
      code: '28000',
      message: 'connection requires a valid client certificate',
      detail: expect.stringContaining('pool node-1/app/bare cannot open a server connection'),
    })
  })

  it('is refused by a node that cannot verify it, and the error says what to set', async () => {
    const foreign = await issue(stranger, { purpose: 'client', commonName: 'weir', days: 1 })
    const shown = {
      nodesCertFile: file('foreign.crt', foreign.certificate),
      nodesKeyFile: file('foreign.key', foreign.key),
    }
    const made = await front({ nodes: 'require', ...shown }, {}, false)
    const why = await because(made)
    expect(why).toContain('TLS to node-1 (require) failed')
    expect(why).toContain('tls.nodesCertFile')
  })
})

describe('the ways of a mode', () => {
  it.each([
    ['prefer', 'clear_only', false],
    ['prefer', 'tls_only', true],
    ['allow', 'clear_only', false],
    ['allow', 'tls_only', true],
  ])('%s takes the other one where the rules of the node want it: %s', async (nodes, user, ssl) => {
    const made = await front({ nodes })
    expect(await one(await connect(made.url('writer', user)), SSL)).toBe(ssl)
  })

  it('require knows no other way', async () => {
    const made = await front({ nodes: 'require' })
    const error = await failure(connect(made.url('writer', 'clear_only')))
    expect(error.message).toContain('pg_hba.conf rejects connection')
  })
})

describe('direct TLS', () => {
  it('carries logins, the probe and cancel requests, with nothing in clear before it', async () => {
    const seen: Buffer[] = []
    const node = house.cluster.writer()
    const relay = createServer((from) => {
      const to = connectTcp(node.port, node.host)
      from.once('data', (bytes) => seen.push(Buffer.from(bytes)))
      from.pipe(to).pipe(from)
      for (const socket of [from, to]) socket.on('error', () => from.destroy())
      from.on('close', () => to.destroy())
    })
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = relay.address() as AddressInfo
      const made = await front({ nodes: 'require', nodesNegotiation: 'direct' }, { port })
      const client = await connect(made.url())
      expect(await one(client, SSL)).toBe(true)
      const asleep = failure(client.query('select pg_sleep(600)'))
      const sleeping = `select 1 from pg_stat_activity where wait_event = 'PgSleep'`
      await until(async () => (await house.ask(sleeping)).length === 1, 10_000)
      const before = seen.length
      const { pid, secret } = cancelKeyOf(client)
      const key = Buffer.alloc(4)
      key.writeInt32BE(secret)
      await exchange(made.port('writer'), cancelRequest(pid, key))
      expect((await asleep).code).toBe('57014')
      expect(seen.length).toBeGreaterThan(before)
      // 22 begins a TLS handshake.
      expect(seen.map((bytes) => bytes[0])).toEqual(seen.map(() => 22))
    } finally {
      endClients()
      relay.close()
    }
  })
})

it('control connections are encrypted as all others, and seen by their name', async () => {
  const made = await front({ nodes: 'verify-ca', nodesCaFile: at('ca.crt') }, {}, true, 'bound')
  const rows = await house.ask(
    `select application_name, ssl from pg_stat_ssl join pg_stat_activity using (pid)
     where usename = 'bound'`,
  )
  expect(rows).toEqual([{ application_name: 'weir probe', ssl: true }])
  expect(made.app.snapshot().nodes[0]).toMatchObject({ health: 'up', role: 'writer' })
})
