/** What goes wrong around a client session: slow readers, long queries, half messages, our own bugs. */
import { expect, it } from 'vitest'
import type { SessionState } from '../../../src/session/session-state.ts'
import { commandComplete, readyForQuery } from '../../../src/wire/postgres/backend.ts'
import { query, sync } from '../../../src/wire/postgres/frontend.ts'
import { PaperHouse, type PaperHouseOptions, ScriptedPool } from '../../support/paper-house.ts'

const DONE = Buffer.concat([commandComplete('SELECT 1'), readyForQuery('I')])

function table(options: PaperHouseOptions = {}) {
  const notes: string[] = []
  const pool = new ScriptedPool(
    (note) => notes.push(note),
    () => 'C',
    (id) => `S${id}`,
  )
  const house = new PaperHouse(options, pool)
  const toServer: Buffer[] = []
  const toClient: Buffer[] = []
  const { server, link: serverLink } = house.server((bytes) => toServer.push(Buffer.from(bytes)))
  pool.add(server)
  const { session, link } = house.client((bytes) => toClient.push(Buffer.from(bytes)))
  const said = (): string => Buffer.concat(toClient).toString('latin1')
  return { house, pool, notes, server, serverLink, session, link, toServer, said }
}

it('a client whose row was cut in half by a lost server is told nothing: it would read it as the row', () => {
  const { link, serverLink, said, session } = table()
  link.deliver(query('select 1'))
  // The head of a row of 100 bytes, and ten of them.
  const half = Buffer.alloc(15, 0x61)
  half.write('D', 0, 'latin1')
  half.writeInt32BE(104, 1)
  serverLink.deliver(half)
  serverLink.hangUp()
  expect(said()).toBe(half.toString('latin1'))
  expect(session.state).toBe<SessionState>('closed')
})

it('a pinned session that does nothing ends at once when the proxy stops', () => {
  const { link, serverLink, said, session } = table()
  link.deliver(query("load 'x'"))
  serverLink.deliver(Buffer.concat([commandComplete('LOAD'), readyForQuery('I')]))
  expect(session.pins.size).toBe(1)
  session.shutDown('draining')
  expect(session.state).toBe<SessionState>('closed')
  expect(said()).toContain('57P01')
})

it('a pinned session in the middle of a query ends at its boundary', () => {
  const { link, serverLink, said, session } = table()
  link.deliver(query("load 'x'"))
  session.shutDown('draining')
  expect(session.state).toBe<SessionState>('leased')
  serverLink.deliver(Buffer.concat([commandComplete('LOAD'), readyForQuery('I')]))
  expect(session.state).toBe<SessionState>('closed')
  expect(said()).toContain('57P01')
})

it('a query that runs longer than the idle timeout does not make its client idle', () => {
  const { house, link, serverLink, session } = table({ timeouts: { idleMs: 60_000 } })
  const after = (ms: number): void => {
    house.clock.advance(ms)
    house.wheel.turn()
  }
  link.deliver(query('select 1'))
  after(90_000)
  serverLink.deliver(DONE)
  after(5_000)
  expect(session.state).toBe<SessionState>('idle')
  after(60_000)
  expect(session.state).toBe<SessionState>('closed')
})

it('a client that asks and never reads is not read from until it does', () => {
  const { link, said } = table()
  link.congested = true
  link.deliver(sync())
  expect(said()).toContain('Z')
  expect(link.paused).toBe(true)
  link.congested = false
  link.receiver.drained()
  expect(link.paused).toBe(false)
})

it('a bug that a message brings out costs that session its connection, and nobody else theirs', () => {
  const { house, pool, server, session, link, said } = table()
  const other = house.server(() => {})
  pool.add(other.server)
  const { conversation } = server
  Object.defineProperty(conversation, 'ledger', {
    get: () => {
      throw new Error('a bug')
    },
  })
  link.deliver(query('select 1'))
  expect(session.state).toBe<SessionState>('closed')
  expect(server.closed).toBe(true)
  expect(other.server.closed).toBe(false)
  expect(said()).toContain('XX000')
})

it('a client that always has a request sent ahead is not cancelled while each is answered in time', () => {
  const { house, link, serverLink, session, said } = table({ timeouts: { statementMs: 2_000 } })
  const second = (): void => {
    house.clock.advance(1_000)
    house.wheel.turn()
  }
  link.deliver(query("load 'x'"))
  for (let i = 0; i < 20; i++) {
    link.deliver(query("load 'y'"))
    second()
    serverLink.deliver(Buffer.concat([commandComplete('LOAD'), readyForQuery('I')]))
  }
  expect([session.state, house.counters.cancels]).toEqual(['leased', 0])
  // The last one runs on.
  for (let i = 0; i < 5; i++) second()
  expect(house.counters.cancels).toBe(1)
  house.turn.flush()
  expect(said()).toContain('statement timeout of the proxy')
})

it('clients that wait for a server connection are not taken for ones that send half a message', () => {
  const { house, link, session } = table()
  const other = house.client(() => {})
  link.deliver(query("load 'x'"))
  // Whole messages, which may be held until their turn comes.
  other.link.deliver(query(`select '${'x'.repeat(100_000)}'`))
  other.link.deliver(query(`select '${'x'.repeat(100_000)}'`))
  expect([session.state, other.session.state]).toEqual(['leased', 'waiting'])
  expect(house.halves.total).toBe(0)
})
