/** What a shared listener reads and says: whole notifications out of pieces, and its own requests. */
import { expect, it } from 'vitest'
import { PostgresListener } from '../../../src/protocol/postgres/listener.ts'
import { PostgresServerConversation } from '../../../src/protocol/postgres/server-conversation.ts'
import {
  noticeResponse,
  notificationResponse,
  parameterStatus,
} from '../../../src/wire/postgres/backend.ts'

function listener(encoding = '', parameters: [string, string][] = []) {
  const server = new PostgresServerConversation({
    parameters: new Map(parameters),
    cancelKey: undefined,
    preparedLimit: 10,
    initQuery: '',
  })
  return { server, heard: new PostgresListener(server, encoding) }
}

function drain(heard: PostgresListener): [string, number, Buffer][] {
  const found: [string, number, Buffer][] = []
  while (heard.next()) found.push([heard.channel, heard.sender, heard.message])
  return found
}

const STREAM = [
  noticeResponse({ severity: 'NOTICE', code: '00000', message: 'A notice' }),
  notificationResponse(7, 'jobs', 'one'),
  parameterStatus('TimeZone', 'Europe/Athens'),
  notificationResponse(8, 'Größe "x"', ''),
  notificationResponse(7, 'jobs', 'p'.repeat(7_999)),
]

it('finds every notification however the stream is cut, and nothing else', () => {
  const bytes = Buffer.concat(STREAM)
  for (const size of [1, 2, 3, 7, 64, 1_000, bytes.length]) {
    const { heard } = listener()
    const found: [string, number, Buffer][] = []
    for (let at = 0; at < bytes.length; at += size) {
      const chunk = Buffer.from(bytes.subarray(at, at + size))
      heard.push(chunk)
      found.push(...drain(heard))
      // The memory it was given is used again.
      chunk.fill(0xff)
    }
    expect(found).toEqual([
      ['jobs', 7, STREAM[1]],
      ['Größe "x"', 8, STREAM[3]],
      ['jobs', 7, STREAM[4]],
    ])
  }
})

it('keeps each message for itself: the next one does not change it', () => {
  const { heard } = listener()
  heard.push(Buffer.concat([STREAM[1]!, STREAM[3]!]))
  heard.next()
  const first = heard.message
  heard.next()
  expect(first).toEqual(STREAM[1])
})

it('puts another sender into the message', () => {
  const { heard } = listener()
  heard.push(STREAM[1]!)
  heard.next()
  heard.sign(41)
  expect(heard.sender).toBe(41)
  expect(heard.message).toEqual(notificationResponse(41, 'jobs', 'one'))
})

it('asks in one request, with names as they are', () => {
  const { server, heard } = listener()
  const request = heard.change(['a "b"', 'Größe'], ['old'])
  expect(request.toString()).toContain('UNLISTEN "old";LISTEN "a ""b""";LISTEN "Größe"')
  expect(server.owing).toBe(true)
})

it('keeps the bytes of a name that is not UTF-8', () => {
  const { heard } = listener('LATIN1')
  const request = heard.change(['Gr\udcf6\udcdfe'], [])
  expect(request.toString('latin1')).toContain('LISTEN "Größe"')
})

it('changes its encoding only when the server has another', () => {
  const same = listener('UTF8', [['client_encoding', 'UTF8']])
  expect(same.heard.opening()).toHaveLength(0)
  const any = listener('', [['client_encoding', 'UTF8']])
  expect(any.heard.opening()).toHaveLength(0)
  const other = listener('LATIN1', [['client_encoding', 'UTF8']])
  expect(other.heard.opening().toString()).toContain(`SET client_encoding TO 'LATIN1'`)
})

it('forgets what an earlier request was refused for', () => {
  const { server, heard } = listener()
  server.quietError = new Error('an old one') as never
  heard.change(['a'], [])
  expect(server.quietError).toBeUndefined()
})

it('refuses a notification longer than any', () => {
  const { heard } = listener()
  const head = Buffer.from('A\0\0\0\0')
  head.writeInt32BE(1_000_000, 1)
  heard.push(head)
  expect(() => heard.next()).toThrow('impossible length')
})
