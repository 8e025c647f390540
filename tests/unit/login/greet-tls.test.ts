/** What TLS changes about a greeting: channel binding, and client certificates. */
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type ClientBinding, ScramClient } from '../../../src/auth/scram-client.ts'
import { deriveKeys } from '../../../src/auth/scram-keys.ts'
import { Secrets } from '../../../src/auth/secrets.ts'
import { BARE_CHANNEL, type SecureChannel } from '../../../src/core/secure-channel.ts'
import { Greeting } from '../../../src/protocol/postgres/greet.ts'
import type { GreetingOptions, GreetStep } from '../../../src/protocol/postgres/greet-step.ts'
import {
  saslInitialResponse,
  saslResponse,
  sslRequest,
  startupMessage,
} from '../../../src/wire/postgres/frontend.ts'
import { readAuthentication, readErrorFields } from '../../../src/wire/postgres/read.ts'
import { greetingOptions } from './duet.ts'

const secrets = await Secrets.of([
  { username: 'app', password: 's3cret', source: 'test' },
  { username: 'alice', password: 'other', source: 'test' },
])
const END_POINT = randomBytes(32)
const CHANNEL: SecureChannel = { ...BARE_CHANNEL, serverEndPoint: END_POINT }
const PLUS = 'SCRAM-SHA-256-PLUS'
const PLAIN = 'SCRAM-SHA-256'

function certified(commonName: string | undefined, ...names: string[]): SecureChannel {
  const peer = { commonName, names, fingerprint: 'f', subject: `CN=${commonName}` }
  return { ...CHANNEL, peer }
}

/** Past the startup message of `user`, inside `channel`; undefined: in clear. */
function enter(
  channel: SecureChannel | undefined,
  user: string,
  more: Partial<GreetingOptions> = {},
): { greeting: Greeting; step: GreetStep } {
  const greeting = new Greeting(greetingOptions(secrets, { tls: 'allowed', ...more }))
  if (channel !== undefined) {
    greeting.push(sslRequest())
    greeting.next()
    greeting.next()
    greeting.secured(channel)
  }
  greeting.push(startupMessage(0x30000, [['user', user]]))
  return { greeting, step: greeting.next() }
}

function authentication(step: GreetStep) {
  if (step.kind !== 'answer') throw new Error(`${step.kind} instead of an answer`)
  return readAuthentication(step.bytes.subarray(5, 1 + step.bytes.readInt32BE(1)))
}

function offered(step: GreetStep): readonly string[] {
  const request = authentication(step)
  return request.kind === 'sasl' ? request.mechanisms : []
}

/** Of a refusal: reason, SQLSTATE and text. */
function refusal(step: GreetStep): [string, string, string] {
  if (step.kind !== 'refused') throw new Error(`${step.kind} instead of a refusal`)
  const { code, message } = readErrorFields(step.bytes.subarray(5))
  return [step.reason, code, message]
}

/** Plays the whole exchange; the last step. */
async function prove(
  greeting: Greeting,
  mechanism: string,
  binding: ClientBinding,
  password = 's3cret',
): Promise<GreetStep> {
  const client = new ScramClient(randomBytes(18).toString('base64'), '', binding)
  greeting.push(saslInitialResponse(mechanism, client.begin()))
  const step = greeting.next()
  if (step.kind !== 'answer') return step
  const challenge = authentication(step)
  if (challenge.kind !== 'sasl-continue') throw new Error(challenge.kind)
  const { salt, iterations } = client.challenge(challenge.data)
  greeting.push(saslResponse(client.respond(await deriveKeys(password, salt, iterations))))
  return greeting.next()
}

describe('channel binding', () => {
  it('is offered first inside TLS, and not in clear or without data to bind', () => {
    expect(offered(enter(CHANNEL, 'app').step)).toEqual([PLUS, PLAIN])
    expect(offered(enter(undefined, 'app').step)).toEqual([PLAIN])
    expect(offered(enter(BARE_CHANNEL, 'app').step)).toEqual([PLAIN])
  })

  it('is offered to users nobody knows alike', () => {
    expect(offered(enter(CHANNEL, 'nobody').step)).toEqual([PLUS, PLAIN])
  })

  it('lets in who proves the password over this channel', async () => {
    const { greeting } = enter(CHANNEL, 'app')
    expect((await prove(greeting, PLUS, END_POINT)).kind).toBe('answer')
    expect(greeting.next()).toMatchObject({ kind: 'authenticated', user: 'app' })
    expect(greeting.proof).toEqual({ method: 'scram-sha-256-plus' })
  })

  it('keeps out who proves it over another, password or not', async () => {
    const other = Buffer.from(END_POINT)
    other[31]! ^= 1
    for (const binding of [other, END_POINT.subarray(1), Buffer.alloc(0), randomBytes(64)]) {
      const step = await prove(enter(CHANNEL, 'app').greeting, PLUS, binding)
      expect(refusal(step)).toEqual([
        'channel-binding',
        '28000',
        'SCRAM channel binding check failed',
      ])
    }
  })

  it('does not replace the password', async () => {
    const step = await prove(enter(CHANNEL, 'app').greeting, PLUS, END_POINT, 'wrong')
    expect(refusal(step)[0]).toBe('auth-failed')
    const unknown = await prove(enter(CHANNEL, 'nobody').greeting, PLUS, END_POINT)
    expect(refusal(unknown)[0]).toBe('auth-failed')
  })

  it('may be left out by a client that knows nothing of it', async () => {
    const { greeting } = enter(CHANNEL, 'app')
    expect((await prove(greeting, PLAIN, 'none')).kind).toBe('answer')
    expect(greeting.proof).toEqual({ method: 'scram-sha-256' })
  })

  it('that was hidden from a client which wanted it is a downgrade', async () => {
    const step = await prove(enter(CHANNEL, 'app').greeting, PLAIN, 'unoffered')
    expect(refusal(step)).toEqual([
      'channel-binding',
      '28000',
      'SCRAM channel binding negotiation error',
    ])
    const inClear = await prove(enter(undefined, 'app').greeting, PLAIN, 'unoffered')
    expect(inClear.kind).toBe('answer')
  })

  it.each([
    ['the mechanism without binding, the message with it', PLAIN, 'p=tls-server-end-point,,n=,r=x'],
    ['the mechanism with binding, the message without it', PLUS, 'n,,n=,r=x'],
    ['the mechanism with binding, the message unaware of our offer', PLUS, 'y,,n=,r=x'],
    ['a kind of binding that is not spoken here', PLUS, 'p=tls-unique,,n=,r=x'],
  ])('with %s is malformed', (_, mechanism, first) => {
    const { greeting } = enter(CHANNEL, 'app')
    greeting.push(saslInitialResponse(mechanism, Buffer.from(first)))
    expect(refusal(greeting.next()).slice(0, 2)).toEqual(['login-message', '08P01'])
  })

  it('is no mechanism in clear', () => {
    const { greeting } = enter(undefined, 'app')
    greeting.push(saslInitialResponse(PLUS, Buffer.from('p=tls-server-end-point,,n=,r=x')))
    expect(refusal(greeting.next())).toEqual([
      'login-message',
      '08P01',
      'client selected an invalid SASL authentication mechanism',
    ])
  })
})

describe('method cert', () => {
  const optional = { required: false, users: [] }
  const alone = { methods: ['cert'], certificates: optional } as const
  const beside = { methods: ['cert', 'scram-sha-256'], certificates: optional } as const

  it('lets in whose certificate names the user, without a password', () => {
    const { greeting, step } = enter(certified('alice'), 'alice', alone)
    expect(authentication(step).kind).toBe('ok')
    expect(greeting.next()).toMatchObject({ kind: 'authenticated', user: 'alice', method: 'cert' })
    expect(greeting.proof).toEqual({ method: 'cert' })
  })

  it('keeps out whose certificate names another', () => {
    expect(refusal(enter(certified('alice'), 'app', alone).step)).toEqual([
      'client-certificate',
      '28000',
      'certificate authentication failed for user "app"',
    ])
  })

  it.each([
    ['inside TLS', CHANNEL],
    ['in clear', undefined],
  ])('keeps out who has none, %s', (_, channel) => {
    expect(refusal(enter(channel, 'alice', alone).step)).toEqual([
      'client-certificate',
      '28000',
      'connection requires a valid client certificate',
    ])
  })

  it('leaves those without a fitting one to the next method', () => {
    expect(offered(enter(certified('alice'), 'app', beside).step)).toContain(PLAIN)
    expect(offered(enter(CHANNEL, 'alice', beside).step)).toContain(PLAIN)
    expect(authentication(enter(certified('alice'), 'alice', beside).step).kind).toBe('ok')
  })

  it('counts for nothing where nobody is asked for a certificate', () => {
    const { step } = enter(certified('alice'), 'alice', { methods: ['cert'] })
    expect(refusal(step)[0]).toBe('client-certificate')
  })

  it('goes by the list where there is one', () => {
    const users = [{ name: '*@example.com', user: '*' }]
    const more = { methods: ['cert'], certificates: { required: false, users } } as const
    const step = (channel: SecureChannel, user: string) => enter(channel, user, more).step
    expect(authentication(step(certified('x', 'alice@example.com'), 'alice')).kind).toBe('ok')
    expect(step(certified('alice'), 'alice').kind).toBe('refused')
    expect(step(certified('x', 'alice@example.org'), 'alice').kind).toBe('refused')
  })
})

describe('a certificate that is required', () => {
  const required = { certificates: { required: true, users: [] } }

  it('comes before the password and does not replace it', () => {
    expect(offered(enter(certified('alice'), 'alice', required).step)).toEqual([PLUS, PLAIN])
  })

  it('must fit the user', () => {
    expect(refusal(enter(certified('alice'), 'app', required).step)[2]).toBe(
      'certificate authentication failed for user "app"',
    )
  })

  it('keeps out who has none, trusted or not', () => {
    for (const more of [required, { ...required, methods: ['trust'] as const }]) {
      expect(refusal(enter(CHANNEL, 'app', more).step)[2]).toBe(
        'connection requires a valid client certificate',
      )
      expect(enter(undefined, 'app', more).step.kind).toBe('refused')
    }
  })
})

it('a certificate that cannot be verified keeps its owner out, required or not', () => {
  const channel = { ...CHANNEL, peerFault: 'certificate has expired' }
  for (const required of [true, false]) {
    const more = { certificates: { required, users: [] } }
    expect(refusal(enter(channel, 'app', more).step)).toEqual([
      'client-certificate',
      '28000',
      'the client certificate cannot be verified: certificate has expired',
    ])
  }
})
