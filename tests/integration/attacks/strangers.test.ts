/**
 * What strangers have got out of other poolers before they were let in: other names than their own, a
 * crash, a process that hangs, memory, lines in the log. Each `it` is one published flaw or a family
 * of them; docs/security.md says which.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ScramClient } from '../../../src/auth/scram-client.ts'
import { deriveKeys } from '../../../src/auth/scram-keys.ts'
import { until } from '../../../src/core/until.ts'
import {
  cancelRequest,
  passwordMessage,
  query,
  saslInitialResponse,
  saslResponse,
  startupMessage,
} from '../../../src/wire/postgres/frontend.ts'
import { readAuthentication } from '../../../src/wire/postgres/read.ts'
import { connect, endClients, failure, one } from '../../support/clients.ts'
import { type Front, startFront } from '../../support/front.ts'
import { type House, startHouse } from '../../support/house.ts'
import { dial, exchange, keyOf, PROTOCOL_3, RawSession } from '../../support/raw-session.ts'
import { liar } from './evil-node.ts'
import { type KeptLog, keptLog } from './kept-log.ts'
import { ATTACK_PORTS } from './weir-before.ts'

let house: House
let strict: Front
let log: KeptLog

const ODD = 'Mallory\n{"level":"info","msg":"login accepted"}\r\u001b[2J\u0000'.slice(0, -1)

beforeAll(async () => {
  house = await startHouse({ ports: ATTACK_PORTS })
  log = keptLog()
  await house.ask(`create role alice login password 'alice-secret'`)
  await house.ask(`create role boss login superuser password 'boss-secret'`)
  strict = await startFront(house, {
    users: [
      { username: 'alice', password: 'alice-secret' },
      { username: 'boss', password: 'boss-secret' },
    ],
    log: log.log,
  })
})

afterEach(async () => {
  endClients()
  // Whatever it was, Weir serves.
  expect(await one(await connect(strict.url()), 'select 42')).toBe(42)
  endClients()
})

afterAll(async () => {
  endClients()
  await strict?.end()
  await house?.end()
})

const startup = (more: Record<string, string>): Buffer =>
  startupMessage(PROTOCOL_3, Object.entries({ database: 'app', ...more }))

/** A connection that has said who it is, and been asked for its proof. */
async function asked(more: Record<string, string>): Promise<RawSession> {
  const raw = new RawSession(await dial(strict.port('writer')))
  raw.send(startup(more))
  expect(readAuthentication((await raw.take('R')).body).kind).toBe('sasl')
  return raw
}

/** Goes on with SCRAM to its end, as `password` has it. */
async function prove(raw: RawSession, password: string): Promise<void> {
  const scram = new ScramClient('fyko+d2lbbFgONRv9qkxdawL')
  raw.send(saslInitialResponse('SCRAM-SHA-256', scram.begin()))
  const first = readAuthentication((await raw.take('R')).body)
  if (first.kind !== 'sasl-continue') throw new Error(`got ${first.kind}`)
  const { salt, iterations } = scram.challenge(first.data)
  raw.send(saslResponse(scram.respond(await deriveKeys(password, salt, iterations))))
}

describe('Nobody becomes somebody else', () => {
  it('by a second startup packet in the middle of the proof', async () => {
    const raw = await asked({ user: 'alice', database: 'no such database' })
    raw.send(startup({ user: 'boss' }))
    const { code } = await raw.error()
    expect(code).toBe('08P01')
    await until(() => raw.closed, 10_000)
    expect(raw.messages.some(({ type }) => type === 'Z')).toBe(false)
  })

  it('by naming another user inside SCRAM', async () => {
    const raw = await asked({ user: 'alice' })
    const scram = new ScramClient('fyko+d2lbbFgONRv9qkxdawL', 'boss')
    raw.send(saslInitialResponse('SCRAM-SHA-256', scram.begin()))
    const first = readAuthentication((await raw.take('R')).body)
    if (first.kind !== 'sasl-continue') throw new Error(`got ${first.kind}`)
    const { salt, iterations } = scram.challenge(first.data)
    raw.send(saslResponse(scram.respond(await deriveKeys('alice-secret', salt, iterations))))
    await raw.take('Z')
    raw.send(query('select current_user || session_user'))
    expect(await raw.values()).toEqual(['alicealice'])
    raw.vanish()
  })

  it('by an authorization identity', async () => {
    const raw = await asked({ user: 'alice' })
    raw.send(
      saslInitialResponse('SCRAM-SHA-256', Buffer.from('n,a=boss,n=,r=abcdefghijklmnopqrst')),
    )
    expect((await raw.error()).code).toBe('0A000')
    raw.vanish()
  })

  it('by the proof of an earlier login', async () => {
    const sent: Buffer[] = []
    const raw = await asked({ user: 'alice' })
    const { socket } = raw
    const write = socket.write.bind(socket)
    socket.write = ((bytes: Buffer) => {
      sent.push(bytes)
      return write(bytes)
    }) as typeof socket.write
    await prove(raw, 'alice-secret')
    await raw.take('Z')
    raw.vanish()
    const again = await asked({ user: 'alice' })
    again.send(sent[0]!)
    await again.take('R')
    again.send(sent[1]!)
    const { code, message } = await again.error()
    expect({ code, message }).toEqual({ code: '08P01', message: 'invalid SCRAM response' })
    again.vanish()
  })

  it('by settings at start that say who one is', async () => {
    const sets = ['-c role=boss', '-c session_authorization=boss', '--role=boss', '-c Role=boss']
    for (const options of sets) {
      const url = `${strict.url('writer', 'alice')}?options=${encodeURIComponent(options)}`
      const who = await connect(url)
        .then((client) => one(client, `select current_user || ' ' || session_user`))
        .catch((error: Error) => `refused: ${error.message}`)
      expect(String(who), options).toMatch(/^alice alice$|^refused: /)
      endClients()
    }
  })

  it('by an empty password, or none', async () => {
    for (const user of ['alice', 'nobody', 'boss']) {
      const raw = await asked({ user })
      await prove(raw, '')
      expect((await raw.error()).code).toBe('28P01')
      raw.vanish()
    }
    const raw = await asked({ user: 'alice' })
    raw.send(passwordMessage('alice-secret'))
    expect((await raw.error()).code).toBe('08P01')
    raw.vanish()
  })

  it('by what a stored secret looks like', async () => {
    const [row] = await house.ask(`select rolpassword from pg_authid where rolname = 'alice'`)
    const error = await failure(
      connect(
        strict
          .url('writer', 'alice')
          .replace('alice-secret', encodeURIComponent(String(row!.rolpassword))),
      ),
    )
    expect(error.code).toBe('28P01')
  })

  it('by a login that was right the time before', async () => {
    const good = await connect(strict.url('writer', 'alice'))
    expect(await one(good, 'select 1')).toBe(1)
    const error = await failure(
      connect(strict.url('writer', 'alice').replace('alice-secret', 'guess')),
    )
    expect(error.code).toBe('28P01')
    // And no connection of hers serves anybody but her.
    expect(await one(await connect(strict.url('writer', 'boss')), 'select session_user')).toBe(
      'boss',
    )
  })

  it('by asking for what only replication may have', async () => {
    const error = await failure(
      connect(strict.url('writer', 'alice'), { replication: 'database' } as object).then((client) =>
        client.query('IDENTIFY_SYSTEM'),
      ),
    )
    expect(error.code).toBe('42501')
  })
})

describe('Nobody learns which users there are', () => {
  it('from words, codes, salts or the number of steps', async () => {
    const seen = async (user: string): Promise<unknown> => {
      const raw = await asked({ user })
      const scram = new ScramClient('fyko+d2lbbFgONRv9qkxdawL')
      raw.send(saslInitialResponse('SCRAM-SHA-256', scram.begin()))
      const first = readAuthentication((await raw.take('R')).body)
      if (first.kind !== 'sasl-continue') throw new Error(`got ${first.kind}`)
      const { salt, iterations } = scram.challenge(first.data)
      raw.send(saslResponse(scram.respond(await deriveKeys('guess', salt, iterations))))
      const { code, message, hint } = await raw.error()
      raw.vanish()
      return {
        saltBytes: salt.length,
        iterations,
        code,
        hint,
        message: message.replace(user, 'X'),
        salt: salt.toString('hex'),
      }
    }
    const strip = (seen: unknown): unknown => ({ ...(seen as object), salt: '' })
    const known = await seen('alice')
    const unknown = await seen('zz-no-such-user')
    expect(strip(unknown)).toEqual(strip(known))
    // The salt of a name is always the same, as a real one would be.
    expect(await seen('zz-no-such-user')).toEqual(unknown)
    expect(await seen('alice')).toEqual(known)
  })

  it('from a cancel request, whose key nobody guesses', async () => {
    const raw = await asked({ user: 'alice' })
    await prove(raw, 'alice-secret')
    await until(() => raw.messages.some(({ type }) => type === 'Z'), 10_000)
    const { pid, secret } = keyOf(raw)
    raw.messages.length = 0
    raw.send(query('select pg_sleep(1), 42'))
    const ends: Promise<Buffer>[] = []
    for (let i = 1; i <= 300; i++) {
      const guess = Buffer.from(secret)
      guess.writeUInt32BE((guess.readUInt32BE(0) + i) >>> 0, 0)
      ends.push(exchange(strict.port('writer'), cancelRequest(pid, guess)))
    }
    for (const bytes of await Promise.all(ends)) expect(bytes.length).toBe(0)
    await until(() => raw.messages.some(({ type }) => type === 'Z'), 20_000)
    expect(raw.messages.filter(({ type }) => type === 'E')).toEqual([])
    raw.vanish()
  })
})

describe('Nobody stops or fills Weir', () => {
  it('with a SASL response whose length is a lie', async () => {
    for (const length of [0xffff_ffff, 0x7fff_ffff, 0x8000_0000, 1_000_000, 5]) {
      const raw = await asked({ user: 'alice' })
      const body = Buffer.concat([
        Buffer.from('SCRAM-SHA-256\0'),
        Buffer.alloc(4),
        Buffer.from('n'),
      ])
      body.writeUInt32BE(length, 14)
      raw.send(liar('p', body.length + 4, body))
      expect((await raw.error()).code, String(length)).toBe('08P01')
      raw.vanish()
    }
  })

  it('with lengths beyond all bounds, before or after the login', async () => {
    const before = process.memoryUsage()
    for (const length of [0xffff_ffff, 0x8000_0001, 0x7fff_ffff, 0x4000_0001, 3, 0]) {
      const head = Buffer.alloc(8)
      head.writeUInt32BE(length, 0)
      head.writeUInt32BE(196_608, 4)
      const answer = await exchange(strict.port('writer'), Buffer.concat([head, Buffer.alloc(100)]))
      expect(answer.toString('latin1', 0, 1), String(length)).toBe('E')
      const proving = await asked({ user: 'alice' })
      proving.send(liar('p', length))
      expect((await proving.error()).code).toBe('08P01')
      proving.vanish()
    }
    for (const letter of [
      'Q',
      'P',
      'B',
      'D',
      'E',
      'C',
      'S',
      'H',
      'X',
      'd',
      'c',
      'f',
      'F',
      'p',
      '?',
    ]) {
      for (const length of [0xffff_ffff, 0x8000_0001, 0x7fff_ffff, 3, 0]) {
        const raw = await loggedIn()
        raw.send(liar(letter, length))
        expect((await raw.error()).code, `${letter} ${length}`).toBe('08P01')
        raw.vanish()
      }
    }
    const after = process.memoryUsage()
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(64 * 1_048_576)
  })

  it('by announcing a gigabyte and sending a little', async () => {
    const before = process.memoryUsage()
    const many = await Promise.all(Array.from({ length: 20 }, loggedIn))
    for (const raw of many) {
      raw.send(liar('Q', 1_000_000_000, Buffer.alloc(1_000, 0x20)))
      raw.send(Buffer.alloc(10_000, 0x20))
    }
    expect(await one(await connect(strict.url()), 'select 1')).toBe(1)
    const after = process.memoryUsage()
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(64 * 1_048_576)
    for (const raw of many) raw.vanish()
  })

  it('with startup options that name nothing', async () => {
    for (const options of ['-c=', '-c =', '--=', '-c', '--', '-c =x -c =y', '-c\\ =', '=', '-']) {
      const raw = new RawSession(await dial(strict.port('writer')))
      raw.send(startup({ user: 'alice', options }))
      await until(() => raw.closed || raw.messages.length > 0, 10_000, { what: options })
      if (raw.messages[0]?.type === 'R') {
        await raw.take('R')
        await prove(raw, 'alice-secret')
        await until(
          () => raw.closed || raw.messages.some(({ type }) => 'EZ'.includes(type)),
          10_000,
        )
      }
      expect(
        raw.messages.some(({ type }) => type === 'E'),
        options,
      ).toBe(true)
      raw.vanish()
    }
  })

  it('with a database or user named like a switch, a path or a piece of SQL', async () => {
    const names = [
      '-r/tmp/out',
      '--config=/etc/passwd',
      '../../etc/passwd',
      `app' or '1'='1`,
      'app"; drop table x; --',
      'a'.repeat(9_000),
      'app\\',
      '$(id)',
    ]
    for (const name of names) {
      const error = await failure(
        connect(strict.url(), {
          connectionString: undefined,
          ...target(),
          database: name,
        } as object),
      )
      expect(error.code, name).toMatch(/^(3D000|42501|22|08)/)
      const user = await failure(
        connect(strict.url(), { connectionString: undefined, ...target(), user: name } as object),
      )
      expect(user.code, name).toMatch(/^(28P01|08P01)$/)
    }
  })

  it('with lines of its own in the log', async () => {
    const raw = await asked({ user: ODD, application_name: ODD })
    await prove(raw, 'guess')
    expect((await raw.error()).code).toBe('28P01')
    raw.vanish()
    await failure(
      connect(strict.url(), { connectionString: undefined, ...target(), database: ODD } as object),
    )
    const written = log.text()
    expect(written).toContain('Mallory')
    // Every line is one of ours: nothing in it begins a new one or speaks to a terminal.
    for (const line of written.split('\n').slice(0, -1))
      expect(() => JSON.parse(line)).not.toThrow()
    expect(log.lines().some(({ msg }) => msg === 'login accepted')).toBe(false)
    expect(written).not.toContain('\u001b')
    expect(written).not.toContain('\r')
    for (const secret of ['alice-secret', 'boss-secret', 'SCRAM-SHA-256$']) {
      expect(written).not.toContain(secret)
    }
  })
})

const target = (): object => ({
  host: '127.0.0.1',
  port: strict.port('writer'),
  user: 'alice',
  password: 'alice-secret',
  database: 'app',
})

async function loggedIn(): Promise<RawSession> {
  const raw = await asked({ user: 'alice' })
  await prove(raw, 'alice-secret')
  await raw.take('Z')
  return raw
}
