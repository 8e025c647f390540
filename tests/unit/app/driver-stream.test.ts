/** The stream on which a driver finds itself logged in. */
import pg from 'pg'
import { expect, it } from 'vitest'
import { driverStream } from '../../../src/app/driver-stream.ts'
import { WeirError } from '../../../src/core/errors.ts'
import type { Link, Receiver } from '../../../src/net/link.ts'
import type { Introduction } from '../../../src/protocol/contract.ts'
import type { LoggedIn } from '../../../src/server/node-login.ts'
import type { Opener } from '../../../src/server/opener.ts'
import { commandComplete, readyForQuery } from '../../../src/wire/postgres/backend.ts'

const NODE = { name: 'db', host: 'db.internal', addresses: [] }
const LOGIN = { node: NODE, user: 'app', database: 'shop', applicationName: 'weir probe' }

/** A connection that answers each query with nothing. */
function paperLink() {
  const calls: string[] = []
  const link = {
    closed: false,
    receiver: undefined as unknown as Receiver,
    write: (bytes: Buffer) => {
      calls.push(String.fromCharCode(bytes[0]!))
      if (bytes[0] !== 0x51) return
      const answer = Buffer.concat([commandComplete('SELECT 0'), readyForQuery('I')])
      setImmediate(() => link.receiver.data(answer))
    },
    pause: () => {},
    resume: () => {},
    end: () => calls.push('end'),
    destroy: () => calls.push('destroy'),
  }
  return { link: link as typeof link & Link, calls }
}

function clientOn(logIn: (who: Introduction, signal: AbortSignal) => Promise<LoggedIn>) {
  const opener = {
    logIn: (_: unknown, __: string, ___: string, signal: AbortSignal, who: Introduction) =>
      logIn(who, signal),
  } as unknown as Opener
  const client = new pg.Client({ stream: () => driverStream(opener, LOGIN), ssl: false })
  client.on('error', () => {})
  return client
}

function readyOn(link: Link): LoggedIn {
  const parameters = new Map([['server_version', '18.0']])
  const conversation = { parameters, cancelKey: { pid: 7, secret: Buffer.alloc(4) } }
  return { link, conversation: conversation as never, rest: Buffer.alloc(0) }
}

it('a driver asks, and what it says at the start goes no further', async () => {
  const { link, calls } = paperLink()
  let introduced: Introduction | undefined
  const client = clientOn(async (who) => {
    introduced = who
    return readyOn(link)
  })
  await client.connect()
  expect(calls).toEqual([])
  await client.query('select')
  expect(calls).toEqual(['Q'])
  expect([...introduced!.settings]).toEqual([
    ['application_name', 'weir probe'],
    ['client_encoding', 'UTF8'],
  ])
})

it('the end of a client comes to an end, though the node says nothing more', async () => {
  const { link, calls } = paperLink()
  const client = clientOn(async () => readyOn(link))
  await client.connect()
  await client.end()
  expect(calls).toEqual(['X', 'end'])
})

it('a client hears when the node closes', async () => {
  const { link } = paperLink()
  const client = clientOn(async () => readyOn(link))
  await client.connect()
  const ended = new Promise((resolve) => client.once('end', () => resolve('ended')))
  link.receiver.closed(undefined)
  expect(await ended).toBe('ended')
})

it.each([
  ['the word of the system', new Error('refused'), 'ECONNREFUSED', 'ECONNREFUSED'],
  ['what the node said', undefined, undefined, '28P01'],
])('a login that fails has for a code %s', async (_, base, system, code) => {
  const cause = base === undefined ? undefined : Object.assign(base, { code: system })
  const client = clientOn(async () => {
    throw new WeirError('WEIR_OPEN_FAILED', 'no', { sqlstate: '28P01', hint: 'Do this.', cause })
  })
  await expect(client.connect()).rejects.toMatchObject({ code, message: 'no. Do this.' })
})

it('a client that is given up gives up its login', async () => {
  let seen: AbortSignal | undefined
  const client = clientOn((_, signal) => {
    seen = signal
    return new Promise(() => {})
  })
  client.connect().catch(() => {})
  ;(
    client as unknown as { connection: { stream: { destroy(): void } } }
  ).connection.stream.destroy()
  await new Promise(setImmediate)
  expect(seen?.aborted).toBe(true)
})
