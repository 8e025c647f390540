import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Secrets } from '../../../src/auth/secrets.ts'
import { WeirError } from '../../../src/core/errors.ts'
import { Greeting } from '../../../src/protocol/postgres/greet.ts'
import type { GreetingOptions, GreetStep } from '../../../src/protocol/postgres/greet-step.ts'
import { authenticationOk } from '../../../src/wire/postgres/backend.ts'
import {
  cancelRequest,
  gssEncRequest,
  passwordMessage,
  query,
  saslInitialResponse,
  saslResponse,
  sslRequest,
  startupMessage,
} from '../../../src/wire/postgres/frontend.ts'
import {
  readAuthentication,
  readErrorFields,
  readNegotiateProtocolVersion,
} from '../../../src/wire/postgres/read.ts'
import { greetingOptions } from './duet.ts'

const secrets = await Secrets.of([{ username: 'app', password: 's3cret', source: 'test' }])
const TRUST: Partial<GreetingOptions> = { methods: ['trust'] }
const V3 = 0x30000

function door(more: Partial<GreetingOptions> = {}): Greeting {
  return new Greeting(greetingOptions(secrets, more))
}

function startup(params: Record<string, string> = {}, version = V3): Buffer {
  return startupMessage(version, Object.entries({ user: 'app', ...params }))
}

function next(greeting: Greeting, ...bytes: Buffer[]): GreetStep {
  for (const chunk of bytes) greeting.push(chunk)
  return greeting.next()
}

function answer(greeting: Greeting, ...bytes: Buffer[]): Buffer {
  const step = next(greeting, ...bytes)
  if (step.kind !== 'answer') throw new Error(`${step.kind} instead of an answer`)
  return step.bytes
}

/** Of a refusal: reason, SQLSTATE and text the client sees. */
function refusal(step: GreetStep): [string, string, string] {
  if (step.kind !== 'refused') throw new Error(`${step.kind} instead of a refusal`)
  expect(step.bytes[0]).toBe(0x45)
  expect(step.bytes.readInt32BE(1)).toBe(step.bytes.length - 1)
  const { severity, code, message } = readErrorFields(step.bytes.subarray(5))
  expect([severity, message]).toEqual(['FATAL', step.message])
  return [step.reason, code, message]
}

function login(bytes: Buffer, more: Partial<GreetingOptions> = TRUST) {
  const greeting = door(more)
  const first = answer(greeting, bytes)
  const step = greeting.next()
  if (step.kind !== 'authenticated') throw new Error(`${step.kind} instead of a login`)
  return { ...step, first }
}

describe('a request for encryption', () => {
  it('is answered S, then TLS, then the login goes on inside', () => {
    const greeting = door({ tls: 'allowed', ...TRUST })
    expect(answer(greeting, sslRequest()).toString()).toBe('S')
    expect(greeting.next()).toMatchObject({ kind: 'upgrade-tls', direct: false })
    expect(greeting.next()).toEqual({ kind: 'starved' })
    greeting.secured()
    expect(answer(greeting, startup())).toEqual(authenticationOk())
    expect(greeting.next()).toMatchObject({ kind: 'authenticated', user: 'app' })
  })

  it('is answered N without TLS, and GSS always, in either order', () => {
    for (const order of [
      [sslRequest(), gssEncRequest()],
      [gssEncRequest(), sslRequest()],
    ]) {
      const greeting = door(TRUST)
      for (const request of order) expect(answer(greeting, request).toString()).toBe('N')
      expect(answer(greeting, startup())).toEqual(authenticationOk())
    }
  })

  it.each([
    ['TLS', sslRequest(), '1234.5679'],
    ['GSS', gssEncRequest(), '1234.5680'],
  ])('for %s comes only once', (_, request, version) => {
    const greeting = door()
    answer(greeting, request)
    expect(refusal(next(greeting, request))).toEqual([
      'unsupported-protocol',
      '0A000',
      `unsupported frontend protocol ${version}: server supports 3.0 to 3.2`,
    ])
  })

  it.each([
    ['TLS', sslRequest()],
    ['GSS', gssEncRequest()],
  ])('for %s is refused inside TLS', (_, request) => {
    expect(refusal(next(door({ secure: true, tls: 'allowed' }), request))[0]).toBe(
      'unsupported-protocol',
    )
    const greeting = door({ tls: 'allowed' })
    answer(greeting, sslRequest())
    greeting.next()
    greeting.secured()
    expect(refusal(next(greeting, request))[0]).toBe('unsupported-protocol')
  })

  const early = ['tls-early-bytes', '08P01', 'received unencrypted data after SSL request']
  it('with a startup packet in the same breath is refused, not answered', () => {
    const greeting = door({ tls: 'allowed' })
    expect(refusal(next(greeting, Buffer.concat([sslRequest(), startup()])))).toEqual(early)
  })

  it('followed by bytes in clear before TLS is up is refused', () => {
    const between = door({ tls: 'allowed' })
    answer(between, sslRequest())
    expect(refusal(next(between, startup()))).toEqual(early)

    const during = door({ tls: 'allowed' })
    answer(during, sslRequest())
    during.next()
    during.push(startup())
    during.secured()
    expect(refusal(during.next())).toEqual(early)
  })

  it('is not needed by a client that begins with its handshake', () => {
    const hello = Buffer.from([0x16, 3, 1, 0, 5])
    const greeting = door({ tls: 'required', ...TRUST })
    expect(next(greeting, hello)).toEqual({ kind: 'upgrade-tls', direct: true, early: hello })
    greeting.secured()
    expect(answer(greeting, startup())).toEqual(authenticationOk())
    expect(next(door({ tls: 'off' }), hello)).toMatchObject({
      kind: 'refused',
      reason: 'direct-tls',
      bytes: Buffer.from([0x15, 3, 1, 0, 2, 2, 40]),
    })
  })

  it('is insisted on where TLS is required', () => {
    expect(refusal(next(door({ tls: 'required' }), startup()))).toEqual([
      'tls-required',
      '28000',
      'this endpoint accepts TLS connections only',
    ])
  })
})

describe('a cancel request', () => {
  it('is handed on, with or without TLS', () => {
    const secret = randomBytes(32)
    for (const more of [{ tls: 'required' }, { tls: 'required', secure: true }] as const) {
      expect(next(door(more), cancelRequest(-5, secret))).toEqual({
        kind: 'cancel',
        pid: -5,
        secret,
      })
    }
  })
})

describe('a stranger', () => {
  it('who speaks HTTP is told so in HTTP', () => {
    const step = next(door(), Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))
    expect(step).toMatchObject({ kind: 'refused', reason: 'http' })
    const [head, body] = (step.kind === 'refused' ? step.bytes : '').toString().split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(head).toContain(`Content-Length: ${body!.length}`)
    expect(body).toContain('This is a Postgres port')
  })

  const packet = (length: number, ...words: number[]) => {
    const bytes = Buffer.alloc(4 + 4 * words.length)
    for (const [i, word] of [length, ...words].entries()) bytes.writeUInt32BE(word, 4 * i)
    return bytes
  }
  it.each([
    ['a length too small', packet(7), 'junk', '08P01'],
    ['a length below zero', packet(0xffffffff), 'junk', '08P01'],
    ['a huge length', packet(0x7fffffff), 'junk', '08P01'],
    ['a startup packet too long', packet(10_001, V3), 'startup-too-long', '08P01'],
    ['no closing zero', packet(12, V3, 0x61626364), 'junk', '08P01'],
    ['protocol 2', packet(8, 0x20000), 'unsupported-protocol', '0A000'],
    ['protocol 4', packet(8, 0x40000), 'unsupported-protocol', '0A000'],
    ['a query', query('select 1').subarray(0, 14), 'junk', '08P01'],
  ])('with %s is refused', (_, bytes, reason, sqlstate) => {
    expect(refusal(next(door(), bytes)).slice(0, 2)).toEqual([reason, sqlstate])
  })

  it('who says goodbye before saying who it is hears nothing, as from Postgres', () => {
    const step = next(door(), Buffer.from('X\0\0\0\x04', 'latin1'))
    expect(step).toMatchObject({ kind: 'refused', reason: 'junk', bytes: Buffer.alloc(0) })
  })

  it('who never finishes leaves the greeting starved', () => {
    expect(next(door(), startup().subarray(0, -1))).toEqual({ kind: 'starved' })
  })
})

describe('a startup packet', () => {
  it('gives its parameters, all kept but those with a meaning here', () => {
    const step = login(
      startup({
        database: 'shop',
        application_name: 'till',
        'my.setting': 'x',
        replication: 'database',
        options: '-c weir.endpoint=analytics -c geqo=off',
      }),
    )
    expect(step).toMatchObject({
      user: 'app',
      database: 'shop',
      parameters: new Map([
        ['application_name', 'till'],
        ['my.setting', 'x'],
      ]),
      options: new Map([['geqo', 'off']]),
      replication: 'database',
      endpoint: 'analytics',
      protocolMinor: 0,
      method: 'trust',
    })
  })

  it('names the database after the user when it names none', () => {
    expect(login(startup()).database).toBe('app')
    expect(login(startup({ database: '' })).database).toBe('app')
  })

  it.each([
    ['-c a=1', { a: '1' }],
    ['-ca=1 --b-c=2', { a: '1', b_c: '2' }],
    ['  -c\ta=1\n', { a: '1' }],
    ['-c a=x\\ y\\\\z', { a: 'x y\\z' }],
    ['-c a=b=c', { a: 'b=c' }],
    ['-c a=', { a: '' }],
    ['-c a=1 -c a=2', { a: '2' }],
    ['', {}],
  ])('has its options %j split as Postgres does', (options, expected) => {
    expect(Object.fromEntries(login(startup({ options })).options)).toEqual(expected)
  })

  it.each([
    ['-c geqo', '42601', '-c geqo requires a value'],
    ['--geqo', '42601', '--geqo requires a value'],
    ['-e', '0A000', 'startup option "-e" is not understood'],
    ['-c', '0A000', 'startup option "-c" is not understood'],
    ['geqo=off', '0A000', 'startup option "geqo=off" is not understood'],
  ])('with options %j is refused rather than half obeyed', (options, code, message) => {
    expect(refusal(next(door(TRUST), startup({ options })))).toEqual([
      'startup-parameter',
      code,
      message,
    ])
  })

  it.each([
    ['true', 'true'],
    ['on', 'on'],
    ['1', '1'],
    ['database', 'database'],
    ['false', undefined],
    ['off', undefined],
    ['0', undefined],
    ['no', undefined],
  ])('with replication %s', (value, expected) => {
    expect(login(startup({ replication: value })).replication).toBe(expected)
  })

  it('with a replication value nobody knows is refused', () => {
    expect(refusal(next(door(TRUST), startup({ replication: 'maybe' })))[1]).toBe('22023')
  })

  it.each([{}, { user: '' }])('without a user is refused', (params) => {
    const bytes = startupMessage(V3, Object.entries(params))
    expect(refusal(next(door(TRUST), bytes))).toEqual([
      'no-user',
      '28000',
      'no PostgreSQL user name specified in startup packet',
    ])
  })

  it('may name the endpoint as a parameter of its own, which wins', () => {
    const step = login(startup({ options: '-c weir.endpoint=a', 'weir.endpoint': 'b' }))
    expect([step.endpoint, step.parameters.size, step.options.size]).toEqual(['b', 0, 0])
  })

  it('is followed by whatever else the client sent already', () => {
    expect(login(Buffer.concat([startup(), query('select 1')])).rest).toEqual(query('select 1'))
  })
})

describe('protocol versions', () => {
  const negotiated = (bytes: Buffer) => {
    expect(bytes[0]).toBe(0x76)
    return readNegotiateProtocolVersion(bytes.subarray(5, 1 + bytes.readInt32BE(1)))
  }

  it.each([
    [V3, 0],
    [V3 + 1, 0],
    [V3 + 2, 2],
  ])('%i is taken as it is', (version, minor) => {
    const { first, protocolMinor } = login(startup({}, version))
    expect([first, protocolMinor]).toEqual([authenticationOk(), minor])
  })

  it('above 3.2 are brought down to it', () => {
    const { first, protocolMinor } = login(startup({}, V3 + 9999))
    expect(negotiated(first)).toEqual({ minor: 2, unsupported: [] })
    expect(first.subarray(-9)).toEqual(authenticationOk())
    expect(protocolMinor).toBe(2)
  })

  it('come with options we list as unknown and do not keep', () => {
    const { first, parameters } = login(startup({ '_pq_.compression': 'on', 'x.y': '1' }))
    expect(negotiated(first)).toEqual({ minor: 0, unsupported: ['_pq_.compression'] })
    expect([...parameters.keys()]).toEqual(['x.y'])
  })
})

describe('methods', () => {
  it.each([
    [['scram-sha-256', 'md5'], true, 'sasl'],
    [['md5', 'scram-sha-256'], true, 'md5'],
    [['trust', 'md5'], true, 'ok'],
    [['trust', 'md5'], false, 'md5'],
  ] as const)('%j with loopback %s begin with %s', (methods, loopback, kind) => {
    const bytes = answer(door({ methods, loopback }), startup())
    expect(readAuthentication(bytes.subarray(5)).kind).toBe(kind)
  })

  it('that are trust alone let nobody in from afar', () => {
    const step = next(door({ methods: ['trust'], loopback: false }), startup())
    expect(refusal(step).slice(0, 2)).toEqual(['auth-method', '28000'])
  })
})

describe('where a proof is due', () => {
  it.each([
    ['scram-sha-256', 'expected SASL response, got message type 81'],
    ['md5', 'expected password response, got message type 81'],
  ] as const)('by %s, another message is refused from its letter on', (method, message) => {
    const greeting = door({ methods: [method] })
    answer(greeting, startup())
    const step = next(greeting, query('select 1').subarray(0, 1))
    expect(refusal(step)).toEqual(['login-message', '08P01', message])
  })

  const header = (length: number) => {
    const bytes = Buffer.from('p\0\0\0\0')
    bytes.writeInt32BE(length, 1)
    return bytes
  }
  it.each([20_000, 3, -1])('a length of %i is refused as such', (length) => {
    const greeting = door()
    answer(greeting, startup())
    expect(refusal(next(greeting, header(length)))).toEqual([
      'login-message',
      '08P01',
      'invalid message length',
    ])
  })

  it.each([
    ['a password', passwordMessage('s3cret')],
    ['another mechanism', saslInitialResponse('PLAIN', Buffer.from('n,,n=,r=abc'))],
    [
      'the mechanism with channel binding',
      saslInitialResponse('SCRAM-SHA-256-PLUS', Buffer.from('n,,n=,r=abc')),
    ],
    [
      'channel binding data',
      saslInitialResponse('SCRAM-SHA-256', Buffer.from('p=tls-unique,,n=,r=x')),
    ],
    ['nothing in it', saslInitialResponse('SCRAM-SHA-256', Buffer.alloc(0))],
  ])('by SCRAM, %s is refused', (_, bytes) => {
    const greeting = door()
    answer(greeting, startup())
    expect(refusal(next(greeting, bytes)).slice(0, 2)).toEqual(['login-message', '08P01'])
  })

  it('by SCRAM, a client may wait to be asked for its first message', () => {
    const greeting = door()
    answer(greeting, startup())
    const none = saslInitialResponse('SCRAM-SHA-256', Buffer.alloc(0))
    none.writeInt32BE(-1, none.length - 4)
    expect(readAuthentication(answer(greeting, none).subarray(5))).toMatchObject({
      kind: 'sasl-continue',
      data: Buffer.alloc(0),
    })
    const reply = answer(greeting, saslResponse(Buffer.from('n,,n=,r=abc')))
    expect(reply.toString('latin1')).toContain('r=abc')
  })

  it('by md5, a password in clear is a wrong password', () => {
    const greeting = door({ methods: ['md5'] })
    answer(greeting, startup())
    expect(refusal(next(greeting, passwordMessage('s3cret')))).toEqual([
      'auth-failed',
      '28P01',
      'password authentication failed for user "app"',
    ])
    expect(greeting.user).toBe('app')
  })
})

describe('misuse', () => {
  it('of a greeting that has ended is our bug', () => {
    const greeting = door()
    next(greeting, cancelRequest(1, Buffer.alloc(4)))
    expect(() => greeting.next()).toThrow('BUG')
  })

  it('of secured() where no TLS was agreed on is our bug', () => {
    expect(() => door().secured()).toThrow('BUG')
  })
})

describe('when nobody may come in', () => {
  const error = new WeirError('WEIR_TOO_MANY_CLIENTS', 'full', {
    sqlstate: '53300',
    hint: 'Try again in a moment.',
  })
  const full = { admit: () => ({ reason: 'too-many-clients' as const, error }) }

  it('a client is told when it says who it is, before it has to prove that', () => {
    const step = next(door(full), startup())
    expect(step).toMatchObject({ kind: 'refused', reason: 'too-many-clients' })
    const { bytes } = step as { bytes: Buffer }
    expect(readErrorFields(bytes.subarray(5))).toMatchObject({
      ...{ severity: 'FATAL', code: '53300', message: 'full', hint: 'Try again in a moment.' },
    })
  })

  it('a cancel request is taken all the same', () => {
    expect(next(door(full), cancelRequest(7, Buffer.alloc(4)))).toMatchObject({ kind: 'cancel' })
  })

  it('a client that asks for TLS first gets it, and is told inside', () => {
    const greeting = door({ ...full, tls: 'allowed' })
    expect(next(greeting, sslRequest())).toMatchObject({ kind: 'answer' })
  })
})
