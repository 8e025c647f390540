import { describe, expect, test } from 'vitest'
import { withoutSecrets } from '../../../src/config/settings.ts'
import { load, problemsOf } from './scratch-file.ts'

const NODES = 'nodes: [{ name: db, host: h }]\n'

describe('where secrets come from', () => {
  test('may be variables, a command and AWS Secrets Manager, beside files and pairs', () => {
    const { auth } = load(`${NODES}auth:
  secrets:
    - { username: a, password: pw, engine: postgres }
    - { username: b, passwordEnv: B_PASSWORD }
    - { env: SECRETS }
    - { command: [/usr/bin/pass, db/app], timeout: 2s, refresh: 1m }
    - { command: [one] }
    - { secretsManager: { secretId: db/app, region: eu-central-1, endpoint: 'http://localhost:4566' } }
`)
    expect(auth.secrets).toEqual([
      { kind: 'inline', username: 'a', password: 'pw' },
      { kind: 'password', username: 'b', variable: 'B_PASSWORD' },
      { kind: 'environment', variable: 'SECRETS' },
      { kind: 'command', argv: ['/usr/bin/pass', 'db/app'], timeoutMs: 2_000, refreshMs: 60_000 },
      { kind: 'command', argv: ['one'], timeoutMs: 10_000, refreshMs: 300_000 },
      {
        kind: 'manager',
        secretId: 'db/app',
        region: 'eu-central-1',
        endpoint: 'http://localhost:4566',
        refreshMs: 300_000,
      },
    ])
    expect(auth.rotationWindowMs).toBe(600_000)
    expect(auth.query).toBeUndefined()
  })

  test('leave open who may be named elsewhere, when only a command knows', () => {
    const text = `${NODES}topology: { user: anybody }\nauth: { secrets: [{ command: [one] }] }`
    expect(load(text).topology.user).toBe('anybody')
  })

  test.each([
    '{ command: one }',
    '{ command: [] }',
    '{ command: [one], refresh: never }',
    '{ env: A, username: b }',
    '{ username: b, passwordEnv: B, password2: c }',
    '{ secretsManager: db/app }',
    '{ secretsManager: { secretId: a, endpoint: ftp://x } }',
    '{ secretsManager: { region: a } }',
  ])('are refused where half of them is missing or strange: %s', (secret) => {
    const problems = problemsOf(`${NODES}auth: { secrets: [${secret}] }`)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(/^2:\d+ {2}auth\.secrets\.0.*want a file name/)
  })

  test('are shown without passwords', () => {
    const text = `${NODES}auth: { secrets: [{ username: app, password: hunter2 }] }`
    expect(JSON.stringify(withoutSecrets(load(text)))).not.toContain('hunter2')
  })
})

describe('auth.query', () => {
  const secrets = 'secrets: [{ username: asks, password: pw }]'

  test('has a default for all but the user who asks', () => {
    const { query } = load(`${NODES}auth: { ${secrets}, query: { user: asks } }`).auth
    expect(query).toEqual({
      user: 'asks',
      database: 'postgres',
      query:
        'SELECT rolname, rolpassword, rolvaliduntil FROM pg_catalog.pg_authid WHERE rolname = $1 AND rolcanlogin',
      cacheMs: 30_000,
      negativeCacheMs: 5_000,
      keepMs: 3_600_000,
      timeoutMs: 5_000,
      connections: 2,
    })
  })

  test('must name a user of the secrets', () => {
    expect(problemsOf(`${NODES}auth: { ${secrets}, query: { user: other } }`)).toEqual([
      '2:69  auth.query.user: got "other", want a user of auth.secrets (asks)',
    ])
    expect(problemsOf(`${NODES}auth: { ${secrets}, query: { cache: 5s } }`)[0]).toContain(
      'auth.query.user: got nothing, want the username of one of auth.secrets',
    )
  })
})
