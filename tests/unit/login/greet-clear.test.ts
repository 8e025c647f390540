/** Logins by what a client sends in clear inside TLS: tokens, and passwords where a token would do too. */
import { describe, expect, it } from 'vitest'
import { md5Hash, md5Response } from '../../../src/auth/md5.ts'
import { deriveKeys, formatVerifier } from '../../../src/auth/scram-keys.ts'
import { Secrets } from '../../../src/auth/secrets.ts'
import { makeToken } from '../../../src/auth/token-signing.ts'
import { Tokens } from '../../../src/auth/tokens.ts'
import type { IamAuth } from '../../../src/auth/user-rules.ts'
import { WeirError } from '../../../src/core/errors.ts'
import { until } from '../../../src/core/until.ts'
import { Greeting } from '../../../src/protocol/postgres/greet.ts'
import type { GreetingOptions, GreetStep } from '../../../src/protocol/postgres/greet-step.ts'
import { authenticationCleartext, authenticationOk } from '../../../src/wire/postgres/backend.ts'
import { passwordMessage, startupMessage } from '../../../src/wire/postgres/frontend.ts'
import { readAuthentication, readErrorFields } from '../../../src/wire/postgres/read.ts'
import { greetingOptions } from './duet.ts'

const NOW = Date.UTC(2026, 10, 21, 9, 30, 0)
const KEY = { accessKeyId: 'AKIAWEIR', secretAccessKey: 'wJalr/XUt+nFEMI' }
const AUDIENCE = { region: 'eu-west-1', hosts: ['db'], ports: [6432], clockSkewMs: 0 }
const tokens = new Tokens([{ ...KEY, users: ['*'] }], AUDIENCE, () => NOW)
const salt = Buffer.from('0123456789abcdef')
const stored = { ...(await deriveKeys('its own', salt, 1_000)), salt, iterations: 1_000 }
const secrets = await Secrets.of([
  { username: 'app', password: 's3cret', source: 'test' },
  { username: 'verifier', password: formatVerifier(stored), source: 'test' },
  { username: 'hashed', password: md5Hash('old', 'hashed'), source: 'test' },
])

const FAILED = (user: string) =>
  `The IAM authentication failed for the role ${user}. Check the IAM token for this role and try again.`

const tokenFor = (user: string, host = 'db') =>
  makeToken({ host, port: 6432, user, region: 'eu-west-1', signedAt: NOW }, KEY)

function begun(iamAuth: IamAuth, user = 'app', more: Partial<GreetingOptions> = {}): Greeting {
  const methods = more.methods ?? ['scram-sha-256', 'md5']
  const greeting = new Greeting(
    greetingOptions(secrets, {
      ...{ secure: true, loopback: true, tls: 'allowed', tokens, methods },
      rules: () => ({ iamAuth, methods }),
      ...more,
    }),
  )
  greeting.push(startupMessage(0x30000, [['user', user]]))
  return greeting
}

/** The step that comes of `sent`, after what was waited for. */
async function sent(greeting: Greeting, text: string): Promise<GreetStep> {
  expect(greeting.next()).toEqual({ kind: 'answer', bytes: authenticationCleartext() })
  let ready = false
  greeting.onReady = () => {
    ready = true
  }
  greeting.push(passwordMessage(text))
  expect(greeting.next()).toEqual({ kind: 'waiting' })
  await until(() => ready, 10_000, { what: 'the proof to be judged' })
  return greeting.next()
}

/** Reason, SQLSTATE and text for the client. */
function refused(step: GreetStep): [string, string, string] {
  if (step.kind !== 'refused') throw new Error(`${step.kind} instead of a refusal`)
  const { code, message } = readErrorFields(step.bytes.subarray(5))
  return [step.reason, code, message]
}

function asked(greeting: Greeting): string {
  const step = greeting.next()
  if (step.kind !== 'answer') throw new Error(`${step.kind} instead of a question`)
  return readAuthentication(step.bytes.subarray(5)).kind
}

describe('a user with iamAuth required', () => {
  it('logs in with a token, whose key is told to the audit', async () => {
    const greeting = begun('required')
    const step = await sent(greeting, await tokenFor('app'))
    expect(step).toEqual({ kind: 'answer', bytes: authenticationOk() })
    expect(greeting.next()).toMatchObject({ kind: 'authenticated', user: 'app', method: 'iam' })
    expect(greeting.proof).toEqual({ method: 'iam', tokenKey: 'AKIAWEIR' })
  })

  it('is refused with the password, in the words of RDS Proxy', async () => {
    const step = await sent(begun('required'), 's3cret')
    expect(refused(step)).toEqual(['token-missing', '28P01', FAILED('app')])
  })

  it('is told the same whatever is wrong with a token, and we know what', async () => {
    const wrong = { host: await tokenFor('app', 'elsewhere'), user: await tokenFor('bob') }
    for (const [fault, token] of Object.entries(wrong)) {
      const step = await sent(begun('required'), token)
      expect(refused(step)).toEqual([`token-${fault}`, '28P01', FAILED('app')])
      expect(step).not.toMatchObject({ message: expect.stringContaining(token) })
    }
  })

  it('is not asked for anything in clear without TLS, even from here, even where trusted', () => {
    for (const more of [{}, { methods: ['trust'] as const }]) {
      const greeting = begun('required', 'app', { secure: false, ...more })
      const text = 'IAM authentication is allowed only with SSL connections.'
      expect(refused(greeting.next())).toEqual(['token-without-tls', '28000', text])
    }
  })

  it('whose name nobody knows learns so only by a good token', async () => {
    const step = await sent(begun('required', 'nobody'), await tokenFor('nobody'))
    expect(refused(step)).toEqual([
      'no-credentials',
      '28000',
      'This proxy has no credentials for the role nobody. Check the credentials for this role and try again.',
    ])
    const guess = await sent(begun('required', 'nobody'), await tokenFor('nobody', 'elsewhere'))
    expect(refused(guess)[2]).toBe(FAILED('nobody'))
  })

  it('is refused every token where no keys are configured', async () => {
    const step = await sent(begun('required', 'app', { tokens: undefined }), await tokenFor('app'))
    expect(refused(step)[0]).toBe('token-unknown-key')
  })
})

describe('a user with iamAuth enabled', () => {
  it('logs in over TLS with a token or the password, both asked for in clear', async () => {
    for (const [text, method] of [
      [await tokenFor('app'), 'iam'],
      ['s3cret', 'password'],
    ] as const) {
      const greeting = begun('enabled')
      expect((await sent(greeting, text)).kind).toBe('answer')
      expect(greeting.next()).toMatchObject({ kind: 'authenticated', method })
    }
  })

  it('is refused with a wrong password, known or not, in the words of Postgres', async () => {
    for (const user of ['app', 'nobody', 'hashed', 'verifier']) {
      for (const text of ['wrong', '', md5Hash('s3cret', 'app')]) {
        const message = `password authentication failed for user "${user}"`
        const step = await sent(begun('enabled', user), text)
        expect(refused(step)).toEqual(['auth-failed', '28P01', message])
      }
    }
  })

  it('may have a password of which only a verifier or a hash is held', async () => {
    expect((await sent(begun('enabled', 'verifier'), 'its own')).kind).toBe('answer')
    expect(secrets.proofOf('verifier')).toMatchObject({ kind: 'scram-keys' })
    expect((await sent(begun('enabled', 'hashed'), 'old')).kind).toBe('answer')
  })

  it('is refused by what is only a mock, whatever it holds', async () => {
    const real = secrets.verifierOf('app')
    const other = secrets.verifierOf('hashed')
    for (const verifier of [
      { ...real, holds: 'neither' as const },
      { ...real, md5: other.md5, holds: 'md5' as const },
      { ...other, md5: real.md5, holds: 'scram' as const },
    ]) {
      const lookup = { verifierOf: () => verifier }
      const step = await sent(begun('enabled', 'app', { secrets: lookup }), 's3cret')
      expect(refused(step)[0]).toBe('auth-failed')
    }
  })

  it('is asked for SCRAM without TLS', () => {
    expect(asked(begun('enabled', 'app', { secure: false }))).toBe('sasl')
  })

  it('stays trusted where trust is configured', () => {
    const greeting = begun('enabled', 'app', { methods: ['trust', 'scram-sha-256'] })
    expect(greeting.next()).toEqual({ kind: 'answer', bytes: authenticationOk() })
  })

  it('with a token that is no good does not get in by any other rule', async () => {
    const step = await sent(begun('enabled'), await tokenFor('app', 'elsewhere'))
    expect(refused(step)[0]).toBe('token-host')
  })
})

describe('a user with iamAuth disabled', () => {
  it('is never asked for anything in clear', () => {
    expect(asked(begun('disabled'))).toBe('sasl')
    expect(asked(begun('disabled', 'hashed'))).toBe('md5')
  })
})

describe('what comes while a token is judged', () => {
  it('waits for the verdict and is the first input of the session', async () => {
    const greeting = begun('required')
    greeting.next()
    let ready = false
    greeting.onReady = () => {
      ready = true
    }
    greeting.push(Buffer.concat([passwordMessage(await tokenFor('app')), Buffer.from('more')]))
    expect(greeting.next()).toEqual({ kind: 'waiting' })
    greeting.push(Buffer.from(' and more'))
    expect(greeting.next()).toEqual({ kind: 'waiting' })
    await until(() => ready, 10_000, { what: 'the token to be judged' })
    expect(greeting.next().kind).toBe('answer')
    expect(greeting.next()).toMatchObject({ rest: Buffer.from('more and more') })
  })
})

describe('who has failed too often by the time its proof is answered', () => {
  const error = new WeirError('WEIR_AUTH_FAILURES', 'too many', { sqlstate: '53300' })
  const away = { reason: 'auth-failures', error } as const

  it.each(['s3cret', 'wrong'])('is told that, whether it was right or not (%s)', async (text) => {
    let asked = 0
    const admit = () => (asked++ === 0 ? undefined : away)
    const step = await sent(begun('enabled', 'app', { admit }), text)
    expect(refused(step)).toEqual(['auth-failures', '53300', 'too many'])
  })

  it.each(['s3cret', 'wrong'])('is told so too when it proves itself by md5 (%s)', (text) => {
    let asked = 0
    const admit = () => (asked++ === 0 ? undefined : away)
    const greeting = begun('disabled', 'app', { admit, methods: ['md5'] })
    const step = greeting.next()
    if (step.kind !== 'answer') throw new Error(`${step.kind} instead of a question`)
    const question = readAuthentication(step.bytes.subarray(5))
    if (question.kind !== 'md5') throw new Error(`asked for ${question.kind}`)
    greeting.push(passwordMessage(md5Response(md5Hash(text, 'app'), question.salt)))
    expect(refused(greeting.next())[0]).toBe('auth-failures')
  })
})
