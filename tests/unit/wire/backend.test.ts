import { Parser } from 'pg-protocol/dist/parser'
import { describe, expect, it } from 'vitest'
import * as backend from '../../../src/wire/postgres/backend.ts'
import { HEADER } from '../../../src/wire/postgres/codes.ts'
import type { ErrorFields } from '../../../src/wire/postgres/error-fields.ts'
import {
  readAuthentication,
  readBackendKeyData,
  readCommandTag,
  readErrorFields,
  readNegotiateProtocolVersion,
  readParameterStatus,
  sqlstateOf,
} from '../../../src/wire/postgres/read.ts'

const body = (message: Buffer): Buffer => message.subarray(HEADER)

/** What another driver understands of `message`. */
function understood(message: Buffer): Record<string, unknown> {
  const seen: unknown[] = []
  new Parser().parse(message, (read) => seen.push(read))
  expect(seen).toHaveLength(1)
  return seen[0] as Record<string, unknown>
}

const ALL_FIELDS: ErrorFields = {
  severity: 'FATAL',
  code: '57P01',
  message: 'terminating connection',
  detail: 'd',
  hint: 'h',
  position: '7',
  internalPosition: '8',
  internalQuery: 'select 1',
  where: 'w',
  schema: 's',
  table: 't',
  column: 'c',
  dataType: 'int4',
  constraint: 'n',
  file: 'postgres.c',
  line: '3000',
  routine: 'ProcessInterrupts',
}

describe('messages servers send', () => {
  const cases: [string, Buffer, Record<string, unknown>][] = [
    ['AuthenticationOk', backend.authenticationOk(), { name: 'authenticationOk' }],
    [
      'AuthenticationCleartextPassword',
      backend.authenticationCleartext(),
      { name: 'authenticationCleartextPassword' },
    ],
    [
      'AuthenticationMD5Password',
      backend.authenticationMd5(Buffer.from('salt')),
      { name: 'authenticationMD5Password', salt: Buffer.from('salt') },
    ],
    [
      'AuthenticationSASL',
      backend.authenticationSasl(['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256']),
      { name: 'authenticationSASL', mechanisms: ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'] },
    ],
    [
      'AuthenticationSASLContinue',
      backend.authenticationSaslContinue(Buffer.from('r=1')),
      { name: 'authenticationSASLContinue', data: 'r=1' },
    ],
    [
      'AuthenticationSASLFinal',
      backend.authenticationSaslFinal(Buffer.from('v=1')),
      { name: 'authenticationSASLFinal', data: 'v=1' },
    ],
    [
      'ParameterStatus',
      backend.parameterStatus('TimeZone', 'Europe/Zürich'),
      { name: 'parameterStatus', parameterName: 'TimeZone', parameterValue: 'Europe/Zürich' },
    ],
    [
      'BackendKeyData',
      backend.backendKeyData(-5, Buffer.from('00c0ffee', 'hex')),
      { name: 'backendKeyData', processID: -5, secretKey: 0x00c0ffee },
    ],
    ['ReadyForQuery', backend.readyForQuery('E'), { name: 'readyForQuery', status: 'E' }],
    ['ParseComplete', backend.parseComplete(), { name: 'parseComplete' }],
    ['BindComplete', backend.bindComplete(), { name: 'bindComplete' }],
    ['CloseComplete', backend.closeComplete(), { name: 'closeComplete' }],
    ['NoData', backend.noData(), { name: 'noData' }],
    ['EmptyQueryResponse', backend.emptyQueryResponse(), { name: 'emptyQuery' }],
    [
      'CommandComplete',
      backend.commandComplete('INSERT 0 1'),
      { name: 'commandComplete', text: 'INSERT 0 1' },
    ],
    [
      'DataRow',
      backend.dataRow(['a', null, '', 'ü']),
      { name: 'dataRow', fieldCount: 4, fields: ['a', null, '', 'ü'] },
    ],
    [
      'NotificationResponse',
      backend.notificationResponse(9, 'jobs', 'one'),
      { name: 'notification', processId: 9, channel: 'jobs', payload: 'one' },
    ],
    ['ErrorResponse', backend.errorResponse(ALL_FIELDS), { name: 'error', ...ALL_FIELDS }],
    ['NoticeResponse', backend.noticeResponse(ALL_FIELDS), { name: 'notice', ...ALL_FIELDS }],
  ]
  it.each(cases)('%s is understood by another driver', (_name, message, expected) => {
    expect(understood(message)).toMatchObject(expected)
  })

  it('describes columns as text unless told otherwise', () => {
    const message = backend.rowDescription([{ name: 'pool' }, { name: 'idle', typeOid: 20 }])
    expect(understood(message)).toMatchObject({
      name: 'rowDescription',
      fields: [
        { name: 'pool', dataTypeID: 25, dataTypeSize: -1, format: 'text' },
        { name: 'idle', dataTypeID: 20, dataTypeSize: 8, format: 'text' },
      ],
    })
  })

  it('delivers an error whose text quotes a NUL', () => {
    const message = backend.errorResponse({ severity: 'ERROR', code: '22021', message: 'a\0b' })
    expect(readErrorFields(body(message)).message).toBe('a b')
  })

  it('hands out the same bytes again for messages without content', () => {
    expect(backend.readyForQuery('I')).toBe(backend.readyForQuery('I'))
    expect(backend.parseComplete()).toBe(backend.parseComplete())
  })
})

describe('readers of what servers send', () => {
  it('reads every error field back', () => {
    const message = backend.errorResponse(ALL_FIELDS)
    expect(readErrorFields(body(message))).toEqual(ALL_FIELDS)
    expect(sqlstateOf(body(message))).toBe('57P01')
  })

  it('prefers the severity that is never translated, and skips fields it does not know', () => {
    const fields = readErrorFields(Buffer.from('SFEHLER\0VFATAL\0C28P01\0Mno\0?new\0\0'))
    expect(fields).toEqual({ severity: 'FATAL', code: '28P01', message: 'no' })
    expect(readErrorFields(Buffer.from('SFEHLER\0\0')).severity).toBe('ERROR')
  })

  it('reads cancel keys of both protocol versions', () => {
    const long = Buffer.alloc(256, 7)
    expect(readBackendKeyData(body(backend.backendKeyData(4, long)))).toEqual({
      pid: 4,
      secret: long,
    })
    expect(() => readBackendKeyData(Buffer.alloc(7))).toThrow('invalid message format')
    expect(() => readBackendKeyData(Buffer.alloc(261))).toThrow('invalid message format')
  })

  it('reads every way of authentication and names the others', () => {
    expect(readAuthentication(body(backend.authenticationOk()))).toEqual({ kind: 'ok' })
    expect(readAuthentication(body(backend.authenticationCleartext()))).toEqual({
      kind: 'cleartext',
    })
    expect(readAuthentication(body(backend.authenticationMd5(Buffer.from('salt'))))).toEqual({
      kind: 'md5',
      salt: Buffer.from('salt'),
    })
    expect(readAuthentication(body(backend.authenticationSasl(['A', 'B'])))).toEqual({
      kind: 'sasl',
      mechanisms: ['A', 'B'],
    })
    expect(readAuthentication(body(backend.authenticationSaslContinue(Buffer.from('x'))))).toEqual({
      kind: 'sasl-continue',
      data: Buffer.from('x'),
    })
    expect(readAuthentication(body(backend.authenticationSaslFinal(Buffer.from('y'))))).toEqual({
      kind: 'sasl-final',
      data: Buffer.from('y'),
    })
    expect(readAuthentication(Buffer.from([0, 0, 0, 7]))).toEqual({ kind: 'unsupported', code: 7 })
  })

  it('reads a negotiated version whether it is a minor number or a whole one', () => {
    const message = backend.negotiateProtocolVersion(2, ['_pq_.x'])
    expect(message.readInt32BE(HEADER)).toBe(0x0003_0002)
    expect(readNegotiateProtocolVersion(body(message))).toEqual({
      minor: 2,
      unsupported: ['_pq_.x'],
    })
    expect(readNegotiateProtocolVersion(Buffer.from([0, 0, 0, 0, 0, 0, 0, 0])).minor).toBe(0)
  })

  it('reads parameters and tags', () => {
    expect(readParameterStatus(body(backend.parameterStatus('a', '')))).toEqual({
      name: 'a',
      value: '',
    })
    expect(readCommandTag(body(backend.commandComplete('SELECT 1')))).toBe('SELECT 1')
  })

  const torn: [string, () => unknown][] = [
    ['an error that does not end', () => readErrorFields(Buffer.from('Mx\0'))],
    ['an error with bytes after its end', () => readErrorFields(Buffer.from('Mx\0\0y'))],
    ['an error field without a NUL', () => sqlstateOf(Buffer.from('Mx'))],
    ['an authentication request of three bytes', () => readAuthentication(Buffer.alloc(3))],
    ['an md5 request without salt', () => readAuthentication(Buffer.from([0, 0, 0, 5, 1]))],
    [
      'a list of mechanisms without an end',
      () => readAuthentication(Buffer.from([0, 0, 0, 10, 65, 0])),
    ],
    ['a parameter without a value', () => readParameterStatus(Buffer.from('a\0'))],
    [
      'a version list longer than its message',
      () => readNegotiateProtocolVersion(Buffer.from([0, 3, 0, 0, 0x7f, 0xff, 0xff, 0xff])),
    ],
  ]
  it.each(torn)('rejects %s', (_name, read) => {
    expect(read).toThrow(expect.objectContaining({ name: 'ProtocolError', sqlstate: '08P01' }))
  })
})
