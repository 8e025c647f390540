/** What a shared listener reads and says: whole notifications out of pieces, and its own requests. */
import { describe, expect, it } from 'vitest'
import { PostgresListener } from '../../../src/protocol/postgres/listener.ts'
import { Senders } from '../../../src/protocol/postgres/senders.ts'
import { PostgresServerConversation } from '../../../src/protocol/postgres/server-conversation.ts'
import {
  commandComplete,
  noticeResponse,
  notificationResponse,
  parameterStatus,
  readyForQuery,
} from '../../../src/wire/postgres/backend.ts'

function listener(encoding = '', parameters: [string, string][] = []) {
  const senders = new Senders()
  const server = new PostgresServerConversation({
    parameters: new Map(parameters),
    cancelKey: undefined,
    preparedLimit: 10,
    initQuery: '',
  })
  return { server, senders, heard: new PostgresListener(server, encoding, senders) }
}

function drain(heard: PostgresListener): [string, Buffer][] {
  const found: [string, Buffer][] = []
  while (heard.next()) found.push([heard.channel, heard.message])
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
    const found: [string, Buffer][] = []
    for (let at = 0; at < bytes.length; at += size) {
      const chunk = Buffer.from(bytes.subarray(at, at + size))
      heard.push(chunk)
      found.push(...drain(heard))
      // The memory it was given is used again.
      chunk.fill(0xff)
    }
    expect(found).toEqual([
      ['jobs', STREAM[1]!],
      ['Größe "x"', STREAM[3]!],
      ['jobs', STREAM[4]!],
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

it('asks in one request, with names as they are', () => {
  const { server, heard } = listener()
  const request = heard.change(['a "b"', 'Größe'], ['old'])
  expect(request.toString()).toContain(
    'LISTEN "weir:sender";LISTEN "a ""b""";LISTEN "Größe";UNLISTEN "old"',
  )
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

describe('The sender', () => {
  const marked = (process: number, client: number) =>
    notificationResponse(process, 'weir:sender', String(client))

  function senders(...messages: Buffer[]): number[] {
    const { heard } = listener()
    heard.push(Buffer.concat(messages))
    return drain(heard).map(([, message]) => message.readInt32BE(5))
  }

  it('is the client named by the newest mark of its process', () => {
    const jobs = (process: number) => notificationResponse(process, 'jobs', '')
    expect(
      senders(jobs(7), marked(7, 41), jobs(7), jobs(8), marked(8, 42), jobs(8), jobs(7)),
    ).toEqual([7, 41, 8, 42, 41])
  })

  it('is the process again when the mark is taken back', () => {
    const jobs = notificationResponse(7, 'jobs', '')
    expect(senders(marked(7, 41), jobs, marked(7, 0), jobs)).toEqual([41, 7])
  })

  it('is the process when a mark makes no sense', () => {
    const jobs = notificationResponse(7, 'jobs', '')
    const nonsense = notificationResponse(7, 'weir:sender', 'x')
    expect(senders(marked(7, 41), nonsense, jobs, marked(7, -1), jobs)).toEqual([7, 7])
  })
})

describe('Marks', () => {
  it('are sent only while somebody listens', () => {
    const { server, senders, heard } = listener()
    expect(senders.mark(server, 41).toString()).toContain(`NOTIFY "weir:sender", '41'`)
    heard.close()
    expect(senders.mark(server, 42)).toHaveLength(0)
    expect(senders.part(server, 42)).toHaveLength(0)
  })

  it('are sent once for each client that uses a server connection', () => {
    const { server, senders } = listener()
    expect(senders.part(server, 41)).toHaveLength(0)
    expect(senders.mark(server, 41)).not.toHaveLength(0)
    answer(server)
    expect(senders.mark(server, 41)).toHaveLength(0)
    expect(senders.part(server, 41)).toHaveLength(0)
    expect(senders.part(server, 42).toString()).toContain(`'0'`)
    expect(senders.part(server, 43)).toHaveLength(0)
  })

  it('are sent again in a transaction and behind one, because it may be rolled back', () => {
    const { server, senders } = listener()
    server.status = 'open'
    expect(senders.mark(server, 41)).not.toHaveLength(0)
    expect(senders.mark(server, 41)).not.toHaveLength(0)
    server.status = 'idle'
    expect(senders.mark(server, 41)).not.toHaveLength(0)
  })

  it('are sent again for a new listener', () => {
    const { server, senders, heard } = listener()
    senders.mark(server, 41)
    answer(server)
    heard.close()
    senders.opened()
    expect(senders.mark(server, 41)).not.toHaveLength(0)
  })

  it('are not sent to a server that could not carry them', () => {
    const { server, senders } = listener('', [['in_hot_standby', 'on']])
    expect(senders.mark(server, 41)).toHaveLength(0)
  })
})

/** The server answers what it was asked. */
function answer(server: PostgresServerConversation): void {
  server.push(Buffer.concat([commandComplete('NOTIFY'), readyForQuery('I')]))
  while (server.next() !== 'starved') {}
}
