/** `weir config check --security`: every rule finds its weakness, and the hardened example has none. */
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { passwordLine } from '../../../src/admin/password.ts'
import { loadSettings } from '../../../src/config/load.ts'
import { printWeakness, SECURITY_RULES, weaknesses } from '../../../src/config/security.ts'
import { weirSays } from '../../support/command-line.ts'

const CERTIFICATE = '-----BEGIN CERTIFICATE-----\n'
const LONG = 'kahThohx3oosie9oRohj'

type Section = Readonly<Record<string, unknown>>

/** A directory with the hardened example and all it names. */
async function hardened(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'weir-hardened-'))
  const file = join(directory, 'weir.yaml')
  copyFileSync('config/hardened.yaml', file)
  await weirSays('cert', '--dir', join(directory, 'certs'), '--names', 'db.internal,localhost')
  const secrets = ['app', 'reporting', 'weir_watch'].map((username) => ({
    username,
    password: LONG,
  }))
  for (const [name, text] of [
    ['secrets.json', JSON.stringify(secrets)],
    ['app-key.secret', LONG],
    ['operator.verifier', await passwordLine(LONG)],
    ['monitoring.token', LONG],
  ] as const) {
    writeFileSync(join(directory, name), text, { mode: 0o600 })
  }
  return directory
}

type Changes = Readonly<Record<string, Section | readonly unknown[] | undefined>>

/** The rules that find something, when these sections are laid over a configuration without weakness. */
function found(changes: Changes): string[] {
  return weaknesses(loadSettings({ file: scratch(changes) })).map(({ rule }) => rule)
}

/** Such a configuration as a file. */
function scratch(changes: Changes): string {
  const directory = mkdtempSync(join(tmpdir(), 'weir-security-'))
  for (const name of ['server.crt', 'server.key', 'secrets.json', 'verifier']) {
    const text = name === 'secrets.json' ? { username: 'app', password: LONG } : undefined
    const holds = text === undefined ? `${CERTIFICATE}x` : JSON.stringify(text)
    writeFileSync(join(directory, name), holds, { mode: 0o600 })
  }
  const base: Record<string, Section | readonly unknown[]> = {
    nodes: [{ name: 'db', host: '10.0.0.1' }],
    listen: { host: '0.0.0.0', allowPublic: true, allow: ['10.0.0.0/16'] },
    tls: {
      ...{ mode: 'required', minVersion: 'TLSv1.3', nodes: 'verify-full' },
      ...{ certFile: 'server.crt', keyFile: 'server.key', nodesCaFile: 'server.crt' },
    },
    auth: { secrets: ['secrets.json'] },
    limits: {
      ...{ connectRate: '100/s', maxClientsPerSource: 10, maxClientsPerUser: 10 },
      ...{ idleInTransactionTimeout: '5m', statementTimeout: '1h' },
    },
    admin: { users: [{ name: 'operator', role: 'operate', passwordFile: 'verifier' }] },
    audit: { to: 'stdout' },
  }
  for (const [name, change] of Object.entries(changes)) {
    if (change === undefined) delete base[name]
    else base[name] = Array.isArray(change) ? change : { ...(base[name] as Section), ...change }
  }
  const file = join(directory, 'weir.yaml')
  writeFileSync(file, stringify(base), { mode: 0o600 })
  return file
}

const iam = (key: Section, more: Section = {}) => ({
  iam: {
    hosts: ['db.internal'],
    accessKeys: [
      { accessKeyId: 'K', secretAccessKey: { file: 'verifier' }, users: ['app'], ...key },
    ],
    ...more,
  },
})

const manager = (endpoint: string) => ({
  secretsManager: { secretId: 'app', region: 'eu-west-1', endpoint },
})

describe('A weakness is found', () => {
  it('nowhere in a configuration that has none', () => {
    expect(found({})).toEqual([])
  })

  const everywhere = ['0.0.0.0/0']
  const cases: [string, Parameters<typeof found>[0]][] = [
    ['tls-off', { tls: { mode: 'off' } }],
    ['tls-optional', { tls: { mode: 'allowed' } }],
    ['tls-old', { tls: { minVersion: 'TLSv1.2' } }],
    ['open-to-all', { listen: { allow: everywhere } }],
    ['relays-of-all', { listen: { proxyProtocol: 'required', proxyTrusted: everywhere } }],
    ['md5', { auth: { methods: ['scram-sha-256', 'md5'] } }],
    ['md5', { auth: { users: [{ name: 'app', methods: ['md5'] }] } }],
    ['password-in-clear', { auth: { ...iam({}), iamAuth: 'enabled' } }],
    ['password-in-clear', { auth: { ...iam({}), users: [{ name: 'app', iamAuth: 'enabled' }] } }],
    ['key-for-everybody', { auth: iam({ users: ['app', '*'] }) }],
    [
      'certificate-for-everybody',
      {
        tls: {
          ...{ clientCertificates: 'optional', clientCaFile: 'server.crt' },
          certificateUsers: [{ name: 'ops' }, { name: '*@example.com', user: '*' }],
        },
      },
    ],
    ['secrets-in-clear', { auth: { secrets: ['secrets.json', manager('http://10.0.0.9:80')] } }],
    ['token-hosts', { auth: iam({}, { hosts: ['localhost'] }) }],
    ['secret-in-config', { auth: iam({ secretAccessKey: LONG }) }],
    ['secret-in-config', { auth: { secrets: [{ username: 'a', password: LONG }] } }],
    ['long-rotation', { auth: { rotationWindow: '48h' } }],
    ['nodes-tls', { tls: { nodes: 'disable' } }],
    ['nodes-tls', { tls: { nodes: 'prefer' } }],
    ['nodes-tls', { tls: { nodes: 'require' } }],
    ['nodes-tls', { tls: { nodes: 'verify-ca' } }],
    ['nodes-tls', { nodes: [{ name: 'db', host: '10.0.0.1', tls: { mode: 'require' } }] }],
    ['nodes-binding', { tls: { nodesChannelBinding: 'disable' } }],
    ['nodes-binding', { nodes: [{ name: 'db', host: 'db', tls: { channelBinding: 'disable' } }] }],
    ['auth-failures', { limits: { authFailures: 'off' } }],
    ['connect-rate', { limits: { connectRate: 'off' } }],
    ['clients-per-source', { limits: { maxClientsPerSource: 'unlimited' } }],
    ['clients-per-user', { limits: { maxClientsPerUser: 'unlimited' } }],
    ['login-timeout', { limits: { loginTimeout: '2m' } }],
    ['idle-clients', { limits: { idleClientTimeout: 'unlimited' } }],
    ['idle-transactions', { limits: { idleInTransactionTimeout: 'unlimited' } }],
    ['long-statements', { limits: { statementTimeout: 'unlimited' } }],
    ['never-reading', { limits: { sendTimeout: 'unlimited' } }],
    ['slow-messages', { limits: { messageTimeout: 'unlimited' } }],
    ['audit-off', { audit: { to: 'off' } }],
    ['audit-off', { audit: { events: ['pin'] } }],
    ['audit-statements', { audit: { statements: 'text' } }],
    ['log-debug', { log: { level: 'debug' } }],
  ]

  it.each(cases)('%s: %j', (rule, changes) => {
    expect(found(changes)).toEqual([rule])
  })

  it('not in a secrets manager over https, or on this machine', () => {
    for (const endpoint of ['https://10.0.0.9', 'http://127.0.0.1:4566', 'http://[::1]:4566']) {
      expect(found({ auth: { secrets: ['secrets.json', manager(endpoint)] } })).toEqual([])
    }
  })

  it('in what a node says of its TLS itself, and not in what it does not take from the others', () => {
    const nodes = [{ name: 'db', host: '10.0.0.1', tls: { caFile: 'server.crt' } }]
    const tls = { nodes: 'require', nodesCaFile: undefined } as unknown as Section
    const file = scratch({ nodes, tls })
    expect(weaknesses(loadSettings({ file })).map(printWeakness)).toEqual([
      expect.stringMatching(/nodes\.db\.tls is require {2}\[medium: nodes-tls\]/),
    ])
  })

  it('in trust, on this machine where alone it can be', () => {
    const listen = { host: '127.0.0.1', allowPublic: false }
    expect(found({ listen, auth: { trust: true } })).toEqual(['trust'])
  })

  it('in an endpoint that takes everybody, when others have lists', () => {
    const endpoints = [
      { name: 'writer', kind: 'writer', port: 6432, allow: ['10.0.0.0/16'] },
      { name: 'reader', kind: 'reader', port: 6433 },
    ]
    const listen = { allow: undefined } as unknown as Section
    expect(found({ listen, endpoints })).toEqual(['open-to-all'])
  })

  it('in passwords that are soon guessed, and in the superuser', () => {
    const secrets = [
      { username: 'app', password: 'app' },
      { username: 'short', password: 'kahTh' },
      { username: 'postgres', password: LONG },
    ]
    expect(found({ auth: { secrets } }).sort()).toEqual([
      ...['guessable-password', 'guessable-password'],
      ...['secret-in-config', 'secret-in-config', 'secret-in-config', 'superuser'],
    ])
    expect(found({ auth: { secrets: ['secrets.json'] }, topology: { user: 'app' } })).toEqual([])
  })

  it('in an admin port that others reach, without users or with all of it open', () => {
    const admin = { host: '0.0.0.0', allowPublic: true, users: undefined }
    const rules = found({ admin: { ...admin, open: ['status'] } as unknown as Section })
    expect(rules.sort()).toEqual(['admin-in-clear', 'admin-open', 'admin-without-users'])
    expect(found({ admin: { users: undefined } as unknown as Section })).toEqual([
      'admin-without-users',
    ])
    expect(found({ admin: { users: undefined, enabled: false } as unknown as Section })).toEqual([])
  })

  it('by every rule there is', () => {
    const tested = new Set(cases.map(([rule]) => rule))
    const elsewhere = [
      ...['trust', 'guessable-password', 'superuser', 'source-in-clear'],
      ...['admin-in-clear', 'admin-open', 'admin-without-users'],
      ...['config-readable', 'file-readable', 'guessable-password-in-file'],
    ]
    expect([...tested, ...elsewhere].sort()).toEqual(SECURITY_RULES.map((r) => r.name).sort())
  })
})

describe('Files', () => {
  it('that others can read are found, with every secret left out of what is said', () => {
    const directory = mkdtempSync(join(tmpdir(), 'weir-security-'))
    const secrets = join(directory, 'secrets.json')
    writeFileSync(secrets, JSON.stringify({ username: 'app', password: 'hunter2' }))
    chmodSync(secrets, 0o644)
    const file = join(directory, 'weir.yaml')
    writeFileSync(
      file,
      stringify({
        nodes: [{ name: 'db', host: '127.0.0.1' }],
        auth: { secrets: ['secrets.json', { username: 'other', password: 'hunter3' }] },
        topology: { user: 'app' },
      }),
    )
    chmodSync(file, 0o644)
    const weak = weaknesses(loadSettings({ file }))
    const rules = weak.map(({ rule }) => rule)
    for (const rule of ['file-readable', 'config-readable', 'guessable-password-in-file']) {
      expect(rules).toContain(rule)
    }
    expect(JSON.stringify(weak) + weak.map(printWeakness).join()).not.toMatch(/hunter/)
    chmodSync(secrets, 0o600)
    chmodSync(file, 0o600)
    const after = weaknesses(loadSettings({ file })).map(({ rule }) => rule)
    expect(after).not.toContain('file-readable')
    expect(after).not.toContain('config-readable')
  })
})

describe('weir config check --security', () => {
  it('finds nothing in the hardened example', async () => {
    const directory = await hardened()
    const said = await weirSays('config', 'check', '--security', join(directory, 'weir.yaml'))
    expect(said.err).toBe('')
    expect(said.out).toContain('weir.yaml: no weakness found')
    expect(said.exitCode).toBe(undefined)
  })

  it('says of a weakness where it stands, why it matters, and what to do, and ends with 3', async () => {
    const said = await weirSays('config', 'check', '--security', 'config/existing-replicas.yaml')
    expect(said.exitCode).toBe(3)
    const line = readFileSync('config/existing-replicas.yaml', 'utf8')
      .split('\n')
      .findIndex((text) => text.startsWith('  nodes: prefer'))
    expect(said.out).toContain(
      `config/existing-replicas.yaml:${line + 1}:10  tls.nodes is prefer  [high: nodes-tls]\n    why: `,
    )
    expect(said.out).toContain('    do:  verify-full, with tls.nodesCaFile')
    expect(said.out).toMatch(/\d+ weaknesses \(\d+ high, \d+ medium, \d+ low\)\n$/)
  })

  it('says of what the file leaves out that it is so by default', async () => {
    const { out } = await weirSays('config', 'check', '--security', 'config/minimal.yaml')
    expect(out).toMatch(/minimal\.yaml:\d+:1 {2}tls\.mode is off \(by default\) {2}\[low: tls-off]/)
  })

  it('gives JSON, and leaves out what is ignored', async () => {
    const check = ['config', 'check', '--security', '--json', 'config/local.yaml']
    const all = JSON.parse((await weirSays(...check)).out)[0]
    expect(all).toMatchObject({ ok: true, problems: [] })
    expect(all.weaknesses[0]).toMatchObject({ level: 'high', file: 'config/local.yaml' })
    const fewer = JSON.parse((await weirSays(...check, '--ignore', 'tls-off', 'audit-off')).out)[0]
    expect(fewer.weaknesses).toHaveLength(all.weaknesses.length - 2)
  })

  it('knows its rules', async () => {
    const said = await weirSays(
      'config',
      'check',
      '--security',
      'config/local.yaml',
      '--ignore',
      'x',
    )
    expect(said.err).toContain('no weakness is called x')
    expect(said.exitCode).toBe(1)
  })

  it('is silent about weaknesses when nobody asks', async () => {
    const said = await weirSays('config', 'check', 'config/minimal.yaml')
    expect(said).toEqual({
      out: 'config/minimal.yaml: ok (1 node, 2 endpoints)\n',
      err: '',
      exitCode: undefined,
    })
  })
})

describe('What is asked over http', () => {
  it.each([
    ['http://10.0.0.5:8008', ['source-in-clear']],
    ['https://10.0.0.5:8008', []],
    ['http://127.0.0.1:8008', []],
  ])('%s: %j', (url, rules) => {
    const topology = { source: { kind: 'patroni', urls: [url] } }
    expect(
      found({ nodes: undefined, topology }).filter((rule) => rule === 'source-in-clear'),
    ).toEqual(rules)
  })
})
