/** Channel binding and direct TLS towards a node: what is said, what is demanded, what is refused. */
import { X509Certificate } from 'node:crypto'
import { expect, it } from 'vitest'
import { ScramClient } from '../../../src/auth/scram-client.ts'
import { deriveKeys, SCRAM_SHA_256 } from '../../../src/auth/scram-keys.ts'
import { ScramServer } from '../../../src/auth/scram-server.ts'
import { serverEndPoint } from '../../../src/auth/tls-end-point.ts'
import { PostgresCancel } from '../../../src/protocol/postgres/cancel.ts'
import { Connecting } from '../../../src/protocol/postgres/connect.ts'
import type { ConnectingOptions, ConnectStep } from '../../../src/protocol/postgres/connect-step.ts'
import {
  authenticationCleartext,
  authenticationMd5,
  authenticationOk,
  authenticationSasl,
} from '../../../src/wire/postgres/backend.ts'
import { readSaslInitialResponse } from '../../../src/wire/postgres/read.ts'
import { TEST_CERTIFICATE } from '../../integration/test-certificate.ts'
import { connectingOptions } from './duet.ts'

const PLUS = 'SCRAM-SHA-256-PLUS'
const certificate = new X509Certificate(TEST_CERTIFICATE).raw

/** A login over TLS that has sent its startup packet. */
function begun(
  channelBinding: NonNullable<ConnectingOptions['channelBinding']>,
  shown: Buffer | undefined = certificate,
): Connecting {
  const login = new Connecting(connectingOptions({ tls: 'require', direct: true, channelBinding }))
  expect(login.next()).toEqual({ kind: 'upgrade-tls' })
  login.secured(shown)
  expect(login.next().kind).toBe('send')
  return login
}

function asked(login: Connecting, demand: Buffer): ConnectStep {
  login.push(demand)
  return login.next()
}

function saidBy(step: ConnectStep): string {
  if (step.kind !== 'send') throw new Error(JSON.stringify(step))
  const { mechanism, data } = readSaslInitialResponse(step.bytes.subarray(5))
  return `${mechanism} ${data!.toString().split(',')[0]}`
}

it.each([
  ['prefer', [PLUS, SCRAM_SHA_256], `${PLUS} p=tls-server-end-point`],
  ['require', [PLUS, SCRAM_SHA_256], `${PLUS} p=tls-server-end-point`],
  ['disable', [PLUS, SCRAM_SHA_256], `${SCRAM_SHA_256} n`],
  // Whoever offered it and finds this `y` knows that somebody took the offer out.
  ['prefer', [SCRAM_SHA_256], `${SCRAM_SHA_256} y`],
] as const)('with %s and %j on offer it is %s', (binding, offered, said) => {
  expect(saidBy(asked(begun(binding), authenticationSasl([...offered])))).toBe(said)
})

it('a certificate that gives no hash is bound to nothing, and said so', () => {
  const login = begun('prefer', Buffer.from('no certificate'))
  expect(saidBy(asked(login, authenticationSasl([PLUS, SCRAM_SHA_256])))).toBe(`${SCRAM_SHA_256} n`)
})

it.each([
  ['the plain mechanism alone', authenticationSasl([SCRAM_SHA_256])],
  ['md5', authenticationMd5(Buffer.alloc(4))],
  ['the password in clear', authenticationCleartext()],
  ['nothing', authenticationOk()],
])('required, %s is refused before anything of ours is said', (_, demand) => {
  expect(asked(begun('require'), demand)).toMatchObject({
    kind: 'failed',
    why: 'auth',
    said: false,
    message: expect.stringContaining('channel binding is required, but'),
  })
})

it('required, a connection without TLS is refused', () => {
  const login = new Connecting(connectingOptions({ tls: 'disable', channelBinding: 'require' }))
  login.next()
  expect(asked(login, authenticationSasl([SCRAM_SHA_256]))).toMatchObject({
    message: 'channel binding is required, but the connection has no TLS',
  })
})

it('an offer of channel binding without TLS is a lie', () => {
  const login = new Connecting(connectingOptions({ tls: 'disable' }))
  login.next()
  expect(asked(login, authenticationSasl([PLUS, SCRAM_SHA_256]))).toMatchObject({
    kind: 'failed',
    message: 'the node offers channel binding on a connection without TLS',
  })
})

it('bytes in clear ahead of a direct handshake are refused', () => {
  const login = new Connecting(connectingOptions({ tls: 'require', direct: true }))
  login.push(Buffer.from('S'))
  expect(login.next()).toMatchObject({ kind: 'failed', why: 'protocol', code: '08P01' })
})

it('a cancel request that goes over direct TLS asks for nothing in clear', () => {
  const cancel = new PostgresCancel({ pid: 1, secret: Buffer.alloc(4) }, 'direct')
  expect(cancel.next()).toEqual({ kind: 'upgrade-tls' })
  expect(cancel.next()).toEqual({ kind: 'starved' })
  cancel.secured()
  expect(cancel.next()).toMatchObject({ kind: 'send', last: true })
})

it.each([
  ['the same certificate', serverEndPoint(certificate)!, 'proved'],
  ['another certificate', Buffer.alloc(32, 1), 'broken'],
])('a proof bound to what we saw fits a server that shows %s', async (_, theirs, verdict) => {
  const salt = Buffer.from('salt')
  const keys = await deriveKeys('s3cret', salt, 4)
  const client = new ScramClient('ours', '', serverEndPoint(certificate)!)
  const verifier = { ...keys, salt, iterations: 4 }
  const server = new ScramServer({ verifier, known: true, nonce: 'theirs', serverEndPoint: theirs })
  const first = server.begin(client.begin(), true)
  client.challenge(first)
  const final = client.respond(keys)
  const end = () => {
    try {
      return server.finish(final).kind
    } catch {
      return 'broken'
    }
  }
  expect(end()).toBe(verdict)
})
