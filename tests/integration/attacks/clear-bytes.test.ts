/**
 * Somebody between client, Weir and node who cannot read TLS, but can write before it is up, answer in
 * the node's place, or show a certificate that is nearly the right one.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Authority, issue, makeAuthority } from '../../../src/certificates/authority.ts'
import { until } from '../../../src/core/until.ts'
import * as backend from '../../../src/wire/postgres/backend.ts'
import { query, sslRequest, startupMessage } from '../../../src/wire/postgres/frontend.ts'
import { connect, endClients, failure, one } from '../../support/clients.ts'
import { type Front, startFront } from '../../support/front.ts'
import { type House, startHouse } from '../../support/house.ts'
import { dial, PROTOCOL_3, RawSession } from '../../support/raw-session.ts'
import { answer, type Evil, EvilNode, welcome } from './evil-node.ts'
import { ATTACK_PORTS, type Standing, weirBefore } from './weir-before.ts'

describe('Towards a node with tls.nodes require, somebody who', () => {
  let node: EvilNode
  let weir: Standing | undefined

  beforeAll(async () => {
    node = await EvilNode.start()
  })

  afterEach(async () => {
    await weir?.end()
    weir = undefined
  })

  afterAll(() => node?.close())

  /** What Weir says of the node; nothing of a login may have been sent to it in clear. */
  async function because(onTls: Evil): Promise<string> {
    node.onTls = onTls
    weir = await weirBefore(node.port, { tls: { nodes: 'require' } }, false)
    const said = await until(() => {
      const { health, because } = weir!.node()
      return health === 'down' ? because : undefined
    }, 20_000)
    expect(node.startups).toBe(0)
    return said
  }

  it('answers behind the answer to the request for TLS is not believed', async () => {
    const forged = Buffer.concat([Buffer.from('S'), welcome(), answer('forged')])
    expect(await because((wire) => wire.send(forged))).toContain('received unencrypted data')
  })

  it('says that there is no TLS gets no login in clear', async () => {
    expect(await because((wire) => wire.send(Buffer.from('N')))).toMatch(/TLS/)
  })

  it('answers with an error of his own puts no words into the mouth of the node', async () => {
    const words = 'your password has expired, set a new one at evil.test'
    const error = backend.errorResponse({ severity: 'FATAL', code: '28000', message: words })
    const said = await because((wire) => {
      wire.send(error)
      wire.socket.end()
    })
    expect(said).not.toContain('evil.test')
    expect(weir!.log.text()).not.toContain('evil.test')
  })
})

describe('Towards clients with certificates, somebody who', () => {
  let house: House
  let front: Front
  let authority: Authority

  beforeAll(async () => {
    house = await startHouse({ ports: ATTACK_PORTS })
    await house.ask(`create role alice login password 'wonder'`)
    await house.ask('create table canary (sings text)')
    await house.ask(`insert into canary values ('yes')`)
    authority = await makeAuthority('Test CA', 90)
    const pair = await issue(authority, {
      purpose: 'server',
      commonName: 'localhost',
      names: ['localhost'],
      days: 60,
    })
    const file = (name: string): string => join(house.directory, name)
    await writeFile(file('ca.crt'), authority.certificate)
    await writeFile(file('door.crt'), pair.certificate)
    await writeFile(file('door.key'), pair.key, { mode: 0o600 })
    front = await startFront(house, {
      users: [{ username: 'alice', password: 'wonder' }],
      config: {
        tls: {
          mode: 'required',
          certFile: file('door.crt'),
          keyFile: file('door.key'),
          clientCaFile: file('ca.crt'),
          clientCertificates: 'required',
        },
        auth: { methods: ['cert'] },
      },
    })
  })

  afterEach(async () => {
    endClients()
    expect(await house.ask('select sings from canary')).toEqual([{ sings: 'yes' }])
  })

  afterAll(async () => {
    endClients()
    await front?.end()
    await house?.end()
  })

  const startup = startupMessage(PROTOCOL_3, [
    ['user', 'alice'],
    ['database', 'app'],
  ])

  async function pairOf(commonName: string): Promise<{ cert: string; key: string }> {
    const pair = await issue(authority, { purpose: 'client', commonName, names: [], days: 60 })
    return { cert: pair.certificate, key: pair.key }
  }

  it('writes ahead of the handshake of a client gets nothing run in its name', async () => {
    const pair = await pairOf('alice')
    const slipped = Buffer.concat([startup, query('drop table canary')])
    for (const early of [slipped, startup, Buffer.from([0])]) {
      for (const late of [false, true]) {
        const socket = await dial(front.port('writer'))
        socket.on('error', () => {})
        socket.write(late ? sslRequest() : Buffer.concat([sslRequest(), early]))
        const said = await new Promise<Buffer>((resolve) => socket.once('data', resolve))
        if (!late) {
          expect(said.toString('latin1', 0, 1)).toBe('E')
          continue
        }
        // The answer is there; now before the client's own handshake begins.
        expect(said.toString('latin1')).toBe('S')
        socket.write(early)
        const secure = connectTls({ socket, ...pair, rejectUnauthorized: false })
        secure.on('error', () => {})
        secure.once('secureConnect', () => secure.write(startup))
        const raw = new RawSession(secure)
        await until(() => raw.closed, 20_000, { what: 'the connection to end' })
        expect(raw.messages.map(({ type }) => type)).not.toContain('Z')
      }
    }
  })

  it('has a certificate for nearly that name is not that user', async () => {
    const login = async (commonName: string): Promise<unknown> => {
      const ssl = { ...(await pairOf(commonName)), rejectUnauthorized: false, host: 'localhost' }
      const client = await connect(front.url('writer', 'alice'), { ssl })
      return one(client, 'select current_user')
    }
    expect(await login('alice')).toBe('alice')
    const nearly = [
      'alice\0',
      'alice\0.evil.test',
      'Alice',
      'alice ',
      ' alice',
      'alice.evil.test',
      'xalice',
      'alice,CN=weir',
      'weir,CN=alice',
      `alice${'x'.repeat(40)}`,
      '*',
    ]
    for (const commonName of nearly) {
      const error = await failure(login(commonName))
      expect(error.code, JSON.stringify(commonName)).toBe('28000')
    }
  })

  it('resumes the TLS session of another is asked for a certificate of his own', async () => {
    const port = front.port('writer')
    const options = { port, host: '127.0.0.1', ALPNProtocols: ['postgresql'] }
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const pair = await pairOf('alice')
      const first = connectTls({ ...options, ...pair, maxVersion, rejectUnauthorized: false })
      let session: Buffer | undefined
      first.on('session', (bytes: Buffer) => {
        session = bytes
      })
      const good = new RawSession(first)
      await new Promise((resolve) => first.once('secureConnect', resolve))
      good.send(startup)
      await good.take('Z')
      session ??= first.getSession()
      good.vanish()
      const second = connectTls({
        ...options,
        maxVersion,
        rejectUnauthorized: false,
        ...(session === undefined ? {} : { session }),
      })
      const raw = new RawSession(second)
      let resumed = false
      second.once('secureConnect', () => {
        resumed = second.isSessionReused()
        raw.send(startup)
      })
      await until(() => raw.closed, 20_000, { what: 'the connection to end' })
      expect(raw.messages.map(({ type }) => type)).not.toContain('Z')
      expect(resumed).toBe(false)
    }
  })
})
