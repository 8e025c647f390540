import { describe, expect, it } from 'vitest'
import type { Proof } from '../../../src/auth/credential.ts'
import { md5Hash, md5Response } from '../../../src/auth/md5.ts'
import { SCRAM_SHA_256 } from '../../../src/auth/scram-keys.ts'
import { Connecting } from '../../../src/protocol/postgres/connect.ts'
import type { ConnectingOptions, ConnectStep } from '../../../src/protocol/postgres/connect-step.ts'
import {
  authenticationCleartext,
  authenticationMd5,
  authenticationOk,
  authenticationSasl,
  authenticationSaslContinue,
  authenticationSaslFinal,
  backendKeyData,
  dataRow,
  errorResponse,
  negotiateProtocolVersion,
  noticeResponse,
  parameterStatus,
  readyForQuery,
} from '../../../src/wire/postgres/backend.ts'
import { passwordMessage, sslRequest, startupMessage } from '../../../src/wire/postgres/frontend.ts'
import { readSaslInitialResponse } from '../../../src/wire/postgres/read.ts'
import { connectingOptions } from './duet.ts'

const salt = Buffer.from([1, 2, 3, 4])
const md5Only: Proof = { kind: 'md5-hash', hash: md5Hash('s3cret', 'app') }

function next(login: Connecting, ...bytes: Buffer[]): ConnectStep {
  if (bytes.length > 0) login.push(Buffer.concat(bytes))
  return login.next()
}

/** A login that has sent its startup packet. */
function begun(more: Partial<ConnectingOptions> = {}): Connecting {
  const login = new Connecting(connectingOptions(more))
  expect(login.next().kind).toBe('send')
  return login
}

function header(letter: string, length: number): Buffer {
  const bytes = Buffer.from(`${letter}\0\0\0\0`)
  bytes.writeInt32BE(length, 1)
  return bytes
}

describe('the startup packet', () => {
  it('names user and database, then what was asked for', () => {
    const parameters = [['application_name', 'weir']] as const
    const pairs = [['user', 'app'], ['database', 'shop'], ...parameters] as const
    const plain = new Connecting(connectingOptions({ parameters }))
    expect(plain.next()).toEqual({ kind: 'send', bytes: startupMessage(0x30000, pairs) })
    const newer = new Connecting(connectingOptions({ parameters, minor: 2 }))
    expect(newer.next()).toEqual({ kind: 'send', bytes: startupMessage(0x30002, pairs) })
  })
})

describe('TLS towards a node', () => {
  const asked = (tls: 'prefer' | 'require') => {
    const login = new Connecting(connectingOptions({ tls }))
    expect(login.next()).toEqual({ kind: 'send', bytes: sslRequest() })
    return login
  }

  it('is asked for, and the startup packet waits for it', () => {
    const login = asked('require')
    expect(login.next()).toEqual({ kind: 'starved' })
    expect(next(login, Buffer.from('S'))).toEqual({ kind: 'upgrade-tls' })
    expect(login.next()).toEqual({ kind: 'starved' })
    login.secured()
    expect(login.next().kind).toBe('send')
  })

  it('is not asked for over a Unix socket', () => {
    const login = new Connecting(connectingOptions({ tls: 'require', secureOrLocal: true }))
    const step = login.next()
    expect(step.kind === 'send' && step.bytes.readInt32BE(4)).toBe(0x30000)
  })

  it.each([
    ['prefer', 'N', 'send'],
    ['require', 'N', 'failed'],
    ['prefer', 'E', 'failed'],
    ['prefer', 'H', 'failed'],
    ['require', 'Sx', 'failed'],
  ] as const)('%s, answered %j, leads to %s', (tls, answer, kind) => {
    expect(next(asked(tls), Buffer.from(answer)).kind).toBe(kind)
  })

  it('does not believe bytes that come in clear before it is up', () => {
    const login = asked('require')
    next(login, Buffer.from('S'))
    login.push(authenticationOk())
    login.secured()
    expect(login.next()).toMatchObject({ kind: 'failed', why: 'protocol', code: '08P01' })
  })
})

describe('a node that asks for a password', () => {
  it('in clear gets it where nobody listens', () => {
    const login = begun({ secureOrLocal: true })
    expect(next(login, authenticationCleartext())).toEqual({
      kind: 'send',
      bytes: passwordMessage('s3cret'),
    })
  })

  it('in clear gets it over TLS', () => {
    const login = begun({ tls: 'require' })
    next(login, Buffer.from('S'))
    login.secured()
    login.next()
    expect(next(login, authenticationCleartext()).kind).toBe('send')
  })

  it.each([
    ['in clear over an open connection', authenticationCleartext(), {}],
    ['in clear after TLS was only preferred', authenticationCleartext(), { tls: 'prefer' }],
    [
      'in clear, of which we hold a hash',
      authenticationCleartext(),
      { secureOrLocal: true, proof: md5Only },
    ],
    [
      'by SCRAM, of which we hold an md5 hash',
      authenticationSasl([SCRAM_SHA_256]),
      { proof: md5Only },
    ],
    ['we do not hold', authenticationMd5(salt), { proof: undefined }],
    ['by a mechanism we do not know', authenticationSasl(['PLAIN']), {}],
    ['with channel binding alone', authenticationSasl(['SCRAM-SHA-256-PLUS']), {}],
    ['by GSS', Buffer.from('R\0\0\0\x08\0\0\0\x07'), {}],
  ] as const)('%s gets nothing', (_, demand, more) => {
    const login = begun(more)
    if ('tls' in more) next(login, Buffer.from('N'))
    expect(next(login, demand)).toMatchObject({ kind: 'failed', why: 'auth', code: '28000' })
  })

  it('by md5 gets it salted', () => {
    const expected = passwordMessage(md5Response(md5Hash('s3cret', 'app'), salt))
    for (const more of [{}, { proof: md5Only }]) {
      expect(next(begun(more), authenticationMd5(salt))).toEqual({ kind: 'send', bytes: expected })
    }
  })

  it.each([
    ['md5', authenticationMd5(salt)],
    ['clear', authenticationCleartext()],
    ['SCRAM', authenticationSasl([SCRAM_SHA_256])],
  ])('a second time, now by %s, is refused', (_, again) => {
    const login = begun({ secureOrLocal: true })
    next(login, authenticationMd5(salt))
    expect(next(login, again)).toMatchObject({ kind: 'failed', why: 'protocol' })
  })
})

describe('SCRAM towards a node', () => {
  const asked = () => {
    const login = begun()
    const step = next(login, authenticationSasl(['OAUTHBEARER', SCRAM_SHA_256]))
    if (step.kind !== 'send') throw new Error(step.kind)
    const { mechanism, data } = readSaslInitialResponse(step.bytes.subarray(5))
    expect(mechanism).toBe(SCRAM_SHA_256)
    return { login, nonce: data!.toString().slice('n,,n=,r='.length) }
  }
  const challenge = (nonce: string) =>
    authenticationSaslContinue(Buffer.from(`r=${nonce}abc,s=AAAA,i=4`))

  it('ends where the node skips the proof of its own', async () => {
    expect(next(asked().login, authenticationOk())).toMatchObject({ kind: 'failed', why: 'auth' })
    const { login, nonce } = asked()
    expect(next(login, challenge(nonce)).kind).toBe('waiting')
    expect(login.next().kind).toBe('waiting')
    await new Promise<void>((resolve) => {
      login.onReady = resolve
    })
    expect(login.next().kind).toBe('send')
    expect(next(login, authenticationOk())).toMatchObject({ kind: 'failed', why: 'auth' })
  })

  it.each([
    ['a wrong signature', `v=${Buffer.alloc(32).toString('base64')}`, 'auth'],
    ['an error', 'e=other-error', 'auth'],
    ['no signature', 'x', 'protocol'],
  ])('ends where the node proves itself with %s', async (_, text, why) => {
    const { login, nonce } = asked()
    next(login, challenge(nonce))
    await new Promise<void>((resolve) => {
      login.onReady = resolve
    })
    login.next()
    const final = authenticationSaslFinal(Buffer.from(text))
    expect(next(login, final, authenticationOk())).toMatchObject({ kind: 'failed', why })
  })

  it.each([
    ['another nonce', 'r=abc,s=AAAA,i=4'],
    ['too many iterations', 'r=NONCEx,s=AAAA,i=999999999'],
    ['no text', ''],
  ])('ends at a challenge with %s', (_, text) => {
    const { login, nonce } = asked()
    const data = Buffer.from(text.replace('NONCE', nonce))
    expect(next(login, authenticationSaslContinue(data))).toMatchObject({
      kind: 'failed',
      why: 'protocol',
    })
  })

  it('ends where the exchange comes out of order', () => {
    for (const message of [
      authenticationSaslContinue(Buffer.from('r=a,s=AAAA,i=4')),
      authenticationSaslFinal(Buffer.from('v=')),
    ]) {
      expect(next(begun(), message)).toMatchObject({ kind: 'failed', why: 'protocol' })
    }
  })
})

describe('after AuthenticationOk', () => {
  it('everything the node tells is collected up to ReadyForQuery', () => {
    const login = begun({ minor: 2 })
    const notice = noticeResponse({ severity: 'WARNING', code: '01000', message: 'collation' })
    const secret = Buffer.alloc(32, 7)
    const step = next(
      login,
      notice,
      authenticationOk(),
      parameterStatus('a', '1'),
      notice,
      parameterStatus('b', '2'),
      parameterStatus('a', '3'),
      backendKeyData(99, secret),
      readyForQuery('I'),
      parameterStatus('c', '4'),
    )
    expect(step).toEqual({
      kind: 'ready',
      parameters: new Map([
        ['a', '3'],
        ['b', '2'],
      ]),
      pid: 99,
      secret,
      minor: 2,
      rest: parameterStatus('c', '4'),
    })
    expect(() => login.next()).toThrow('BUG')
  })

  it('an older node has brought the protocol down', () => {
    const step = next(
      begun({ minor: 2 }),
      negotiateProtocolVersion(0, []),
      authenticationOk(),
      readyForQuery('I'),
    )
    expect(step).toMatchObject({ kind: 'ready', minor: 0 })
  })

  it('a node may not bring it up', () => {
    expect(next(begun(), negotiateProtocolVersion(2, []))).toMatchObject({ why: 'protocol' })
  })
})

describe('a node that says no', () => {
  it.each([
    ['28P01', 'auth'],
    ['28000', 'auth'],
    ['53300', 'rejected'],
    ['57P03', 'rejected'],
    ['3D000', 'rejected'],
  ])('with %s is quoted as %s', (code, why) => {
    const fields = { severity: 'FATAL', code, message: 'no', detail: 'd', hint: 'h' } as const
    const expected = { kind: 'failed', said: true, why, ...fields }
    expect(next(begun(), errorResponse(fields))).toEqual(expected)
    expect(next(begun(), authenticationOk(), errorResponse(fields))).toEqual(expected)
  })

  it.each([
    ['a message too long', header('E', 70_000)],
    ['a length below four', header('E', 3)],
    ['a length below zero', header('S', -5)],
    ['rows before login', dataRow(['1'])],
    ['settings before login', parameterStatus('a', 'b')],
    ['ReadyForQuery before login', readyForQuery('I')],
    ['rows before ReadyForQuery', Buffer.concat([authenticationOk(), dataRow(['1'])])],
    ['a second AuthenticationOk', Buffer.concat([authenticationOk(), authenticationOk()])],
    ['a torn error', header('E', 4)],
    ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ])('in no protocol known, with %s, is dropped', (_, bytes) => {
    expect(next(begun(), bytes)).toMatchObject({ kind: 'failed', why: 'protocol', code: '08P01' })
  })

  it('by never coming to an end is dropped', () => {
    const notice = noticeResponse({ severity: 'NOTICE', code: '00000', message: 'x' })
    const flood = Buffer.concat(Array.from({ length: 1_001 }, () => notice))
    expect(next(begun(), flood)).toMatchObject({ kind: 'failed', why: 'protocol' })
  })
})
