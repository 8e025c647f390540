import { serialize } from 'pg-protocol'
import { describe, expect, it } from 'vitest'
import { HEADER, PROTOCOL_3_0 } from '../../../src/wire/postgres/codes.ts'
import * as frontend from '../../../src/wire/postgres/frontend.ts'
import {
  readBindNames,
  readExecute,
  readParse,
  readPassword,
  readQuery,
  readSaslInitialResponse,
  readTarget,
} from '../../../src/wire/postgres/read.ts'

const SECRET = Buffer.from('00c0ffee', 'hex')
const body = (message: Buffer): Buffer => message.subarray(HEADER)

describe('messages clients send', () => {
  const same: [string, Buffer, Buffer][] = [
    ['SSLRequest', frontend.sslRequest(), serialize.requestSsl()],
    ['CancelRequest', frontend.cancelRequest(-7, SECRET), serialize.cancel(-7, 0x00c0ffee)],
    ['PasswordMessage', frontend.passwordMessage('geheim'), serialize.password('geheim')],
    [
      'PasswordMessage from bytes',
      frontend.passwordMessage(Buffer.from('geheim')),
      serialize.password('geheim'),
    ],
    [
      'SASLInitialResponse',
      frontend.saslInitialResponse('SCRAM-SHA-256', Buffer.from('n,,n=,r=abc')),
      serialize.sendSASLInitialResponseMessage('SCRAM-SHA-256', 'n,,n=,r=abc'),
    ],
    [
      'SASLResponse',
      frontend.saslResponse(Buffer.from('c=biws')),
      serialize.sendSCRAMClientFinalMessage('c=biws'),
    ],
    ['Query', frontend.query("select 'größer'"), serialize.query("select 'größer'")],
    [
      'Parse',
      frontend.parse('s1', 'select $1', [23, 4_000_000_000]),
      serialize.parse({ name: 's1', text: 'select $1', types: [23, 4_000_000_000 | 0] }),
    ],
    ['Execute', frontend.execute('p', 50), serialize.execute({ portal: 'p', rows: 50 })],
    ['Execute of all', frontend.execute('', 0), serialize.execute()],
    ['Describe', frontend.describe('S', 'größe'), serialize.describe({ type: 'S', name: 'größe' })],
    ['Describe unnamed', frontend.describe('P', ''), serialize.describe({ type: 'P' })],
    ['Close', frontend.close('P', 'c1'), serialize.close({ type: 'P', name: 'c1' })],
    ['Sync', frontend.sync(), serialize.sync()],
    ['Flush', frontend.flush(), serialize.flush()],
    ['Terminate', frontend.terminate(), serialize.end()],
    [
      'CopyData',
      frontend.copyData(Buffer.from([1, 0, 2])),
      serialize.copyData(Buffer.from([1, 0, 2])),
    ],
    ['CopyDone', frontend.copyDone(), serialize.copyDone()],
    ['CopyFail', frontend.copyFail('enough'), serialize.copyFail('enough')],
  ]
  it.each(same)('%s is byte for byte what another driver writes', (_name, ours, theirs) => {
    expect(ours).toEqual(theirs)
  })

  it('writes a startup packet as another driver does', () => {
    const params = [
      ['user', 'weir'],
      ['database', 'app'],
      ['client_encoding', 'UTF8'],
    ] as const
    expect(frontend.startupMessage(PROTOCOL_3_0, params)).toEqual(
      serialize.startup({ user: 'weir', database: 'app' }),
    )
  })

  it('refuses a string with a NUL inside as our own bug', () => {
    expect(() => frontend.query('select 1\0; drop table t')).toThrow('BUG')
    expect(() => frontend.parse('a\0b', '', [])).toThrow('BUG')
    expect(() => frontend.startupMessage(PROTOCOL_3_0, [['user', '\0']])).toThrow('BUG')
  })

  it('refuses cancel secrets no protocol version has', () => {
    expect(() => frontend.cancelRequest(1, Buffer.alloc(3))).toThrow('BUG')
    expect(() => frontend.cancelRequest(1, Buffer.alloc(257))).toThrow('BUG')
    expect(frontend.cancelRequest(1, Buffer.alloc(256))).toHaveLength(268)
  })
})

describe('readers of what clients send', () => {
  it('keeps parameter types of Parse as bytes that build the same message again', () => {
    const message = frontend.parse('stmt', 'select $1', [20, 25])
    const read = readParse(body(message))
    expect(read.name).toBe('stmt')
    expect(read.text.toString()).toBe('select $1')
    expect(frontend.parse(read.name, read.text, read.types)).toEqual(message)
  })

  it('finds where the parameters of Bind begin', () => {
    const message = serialize.bind({ portal: 'p', statement: 's1', values: ['x'] })
    expect(readBindNames(body(message))).toEqual({ portal: 'p', statement: 's1', rest: 5 })
  })

  it('reads targets, executions, passwords and queries', () => {
    expect(readTarget(body(frontend.describe('S', 'a')))).toEqual({ kind: 'S', name: 'a' })
    expect(readTarget(body(frontend.close('P', '')))).toEqual({ kind: 'P', name: '' })
    expect(readExecute(body(frontend.execute('p', -1)))).toEqual({ portal: 'p', maxRows: -1 })
    expect(readPassword(body(frontend.passwordMessage('x')))).toBe('x')
    expect(readQuery(body(frontend.query('select 1'))).toString()).toBe('select 1')
  })

  it('tells no initial SASL response from an empty one', () => {
    const empty = frontend.saslInitialResponse('PLAIN', Buffer.alloc(0))
    expect(readSaslInitialResponse(body(empty)).data).toHaveLength(0)
    const none = Buffer.concat([Buffer.from('PLAIN\0'), Buffer.from([255, 255, 255, 255])])
    expect(readSaslInitialResponse(none)).toEqual({ mechanism: 'PLAIN', data: null })
  })

  const torn: [string, () => unknown][] = [
    ['Query without a NUL', () => readQuery(Buffer.from('select 1'))],
    ['Query with bytes after its NUL', () => readQuery(Buffer.from('select 1\0x'))],
    ['an empty Parse', () => readParse(Buffer.alloc(0))],
    ['Parse with fewer types than it counts', () => readParse(Buffer.from('s\0q\0\0\x02abcd'))],
    ['Parse with more bytes than types', () => readParse(Buffer.from('s\0q\0\0\x01abcde'))],
    ['Parse without a count', () => readParse(Buffer.from('s\0q\0'))],
    ['Bind with one name', () => readBindNames(Buffer.from('p\0s'))],
    ['Describe of something else', () => readTarget(Buffer.from('Xa\0'))],
    ['Describe with bytes left over', () => readTarget(Buffer.from('Sa\0b'))],
    ['Execute without a row count', () => readExecute(Buffer.from('p\0\0\0'))],
    [
      'SASL data shorter than it says',
      () => readSaslInitialResponse(Buffer.from('M\0\0\0\0\x05abc')),
    ],
  ]
  it.each(torn)('rejects %s', (_name, read) => {
    expect(read).toThrow(expect.objectContaining({ name: 'ProtocolError', sqlstate: '08P01' }))
  })
})
