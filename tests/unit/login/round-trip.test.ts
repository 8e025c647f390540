import { describe, expect, it } from 'vitest'
import type { Proof } from '../../../src/auth/credential.ts'
import { md5Hash } from '../../../src/auth/md5.ts'
import { ScramKeyCache } from '../../../src/auth/scram-key-cache.ts'
import { deriveKeys, formatVerifier } from '../../../src/auth/scram-keys.ts'
import { Secrets } from '../../../src/auth/secrets.ts'
import type { AuthMethod } from '../../../src/protocol/postgres/greet-step.ts'
import { byteByByte, connectingOptions, duet, greetingOptions, whole } from './duet.ts'

const entry = (username: string, password: string) => ({ username, password, source: 'test' })
const secrets = await Secrets.of([entry('app', 's3cret')])
const right: Proof = { kind: 'password', password: 's3cret' }
const wrong: Proof = { kind: 'password', password: 's3cret2' }
const METHODS: AuthMethod[] = ['scram-sha-256', 'md5', 'trust']

const salt = Buffer.from('0123456789abcdef')
const keys = await deriveKeys('s3cret', salt, 4096)
const stored = formatVerifier({ salt, iterations: 4096, ...keys })

describe('a login through both machines', () => {
  describe.each([
    ['whole', whole],
    ['byte by byte', byteByByte],
  ])('with messages sent %s', (_, cut) => {
    it.each(METHODS)('succeeds by %s', async (method) => {
      const { client, door } = await duet(
        greetingOptions(secrets, { methods: [method] }),
        connectingOptions({ parameters: [['application_name', 'till']] }),
        cut,
      )
      expect(client).toEqual({
        kind: 'ready',
        parameters: new Map([['server_version', '16.4']]),
        pid: -7,
        secret: Buffer.from('key!'),
        minor: 0,
        rest: Buffer.alloc(0),
      })
      expect(door).toMatchObject({
        kind: 'authenticated',
        user: 'app',
        database: 'shop',
        parameters: new Map([['application_name', 'till']]),
        method,
      })
    })

    it.each(['scram-sha-256', 'md5'] as const)(
      'fails by %s for a wrong password and an unknown user alike',
      async (method) => {
        const door = greetingOptions(secrets, { methods: [method] })
        const known = await duet(door, connectingOptions({ proof: wrong }), cut)
        const unknown = await duet(door, connectingOptions({ user: 'nobody', proof: wrong }), cut)
        expect(known.client).toMatchObject({
          kind: 'failed',
          why: 'auth',
          severity: 'FATAL',
          code: '28P01',
          message: 'password authentication failed for user "app"',
        })
        expect(unknown.client).toMatchObject({
          code: '28P01',
          message: 'password authentication failed for user "nobody"',
        })
        expect(unknown.steps).toEqual(known.steps)
        expect(known.door).toMatchObject({ kind: 'refused', reason: 'auth-failed' })
        expect(unknown.door).toMatchObject({ kind: 'refused', reason: 'auth-failed' })
      },
    )

    it('goes through TLS when both want it', async () => {
      const { client, steps } = await duet(
        greetingOptions(secrets, { tls: 'required' }),
        connectingOptions({ tls: 'require' }),
        cut,
      )
      expect(client.kind).toBe('ready')
      expect(steps.slice(0, 5)).toEqual([
        '>send',
        '<answer',
        '<upgrade-tls',
        '>upgrade-tls',
        '>send',
      ])
    })
  })

  it('does without TLS when only preferred and refused', async () => {
    const door = greetingOptions(secrets, { tls: 'off' })
    const { client } = await duet(door, connectingOptions({ tls: 'prefer' }))
    expect(client.kind).toBe('ready')
  })

  it('fails when TLS is required here and not spoken there', async () => {
    const door = greetingOptions(secrets, { tls: 'off' })
    const { client } = await duet(door, connectingOptions({ tls: 'require' }))
    expect(client).toMatchObject({ kind: 'failed', why: 'rejected', code: '08004' })
  })

  it('speaks 3.2 when asked', async () => {
    const { client, door } = await duet(greetingOptions(secrets), connectingOptions({ minor: 2 }))
    expect([client, door]).toMatchObject([{ minor: 2 }, { protocolMinor: 2 }])
  })

  it('waits for a slow lookup', async () => {
    const slow = { verifierOf: async (name: string) => secrets.verifierOf(name) }
    const { client, steps } = await duet(greetingOptions(slow), connectingOptions())
    expect(client.kind).toBe('ready')
    expect(steps.filter((step) => step === '<waiting')).toHaveLength(1)
  })

  it('ends when the lookup fails', async () => {
    const broken = { verifierOf: () => Promise.reject(new Error('down')) }
    const { client, door } = await duet(greetingOptions(broken), connectingOptions())
    expect(door).toMatchObject({ kind: 'refused', reason: 'lookup-failed' })
    expect(client).toMatchObject({ kind: 'failed', code: '58000', why: 'rejected' })
  })

  it('derives the keys of a node once, however many logins there are', async () => {
    const scramKeys = new ScramKeyCache()
    const logins = Array.from({ length: 20 }, () =>
      duet(greetingOptions(secrets), connectingOptions({ scramKeys })),
    )
    for (const { client } of await Promise.all(logins)) expect(client.kind).toBe('ready')
    const { steps } = await duet(greetingOptions(secrets), connectingOptions({ scramKeys }))
    expect(scramKeys.derivations).toBe(1)
    expect(steps).not.toContain('>waiting')
  })
})

describe('secrets in stored form', () => {
  it('let a SCRAM client in, and its login teaches the key to the node', async () => {
    const held = await Secrets.of([entry('app', stored)])
    const node = greetingOptions(await Secrets.of([entry('app', stored)]))
    const before = await duet(node, connectingOptions({ proof: held.proofOf('app') }))
    expect(before.client).toMatchObject({ kind: 'failed', why: 'auth', code: '28000' })
    const login = await duet(greetingOptions(held), connectingOptions({ proof: right }))
    expect(login.client.kind).toBe('ready')
    const after = await duet(node, connectingOptions({ proof: held.proofOf('app') }))
    expect(after.client.kind).toBe('ready')
  })

  it('do not fit a node with another salt', async () => {
    const held = await Secrets.of([entry('app', stored)])
    await duet(greetingOptions(held), connectingOptions({ proof: right }))
    const { client } = await duet(
      greetingOptions(secrets),
      connectingOptions({ proof: held.proofOf('app') }),
    )
    expect(client).toMatchObject({
      kind: 'failed',
      why: 'auth',
      message: 'the SCRAM keys held fit another salt than the node has',
    })
  })

  it('make a door that offers md5 ask for SCRAM when only that is held', async () => {
    const held = await Secrets.of([entry('app', stored)])
    const door = greetingOptions(held, { methods: ['md5'] })
    const { client, door: end } = await duet(door, connectingOptions())
    expect(client.kind).toBe('ready')
    expect(end).toMatchObject({ method: 'scram-sha-256' })
  })

  it('make a door that offers SCRAM ask for md5 when only that is held and md5 is allowed', async () => {
    const held = await Secrets.of([entry('app', md5Hash('s3cret', 'app'))])
    const both = greetingOptions(held, { methods: ['scram-sha-256', 'md5'] })
    expect((await duet(both, connectingOptions())).client.kind).toBe('ready')
    const scram = greetingOptions(held, { methods: ['scram-sha-256'] })
    expect((await duet(scram, connectingOptions())).client).toMatchObject({ code: '28P01' })
  })

  it('log in to an md5 node with the hash alone', async () => {
    const node = greetingOptions(secrets, { methods: ['md5'] })
    const proof: Proof = { kind: 'md5-hash', hash: md5Hash('s3cret', 'app') }
    expect((await duet(node, connectingOptions({ proof }))).client.kind).toBe('ready')
  })
})
