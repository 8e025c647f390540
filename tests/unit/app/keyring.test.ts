/** Access keys and rules of users, from the settings of a file to those who judge. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Keyring } from '../../../src/app/tokens.ts'
import { makeToken } from '../../../src/auth/token-signing.ts'
import { loadSettings } from '../../../src/config/load.ts'
import { type Settings, withoutSecrets } from '../../../src/config/settings.ts'
import type { AuditEvent } from '../../../src/core/audit.ts'
import { FakeClock } from '../../../src/core/clock.ts'
import { silentLog } from '../../../src/core/log.ts'
import { until } from '../../../src/core/until.ts'

const directory = mkdtempSync(join(tmpdir(), 'weir-keyring-'))
const keyFile = join(directory, 'one.secret')
for (const name of ['server.crt', 'server.key']) {
  writeFileSync(join(directory, name), '-----BEGIN CERTIFICATE-----\n')
}

const KEYS = [
  { accessKeyId: 'INLINE', secretAccessKey: 'in-the-file', users: ['app'] },
  { accessKeyId: 'FILE', secretAccessKey: { file: 'one.secret' }, users: ['app'] },
  {
    ...{ accessKeyId: 'ENV', secretAccessKey: { env: 'KEY_TWO' }, users: ['*'] },
    ...{ sessionToken: 'Fwo', expires: '2099-01-01T00:00:00Z' },
  },
]

function settingsWith(auth: object, more: object = {}): Settings {
  const file = join(directory, 'weir.yaml')
  const tls = { mode: 'required', certFile: 'server.crt', keyFile: 'server.key' }
  const endpoints = [
    { name: 'writer', kind: 'writer', port: 6432, tlsServerNames: ['DB.internal'] },
    { name: 'reader', kind: 'reader', port: 6433 },
  ]
  const base = { nodes: [{ name: 'a', host: 'h' }], endpoints, tls, ...more }
  const secrets = [{ username: 'app', password: 'p' }]
  writeFileSync(file, JSON.stringify({ ...base, auth: { secrets, ...auth } }))
  return loadSettings({ file }).settings
}

const clock = new FakeClock()
const rings: Keyring[] = []
const told: AuditEvent[] = []
const audit = {
  tell: (event: AuditEvent) => told.push(event),
  wants: () => true,
  closed: undefined,
}

async function ringOf(settings: Settings, env: Record<string, string> = {}): Promise<Keyring> {
  const ring = await Keyring.open(settings.auth, { clock, log: silentLog, audit, env })
  rings.push(ring)
  return ring
}

afterEach(() => {
  for (const ring of rings.splice(0)) ring.stop()
})

async function verdictOn(ring: Keyring, id: string, secret: string, sessionToken?: string) {
  const terms = { host: 'db.internal', port: 6432, user: 'app', region: 'us-east-1' }
  const key = { accessKeyId: id, secretAccessKey: secret, sessionToken }
  const token = await makeToken({ ...terms, signedAt: clock.wall() }, key)
  const verdict = await ring.tokens.judge(token, 'app')
  return verdict.kind === 'good' ? 'good' : verdict.fault
}

describe('The settings of tokens', () => {
  it('name secrets here, in files and in variables', async () => {
    writeFileSync(keyFile, 'in-a-file\n')
    const settings = settingsWith({ iamAuth: 'required', iam: { accessKeys: KEYS } })
    const ring = await ringOf(settings, { KEY_TWO: 'in-a-variable' })
    expect(await verdictOn(ring, 'INLINE', 'in-the-file')).toBe('good')
    expect(await verdictOn(ring, 'FILE', 'in-a-file')).toBe('good')
    expect(await verdictOn(ring, 'ENV', 'in-a-variable', 'Fwo')).toBe('good')
    expect(await verdictOn(ring, 'ENV', 'in-a-variable')).toBe('session-token')
  })

  it('have hosts and ports of their own: those of the endpoints', () => {
    const { iam } = settingsWith({ iam: {} }, { listen: { portOffset: 100 } }).auth
    expect(iam?.hosts).toEqual(['localhost', '127.0.0.1', 'db.internal', 'reader'])
    expect(iam?.ports).toEqual([6532, 6533])
    const { iam: own } = settingsWith({ iam: { hosts: ['LB.example:5432', '[::1]'] } }).auth
    expect(own?.hosts).toEqual(['lb.example:5432', '::1'])
  })

  it('show no secret once they are printed', () => {
    const shown = JSON.stringify(withoutSecrets(settingsWith({ iam: { accessKeys: KEYS } })))
    expect(shown).not.toContain('in-the-file')
    expect(shown).not.toContain('Fwo')
    expect(shown).toContain('KEY_TWO')
  })

  it.each([
    [{ iamAuth: 'required' }, 'auth.iamAuth', 'a key in auth.iam.accessKeys'],
    [{ users: [{ name: 'app', iamAuth: 'enabled' }] }, 'auth.users.app.iamAuth', 'a key in'],
    [{ users: [{ name: 'app' }, { name: 'app' }] }, 'auth.users.app.name', 'each user once'],
    [{ iam: { accessKeys: [KEYS[0], KEYS[0]] } }, 'accessKeyId', 'each access key once'],
    [{ iam: { hosts: ['https://db/'] } }, 'auth.iam.hosts', 'HOST or HOST:PORT alone'],
    [
      { iam: { accessKeys: [{ ...KEYS[0], secretAccessKey: { file: 'absent' } }] } },
      'secretAccessKey',
      'which does not exist',
    ],
  ])('that do not fit together are named: %j', (auth, setting, words) => {
    const load = () => settingsWith(auth)
    expect(load).toThrow(setting)
    expect(load).toThrow(words)
  })

  it('ask for TLS, since tokens travel in nothing else', () => {
    const auth = { iamAuth: 'required', iam: { accessKeys: [KEYS[0]] } }
    expect(() => settingsWith(auth, { tls: { mode: 'off' } })).toThrow('tokens travel in TLS only')
  })

  it('hide a secret of the wrong kind', () => {
    const auth = { iam: { accessKeys: [{ ...KEYS[0], secretAccessKey: ['sesame'] }] } }
    expect(() => settingsWith(auth)).toThrow('{ file: NAME } or { env: NAME }')
    expect(() => settingsWith(auth)).not.toThrow('sesame')
  })
})

describe('A variable that is not set', () => {
  it('is named, with the key it was for', async () => {
    writeFileSync(keyFile, 'in-a-file')
    const settings = settingsWith({ iam: { accessKeys: KEYS } })
    await expect(ringOf(settings)).rejects.toMatchObject({
      code: 'WEIR_TOKENS',
      message: 'access key ENV: environment variable KEY_TWO is not set',
    })
  })
})

describe('The rules of users', () => {
  it('are those of all where nothing is said', async () => {
    const users = [
      { name: 'app', iamAuth: 'required', maxClients: 3 },
      { name: 'old', methods: ['md5'] },
    ]
    const iam = { accessKeys: [KEYS[0]] }
    const ring = await ringOf(settingsWith({ iamAuth: 'enabled', iam, users }))
    const methods = ['scram-sha-256']
    expect(ring.rules.of('app')).toEqual({ iamAuth: 'required', methods, maxClients: 3 })
    const general = { iamAuth: 'enabled', maxClients: undefined }
    expect(ring.rules.of('old')).toEqual({ ...general, methods: ['md5'] })
    expect(ring.rules.of('nobody')).toEqual({ ...general, methods })
    expect(ring.rules.of('__proto__')).toEqual({ ...general, methods })
  })

  it('are others after a reload, and so are keys', async () => {
    const ring = await ringOf(settingsWith({ iamAuth: 'required', iam: { accessKeys: [KEYS[0]] } }))
    await ring.renew(settingsWith({}).auth)
    expect(ring.rules.of('app').iamAuth).toBe('disabled')
    expect(await verdictOn(ring, 'INLINE', 'in-the-file')).toBe('host')
  })
})

describe('A key file', () => {
  it('that is read while a reload takes its key away does not bring the key back', async () => {
    writeFileSync(keyFile, 'first')
    const [, file, env] = KEYS
    let reload: (() => void) | undefined
    const variables = {
      get KEY_TWO() {
        reload?.()
        return 'in-a-variable'
      },
    }
    const ring = await ringOf(settingsWith({ iam: { accessKeys: [file, env] } }), variables)
    const without = settingsWith({ iam: { accessKeys: [KEYS[0]] } })
    let renewed: Promise<void> | undefined
    reload = () => {
      reload = undefined
      renewed = ring.renew(without.auth)
    }
    writeFileSync(keyFile, 'second')
    await until(
      () => {
        clock.advance(5_000)
        return renewed !== undefined
      },
      20_000,
      { what: 'the key file to be looked at' },
    )
    await renewed
    for (let i = 0; i < 50; i++) await readFile(keyFile)
    expect(await verdictOn(ring, 'INLINE', 'in-the-file')).toBe('good')
    expect(await verdictOn(ring, 'FILE', 'second')).toBe('unknown-key')
  })

  it('that changes is read again; one that cannot be read leaves what was there', async () => {
    writeFileSync(keyFile, 'first')
    const ring = await ringOf(settingsWith({ iam: { accessKeys: [KEYS[1]] } }))
    const later = async (check: () => Promise<boolean>) =>
      until(
        () => {
          clock.advance(5_000)
          return check()
        },
        20_000,
        { what: 'the key file to be looked at' },
      )
    writeFileSync(keyFile, 'second!')
    await later(async () => (await verdictOn(ring, 'FILE', 'second!')) === 'good')
    expect(told.at(-1)).toMatchObject({ what: 'secrets', outcome: 'done', detail: keyFile })
    told.length = 0
    writeFileSync(keyFile, '')
    await later(async () => told.some((e) => 'outcome' in e && e.outcome === 'failed'))
    expect(await verdictOn(ring, 'FILE', 'second!')).toBe('good')
    writeFileSync(keyFile, 'the third')
    await later(async () => (await verdictOn(ring, 'FILE', 'the third')) === 'good')
  })
})
