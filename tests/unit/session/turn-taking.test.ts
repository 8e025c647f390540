/** A client that sends much at once, and others who wait for its server connection. */
import { expect, it } from 'vitest'
import { commandComplete, readyForQuery } from '../../../src/wire/postgres/backend.ts'
import { copyData, query } from '../../../src/wire/postgres/frontend.ts'
import { PaperHouse, ScriptedPool } from '../../support/paper-house.ts'

function table(crowded: boolean) {
  const notes: string[] = []
  const pool = new ScriptedPool(
    (note) => notes.push(note),
    () => 'C',
    (id) => `S${id}`,
  )
  const house = new PaperHouse({}, pool)
  const toServer: Buffer[] = []
  const { server, link: serverLink } = house.server((bytes) => toServer.push(Buffer.from(bytes)))
  server.conversation.line = { crowded }
  pool.add(server)
  const { session, link } = house.client(() => {})
  /** Texts of the queries sent on since it was asked last. */
  const asked = (): string[] => {
    const bytes = Buffer.concat(toServer.splice(0))
    const texts: string[] = []
    for (let at = 0; at < bytes.length; at += 1 + bytes.readInt32BE(at + 1)) {
      texts.push(bytes.toString('latin1', at + 5, at + bytes.readInt32BE(at + 1)))
    }
    return texts
  }
  const answer = (times: number, status: 'I' | 'T' = 'I'): void => {
    const one = Buffer.concat([commandComplete('SELECT 1'), readyForQuery(status)])
    serverLink.deliver(Buffer.concat(Array.from({ length: times }, () => one)))
  }
  return { notes, session, link, asked, answer }
}

const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `select ${from + i}`)
const queries = (texts: readonly string[]): Buffer => Buffer.concat(texts.map(query))

it('while nobody waits all that a client has sent goes on at once', () => {
  const { link, asked } = table(false)
  link.deliver(queries(numbers(0, 40)))
  expect(asked()).toEqual(numbers(0, 40))
})

it('while others wait it goes on in pieces, between which the server connection is given back', () => {
  const { link, asked, answer, notes } = table(true)
  link.deliver(queries(numbers(0, 40)))
  expect(asked()).toEqual(numbers(0, 16))
  answer(15)
  expect(asked()).toEqual([])
  answer(1)
  expect(asked()).toEqual(numbers(16, 32))
  answer(16)
  expect(asked()).toEqual(numbers(32, 40))
  const [takes, back] = ['C takes S1', 'S1 comes back clean']
  expect(notes).toEqual([takes, back, takes, back, takes])
})

it('a transaction is never cut, however long', () => {
  const { link, asked, answer } = table(true)
  link.deliver(queries(['begin', ...numbers(0, 40), 'commit', ...numbers(40, 42)]))
  expect(asked()).toEqual(['begin', ...numbers(0, 40), 'commit'])
  answer(41, 'T')
  expect(asked()).toEqual([])
  answer(1)
  expect(asked()).toEqual(numbers(40, 42))
})

it('the data of a COPY follows its statement', () => {
  const { link, asked } = table(true)
  link.deliver(
    Buffer.concat([
      queries([...numbers(0, 15), 'copy t from stdin']),
      copyData(Buffer.from('1\n')),
    ]),
  )
  expect(asked()).toHaveLength(17)
})

it('a transaction that nobody saw begin goes on where it is', () => {
  const { link, asked, answer, session } = table(true)
  link.deliver(queries(numbers(0, 20)))
  expect(asked()).toEqual(numbers(0, 16))
  answer(16, 'T')
  expect(asked()).toEqual(numbers(16, 20))
  expect(session.state).toBe('leased')
})
