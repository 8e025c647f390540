import { join } from 'node:path'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { isLoopback } from '../../../src/config/check.ts'
import { loadSettings } from '../../../src/config/load.ts'
import {
  type EndpointSettings,
  type NodeSettings,
  type Settings,
  withoutSecrets,
} from '../../../src/config/settings.ts'
import type { EndpointRule } from '../../../src/endpoint/endpoint.ts'
import type { NodeSpec } from '../../../src/topology/topology.ts'
import { LEAST, load, problemsOf, scratchFile } from './scratch-file.ts'

describe('a right file', () => {
  test('with the least in it gets every default', () => {
    const settings = load(LEAST)
    expect(settings.pool).toEqual({
      maxConnectionsPercent: 100,
      maxIdleConnectionsPercent: 50,
      connectTimeoutMs: 1_000,
      minIdle: 0,
      borrowTimeout: 120_000,
      idleTimeoutMs: 300_000,
      maxLifetimeMs: 3_600_000,
      lifetimeSpread: 10,
      openingsAtOnce: 4,
      sharing: 'on',
      sharingDepth: 16,
      rotate: false,
      openTimeoutMs: 5_000,
      orphanTimeout: 5_000,
      waitNotice: 'off',
    })
    expect(settings.nodes).toEqual([
      { name: 'db', host: '127.0.0.1', port: 5432, socketDirectory: undefined, weight: 1 },
    ])
    expect(settings.endpoints.map((e) => [e.name, e.kind, e.port])).toEqual([
      ['writer', 'writer', 6432],
      ['reader', 'reader', 6433],
    ])
    expect(settings.limits.startupPacketBytes).toBe(10_000)
    expect(settings.auth.methods).toEqual(['scram-sha-256'])
    expect(settings.admin).toEqual({
      enabled: true,
      host: '127.0.0.1',
      allowPublic: false,
      port: 6480,
    })
  })

  test('holds durations as milliseconds under names that say so', () => {
    const settings = load(`${LEAST}topology: { period: 2s, suspectPeriod: 20ms }`)
    expect(settings.topology.periodMs).toBe(2_000)
    expect(settings.topology.suspectPeriodMs).toBe(20)
    expect(Object.keys(settings.topology)).not.toContain('period')
    expectTypeOf(settings.topology.periodMs).toEqualTypeOf<number>()
    expectTypeOf<keyof Settings['pool']>().not.toEqualTypeOf<'idleTimeout'>()
  })

  test('keeps the words of a borrow timeout, and hands them to endpoints without their own', () => {
    const settings = load(`${LEAST}
pool: { borrowTimeout: nowait }
endpoints:
  - { name: w, kind: writer, port: 6432 }
  - { name: r, kind: reader, borrowTimeout: 5s }`)
    expect(settings.endpoints.map((e) => e.borrowTimeout)).toEqual(['nowait', 5_000])
  })

  test('takes half of the connections for idle ones unless told otherwise', () => {
    const idle = (text: string) => load(LEAST + text).pool.maxIdleConnectionsPercent
    expect(idle('pool: { maxConnectionsPercent: 45 }')).toBe(22)
    expect(idle('pool: { maxIdleConnectionsPercent: 0 }')).toBe(0)
  })

  test('gives a custom endpoint no way to the writer unless it is a member', () => {
    const [custom] = load(`${LEAST}
endpoints: [{ name: c, kind: custom, type: READER, excludedMembers: [db], port: 6434 }]`).endpoints
    expect(custom).toMatchObject({ customType: 'READER', noReader: 'wait' })
  })

  test('takes a url for host and port', () => {
    const at = (url: string) => {
      const text = LEAST.replace('host: 127.0.0.1', `url: "${url}"`)
      const [node] = load(text).nodes
      return [node?.host, node?.port]
    }
    expect(at('postgres://db.internal:5501')).toEqual(['db.internal', 5501])
    expect(at('postgresql://db.internal')).toEqual(['db.internal', 5432])
    expect(at('postgres://[::1]:5501/')).toEqual(['::1', 5501])
  })

  test('moves endpoints and admin by the port offset, and leaves nodes where they are', () => {
    const settings = load(`${LEAST}listen: { portOffset: 100 }`)
    expect(settings.endpoints.map((e) => e.port)).toEqual([6532, 6533])
    expect(settings.admin.port).toBe(6580)
    expect(settings.nodes[0]?.port).toBe(5432)
  })

  test('may hold sections with nothing in them, anchors and merges', () => {
    const settings = load(`${LEAST}
pool:
endpoints:
  - &base { name: w, kind: writer, port: 6432 }
  - { <<: *base, name: v, port: 6433 }`)
    expect(settings.endpoints.map((e) => [e.name, e.kind])).toEqual([
      ['w', 'writer'],
      ['v', 'writer'],
    ])
  })

  test('finds secret files beside itself and does not read them into the settings', () => {
    const file = scratchFile(
      '{ "username": "app", "password": "pw", "engine": "postgres" }',
      's.json',
    )
    const text = LEAST.replace(/secrets: .*/, `secrets: ["${file}"] }`)
    expect(load(text).auth.secrets).toEqual([{ kind: 'file', path: file }])
    const config = join('config', 'local.yaml')
    expect(loadSettings({ file: config }).settings.auth.secrets).toEqual([
      { kind: 'file', path: join(process.cwd(), 'config', 'local-secrets.json') },
    ])
  })

  test('can be shown without its passwords', () => {
    const shown = JSON.stringify(withoutSecrets(load(LEAST.replace('pw', 'hunter2'))))
    expect(shown).toContain('app')
    expect(shown).not.toContain('hunter2')
  })

  test('gives endpoints and nodes that fit the rooms that use them', () => {
    expectTypeOf<EndpointSettings>().toExtend<EndpointRule>()
    expectTypeOf<NodeSettings>().toExtend<NodeSpec>()
  })

  test.each(['patroni', 'dns', 'aurora'] as const)('config/%s.yaml is right', (kind) => {
    const { settings } = loadSettings({ file: `config/${kind}.yaml` })
    expect(settings.topology.source.kind).toBe(kind)
    expect(settings.nodes).toEqual([])
  })

  test.each(['local', 'minimal', 'existing-replicas'])('config/%s.yaml is right', (name) => {
    const { settings } = loadSettings({ file: `config/${name}.yaml` })
    expect(settings.nodes.length).toBeGreaterThan(0)
  })

  test('config/local.yaml has the ports and names the lab promises', () => {
    const { settings } = loadSettings({ file: 'config/local.yaml' })
    expect(settings.nodes.map((n) => [n.name, n.port])).toEqual([
      ['node-1', 5501],
      ['node-2', 5502],
      ['node-3', 5503],
    ])
    expect(settings.endpoints.map((e) => [e.name, e.port])).toEqual([
      ['writer', 6432],
      ['reader', 6433],
      ['analytics', 6434],
      ['node-1', 6440],
      ['node-2', 6441],
      ['node-3', 6442],
    ])
  })
})

describe('a mistake', () => {
  test('in an empty file is told at its start', () => {
    expect(problemsOf('')).toEqual([
      '1:1  nodes: got nothing, want a list of at least one section such as { name: node-1, host: 127.0.0.1, port: 5432 }',
      '1:1  auth.secrets: got none, want at least one secret, such as [secrets.json]',
    ])
  })

  test('in a file that is no mapping is told as such', () => {
    expect(problemsOf('hello')[0]).toBe(
      '1:1  got "hello", want a section with settings such as nodes: [...]',
    )
  })

  test('of a setting written twice is told beside the others', () => {
    expect(problemsOf(`${LEAST}pool: {}\npool: { minIdle: x }\n`)).toContain(
      '4:1  this setting stands here twice',
    )
  })

  test('of an alias without an anchor is told where it stands', () => {
    expect(problemsOf(`${LEAST}pool: *missing\n`)).toEqual([
      '3:7  not valid YAML: an alias of nothing above it; a text that begins with * needs quotes',
    ])
  })

  test('of a text that YAML takes for a tag says what to do', () => {
    expect(problemsOf('auth: { secrets: [{ username: a, password: !pw }] }')).toEqual([
      '1:1  nodes: got nothing, want a list of at least one section such as { name: node-1, host: 127.0.0.1, port: 5432 }',
      '1:44  not valid YAML: an unknown tag; a text that begins with ! needs quotes',
    ])
  })

  test('behind an alias is told where the value was written', () => {
    const text = `nodes: [{ name: a, host: h, port: &p 0 }, { name: b, host: h, port: *p }]
auth: { secrets: [{ username: app, password: pw }] }`
    expect(problemsOf(text).map((line) => line.split('  ')[0])).toEqual(['1:38', '1:69'])
  })

  test('of a file that is not there names the file', () => {
    expect(() => loadSettings({ file: 'config/absent.yaml' })).toThrow(
      'config/absent.yaml  got config/absent.yaml, which does not exist, want a file that can be read',
    )
  })

  test.each([
    '"hunter2',
    '!hunter2',
    '*hunter2',
    '|hunter2',
    '> hunter2',
    '"\\hunter2"',
    'a }] }\n] hunter2 : hunter2 ]',
    'a: hunter2',
    '\n  - hunter2',
  ])('of a password that upsets YAML (%j) does not show it', (password) => {
    const inFlow = `auth: { secrets: [{ username: a, password: ${password} }] }\n`
    const inBlock = `auth:\n  secrets:\n    - username: a\n      password: ${password}\n`
    for (const text of [inFlow, inBlock, `%hunter2\n---\n${inFlow}`]) {
      expect(problemsOf(text)).not.toEqual([])
      expect(problemsOf(text).join('\n')).not.toMatch(/hunter2|\\h/)
    }
  })

  test('of a number out of its range is told with the range', () => {
    expect(problemsOf(`${LEAST}pool: { idleTimeout: 25h }\nlimits: { inspectBytes: 1B }`)).toEqual([
      '3:22  pool.idleTimeout: got "25h", want a duration from 1s to 1d such as "5m"',
      '4:25  limits.inspectBytes: got "1B", want a size from 1KiB to 64MiB such as "1MiB"',
    ])
  })

  test('of a value is not followed by what would only follow from it', () => {
    expect(problemsOf(`${LEAST}tls: { mode: required, certFile: 5, keyFile: [] }`)).toEqual([
      '3:34  tls.certFile: got 5, want the name of a PEM file',
      '3:37  tls.keyFile: got an empty list, want the name of a PEM file',
    ])
  })

  test('between two numbers is told at the one that depends on the other', () => {
    const text = `${LEAST}pool: { maxConnections: 5, minIdle: 6 }
topology: { period: 1s, suspectPeriod: 2s }
listen: { portOffset: 60000 }
admin: { port: 6000 }`
    expect(problemsOf(text)).toEqual([
      '3:37  pool.minIdle: got 6, want at most maxConnections, which is 5',
      '4:40  topology.suspectPeriod: got "2s", want a duration no longer than topology.period',
      '5:23  listen.portOffset: got 60000, want at most 59102, since port 6433 is used',
    ])
  })

  test('between a written port and one nobody wrote is told with both names', () => {
    expect(problemsOf(`${LEAST}admin: { port: 6432 }`)).toEqual([
      '1:1  endpoints.writer.port: got 6432, want a port that admin does not use',
    ])
  })

  test('of one TLS server name for two endpoints is told, whatever its case', () => {
    const text = `${LEAST}endpoints:
  - { name: w, kind: writer, port: 1, tlsServerNames: [db.example] }
  - { name: r, kind: reader, port: 2, tlsServerNames: [DB.example] }`
    expect(problemsOf(text)).toEqual([
      '5:39  endpoints.r.tlsServerNames: got "DB.example", want server names that endpoint w does not have',
    ])
  })

  test('in a secret file names the entry and what is wrong with it', () => {
    const secret = (text: string) => {
      const file = scratchFile(text, 's.json')
      const config = LEAST.replace(/secrets: .*/, `secrets: ["${file}"] }`)
      return problemsOf(config).map((line) => line.replace(file, 's.json').split(', want')[0])
    }
    const at = '2:19  auth.secrets.0: got '
    expect(secret('{ "username": "a", "password": 5 }')).toEqual([
      `${at}s.json, which has a password that is no text`,
    ])
    expect(secret('[{ "username": "", "password": "" }]')).toEqual([
      `${at}entry 1 of s.json, which has an empty username`,
    ])
    expect(secret('[]')).toEqual([`${at}s.json, which is an empty list`])
    expect(secret('["a"]')).toEqual([`${at}entry 1 of s.json, which is no { ... } object`])
  })

  test('of two letters swapped or one missing is met with the right word', () => {
    expect(problemsOf(`${LEAST}log: { lvel: info, fomrat: json, colour: red }`)).toEqual([
      '3:8  log.lvel: no such setting; did you mean level?',
      '3:20  log.fomrat: no such setting; did you mean format?',
      '3:34  log.colour: no such setting; want one of level, format',
    ])
    expect(problemsOf(LEAST.replace('host', 'hots'))[1]).toContain('did you mean host?')
  })

  test('of a user with two secrets, or none for the control connections, is told', () => {
    const text = `nodes: [{ name: db, host: h }]
topology: { user: ap }
auth: { secrets: [{ username: app, password: a }, { username: app, password: b }] }`
    expect(problemsOf(text)).toEqual([
      '2:19  topology.user: got "ap", want a user of auth.secrets (app)',
      '3:51  auth.secrets.1: got user "app" a second time, want one secret for each user',
    ])
  })

  test('of a certificate that is none is told', () => {
    const pem = scratchFile('hello', 'a.pem')
    expect(problemsOf(`${LEAST}tls: { nodesCaFile: "${pem}" }`)).toEqual([
      `3:21  tls.nodesCaFile: got ${pem}, which is no PEM file, want a PEM file`,
    ])
  })

  test('of client certificates that cannot be asked for, or stand for nobody, is told', () => {
    const pem = scratchFile('-----BEGIN CERTIFICATE-----', 'b.pem')
    const pair = `certFile: "${pem}", keyFile: "${pem}"`
    const problems = (tls: string, auth = '') => {
      const [nodes, secrets] = LEAST.trimEnd().split('\n')
      const text =
        auth === '' ? LEAST : `${nodes}\n${secrets!.replace('auth: {', `auth: { ${auth},`)}\n`
      return problemsOf(`${text}tls: { ${tls} }`).map((line) => line.replace(/^\S+ +/, ''))
    }
    expect(problems('clientCertificates: optional')).toEqual([
      'tls.clientCaFile: got nothing, want the name of a PEM file, since tls.clientCertificates is optional',
      'tls.clientCertificates: got "optional", want off, since tls.mode is off',
    ])
    expect(
      problems(`mode: allowed, ${pair}, clientCertificates: required, clientCaFile: "${pem}"`),
    ).toEqual(['tls.mode: got "allowed", want required, since tls.clientCertificates is required'])
    for (const auth of ['methods: [cert]', 'users: [{ name: app, methods: [cert] }]']) {
      expect(problems(`mode: allowed, ${pair}`, auth)).toEqual([
        'tls.clientCertificates: got nothing, want optional or required, since cert is among the methods',
      ])
    }
    expect(
      problems('certificateUsers: [{ name: "*@*", user: a }, { name: a, user: "*" }]'),
    ).toEqual([
      'tls.certificateUsers.*@*.name: got "*@*", want a name with at most one *',
      'tls.certificateUsers.a.user: got "*", want a user without *, since there is none in name',
    ])
    const other = '{ serverNames: [a], certFile: none.pem, keyFile: none.pem }'
    expect(problems(`certificates: [${other}]`)).toHaveLength(2)
  })

  test('of a setting for another kind of endpoint is told once', () => {
    expect(
      problemsOf(`${LEAST}endpoints: [{ name: w, kind: writer, port: 1, staticMembers: [no] }]`),
    ).toEqual([
      '3:47  endpoints.w.staticMembers: got a list, want it left out, since it is for kind custom and this is kind writer',
    ])
  })

  test('of endpoints that nobody can reach is told', () => {
    expect(problemsOf(`${LEAST}endpoints: [{ name: w, kind: writer }]`)).toEqual([
      '3:1  endpoints: got no port at all, want at least one endpoint with a port',
    ])
  })
})

test('loopback is what only this machine reaches', () => {
  expect(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].every(isLoopback)).toBe(true)
  expect(['0.0.0.0', '::', '10.0.0.1', '127.example.com', ''].some(isLoopback)).toBe(false)
})
