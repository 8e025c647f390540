/** What is audited of clients: the way they came, and nothing made ready when nobody wants to know. */
import { beforeEach, expect, test } from 'vitest'
import type { Audit, AuditEvent, AuditKind } from '../../../src/core/audit.ts'
import { BARE_CHANNEL } from '../../../src/core/secure-channel.ts'
import {
  type AuditedLogin,
  auditCancel,
  auditEntered,
  auditRefused,
} from '../../../src/session/audit-notes.ts'

let told: AuditEvent[]
let wanted: readonly AuditKind[]
const audit: Audit = {
  tell: (event) => told.push(event),
  wants: (kind) => wanted.includes(kind),
  closed: undefined,
}

beforeEach(() => {
  told = []
  wanted = ['login', 'cancel']
})

const link = { remoteAddress: '10.0.0.5', remotePort: 50_123, encrypted: true }
const login: AuditedLogin = { rooms: { audit }, endpointName: 'writer', link, user: 'alice' }
const source = { address: '10.0.0.5', port: 50_123 }

test('a login by certificate and token tells whose certificate and which key, over what', () => {
  const peer = { commonName: 'alice', names: [], fingerprint: 'ab', subject: 'CN=alice' }
  const channel = { ...BARE_CHANNEL, version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', peer }
  const proof = { method: 'iam', tokenKey: 'AKIAEXAMPLE' }
  const who = { user: 'alice', database: 'app' } as Parameters<typeof auditEntered>[1]
  auditEntered({ ...login, channel, proof }, who, 7)
  expect(told).toEqual([
    {
      ...{ kind: 'login', outcome: 'accepted', session: 7, endpoint: 'writer' },
      ...{ user: 'alice', database: 'app', source, proof },
      tls: { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', certificate: 'CN=alice' },
    },
  ])
})

test('a refused one tells why, and that it was not encrypted by saying nothing of it', () => {
  auditRefused({ ...login, link: { ...link, encrypted: false } }, 'token-expired', 'it is old')
  expect(told).toEqual([
    {
      ...{ kind: 'login', outcome: 'refused', reason: 'token-expired', message: 'it is old' },
      ...{ endpoint: 'writer', user: 'alice', source, tls: undefined, proof: undefined },
    },
  ])
})

test('nothing is told to an audit log that does not want it, or is not there', () => {
  wanted = []
  auditRefused(login, 'auth-failed', 'no')
  auditCancel(login, 5, 'ignored')
  auditCancel({ ...login, rooms: {} }, 5, 'ignored')
  expect(told).toEqual([])
})
