/** What rides put on a server connection and book there: statements prepared by name, and the unnamed. */
import { expect, it } from 'vitest'
import type { PostgresClientConversation } from '../../../../src/protocol/postgres/client-conversation.ts'
import type { PostgresRideReader } from '../../../../src/protocol/postgres/ride-reader.ts'
import type { PostgresServerConversation } from '../../../../src/protocol/postgres/server-conversation.ts'
import type { Ride, RideStep } from '../../../../src/protocol/ride.ts'
import {
  bindComplete,
  closeComplete,
  commandComplete,
  errorResponse,
  parseComplete,
  readyForQuery,
} from '../../../../src/wire/postgres/backend.ts'
import { bind, execute, parse, query, sync } from '../../../../src/wire/postgres/frontend.ts'
import { bareConversation, bareServer, paperProtocol, preparedBy } from './ride-support.ts'

const NO_TYPES = Buffer.alloc(2)
const named = (name: string): Buffer => Buffer.concat([bind('', name), execute('', 0), sync()])
const done = Buffer.concat([bindComplete(), commandComplete('SELECT 0'), readyForQuery('I')])
const failed = (code: string): Buffer =>
  Buffer.concat([
    errorResponse({ severity: 'ERROR', code, message: 'no' } as never),
    readyForQuery('I'),
  ])

/** Letters of the messages sent, with the names of statements behind them. */
function sent(bytes: Buffer | undefined): string {
  const parts: string[] = []
  for (let at = 0; at < bytes!.length; at += 1 + bytes!.readUInt32BE(at + 1)) {
    const letter = String.fromCharCode(bytes![at]!)
    const body = bytes!.toString('latin1', at + 5, at + 1 + bytes!.readUInt32BE(at + 1))
    const name = letter === 'P' ? body.split('\0')[0]! : letter === 'B' ? body.split('\0')[1]! : ''
    parts.push(letter + (letter === 'C' ? body.slice(1).split('\0')[0]! : name))
  }
  return parts.join(' ')
}

function table(texts: readonly string[], limit = 100) {
  const protocol = paperProtocol()
  const clients = [0, 1].map(() => {
    const client = bareConversation(protocol)
    for (const [i, text] of texts.entries()) preparedBy(client, `p${i}`, text)
    return client
  }) as [PostgresClientConversation, PostgresClientConversation]
  const server = bareServer(limit)
  const reader = server.rides()
  return { clients, server, reader }
}

/** What the reader makes of `bytes` for those rides. */
function answer(reader: PostgresRideReader, rides: readonly Ride[], bytes: Buffer): RideStep[] {
  const ends: RideStep[] = []
  reader.first = rides[0] as never
  reader.push(bytes)
  for (let step = reader.next(); step !== 'starved'; step = reader.next()) {
    if (step === 'broken') throw new Error(reader.error?.message)
    if (step === 'forward') continue
    ends.push(step)
    reader.first = rides[ends.length] as never
  }
  return ends
}

const boards = (client: PostgresClientConversation, server: PostgresServerConversation) => {
  const ride = client.rides.find(named('p0'))!
  return { ride, bytes: sent(ride.board(server.rides())) }
}

it('a statement is prepared by the first who needs it, for all who ride behind', () => {
  const { clients, server, reader } = table(['select a from t'])
  const first = boards(clients[0], server)
  const second = boards(clients[1], server)
  const [, name] = /P(\S+)/.exec(first.bytes)!
  expect(first.bytes).toBe(`P${name} B${name} E S`)
  expect(second.bytes).toBe(`B${name} E S`)
  const bytes = Buffer.concat([parseComplete(), done, done])
  expect(answer(reader, [first.ride, second.ride], bytes)).toEqual(['answered', 'answered'])
  server.ridden()
  expect(boards(clients[1], server).bytes).toBe(`B${name} E S`)
})

it('when that fails all who relied on it are put back, and it is prepared again, its old one closed', () => {
  const { clients, server, reader } = table(['select a from t'])
  const first = boards(clients[0], server)
  const second = boards(clients[1], server)
  const bytes = Buffer.concat([failed('42P01'), failed('26000')])
  expect(answer(reader, [first.ride, second.ride], bytes)).toEqual(['again', 'again'])
  server.ridden()
  expect(boards(clients[0], server).bytes).toMatch(/^(?:C\S+ )?P\S+ B\S+ E S$/)
})

it('what was sent ahead and never answered is not relied on by those who come later', () => {
  const { clients, server } = table(['select a from t'])
  boards(clients[0], server)
  server.ridden()
  expect(boards(clients[1], server).bytes).toMatch(/^C(\S+) P\1 B\1 E S$/)
})

it('a change of tables has it prepared anew', () => {
  const { clients, server, reader } = table(['select a from t'])
  const first = boards(clients[0], server)
  answer(reader, [first.ride], Buffer.concat([parseComplete(), done]))
  server.prepared.outdated()
  expect(boards(clients[1], server).bytes).toMatch(/^C(\S+) P\1 B\1 E S$/)
})

it('what makes room for it is closed behind, and prepared again by who needs it', () => {
  const { clients, server, reader } = table(['select a from t', 'select b from t'], 1)
  const old = boards(clients[0], server)
  answer(reader, [old.ride], Buffer.concat([parseComplete(), done]))
  const [, oldName] = /P(\S+)/.exec(old.bytes)!
  const ride = clients[1].rides.find(named('p1'))!
  const bytes = sent(ride.board(reader))
  expect(bytes).toMatch(/^P(\S+) C\S+ B\1 E S$/)
  expect(bytes).toContain(`C${oldName} `)
  const behind = boards(clients[0], server)
  expect(behind.bytes).toContain(`P${oldName}`)
  const told = Buffer.concat([parseComplete(), closeComplete(), done])
  expect(answer(reader, [ride], told)).toEqual(['answered'])
})

it('the unnamed statement of nobody is left on the server connection', () => {
  const { clients, server } = table([])
  const batch = Buffer.concat([
    parse('', Buffer.from('select a from t'), NO_TYPES),
    bind('', ''),
    execute('', 0),
    sync(),
  ])
  server.prepared.unnamed = undefined
  clients[0].rides.find(batch)!.board(server.rides())
  expect(server.prepared.unnamed).toBe('unknown')
})

it('a request that was put back is read again as it came, though its memory was used since', () => {
  const { clients, server } = table(['select a from t'])
  const [client] = clients
  const chunk = named('p0')
  const original = Buffer.from(chunk)
  client.rides.find(chunk)!.board(server.rides())
  chunk.fill(0xff)
  client.rides.putBack()
  expect(client.waitingBytes).toBe(original.length)
  expect(client.rides.find(query('select 1'))).toBeUndefined()
  const other = bareServer()
  expect(client.next()).toBe('need-server')
  client.attach(other)
  const pieces: Buffer[] = []
  while (client.next() === 'forward') pieces.push(Buffer.from(client.bytes))
  expect(sent(Buffer.concat(pieces))).toMatch(/^P(\S+) B\1 E S$/)
})
