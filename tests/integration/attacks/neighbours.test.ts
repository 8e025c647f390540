/**
 * What clients that may come in have done to each other, or to the node, through other poolers: SQL of
 * theirs where only a value should be, answers of others, what others left behind, messages cut at the
 * wrong place. A canary table says whether anything ran that nobody asked for.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../../src/core/until.ts'
import { parse, query, sync } from '../../../src/wire/postgres/frontend.ts'
import { connect, endClients, later, one, wireOf } from '../../support/clients.ts'
import { type House, startHouse } from '../../support/house.ts'
import { type RawSession, rawSession } from '../../support/raw-session.ts'
import { liar } from './evil-node.ts'
import { ATTACK_PORTS } from './weir-before.ts'

let house: House

beforeAll(async () => {
  house = await startHouse({
    pool: 1,
    ports: ATTACK_PORTS,
    config: { auth: { trust: true, secrets: [{ username: 'weir', password: 'weir' }] } },
  })
  await house.ask('create table canary (sings text)')
  await house.ask(`insert into canary values ('yes')`)
  for (const schema of ['red', 'blue']) {
    await house.ask(`create schema ${schema}`)
    await house.ask(`create table ${schema}.whose as select '${schema}'::text as name`)
  }
})

afterEach(async () => {
  endClients()
  expect(await house.ask('select sings from canary')).toEqual([{ sings: 'yes' }])
})

afterAll(async () => {
  endClients()
  await house?.end()
})

const INJECTIONS = [
  `'; drop table canary; --`,
  `\\'; drop table canary; --`,
  `x',false); drop table canary; select set_config('a.b','`,
  `"; drop table canary; --`,
  '$$; drop table canary; --',
  `E'\\x27; drop table canary; --`,
  `ü'; drop table canary; --`,
]

/**
 * Two sessions in turn on one server connection, so that settings are carried there and back; the
 * other one has the same but for `a.b`.
 */
async function carried(parameters: Record<string, string>, ask: string): Promise<unknown> {
  const raw = await rawSession(house.port, { parameters })
  if (raw.closed || raw.messages.some(({ type }) => type === 'E')) return 'refused'
  raw.messages.length = 0
  const { client_encoding = 'UTF8' } = parameters
  const other = await rawSession(house.port, { parameters: { client_encoding, 'a.b': 'plain' } })
  let said: unknown
  for (let i = 0; i < 2; i++) {
    raw.send(query(ask))
    await until(() => raw.closed || raw.messages.some(({ type }) => type === 'Z'), 10_000)
    if (raw.closed || raw.messages.some(({ type }) => type === 'E')) said ??= 'refused'
    else said = (await raw.values())[0]
    raw.messages.length = 0
    other.messages.length = 0
    other.send(query(`select current_setting('a.b')`))
    expect(await other.values()).toEqual(['plain'])
  }
  raw.vanish()
  other.vanish()
  return said
}

describe('A value stays a value', () => {
  it('in a setting at start, whatever is in it', async () => {
    for (const text of INJECTIONS) {
      expect(await carried({ application_name: text }, 'show application_name')).not.toBe('refused')
      expect(await carried({ 'a.b': text }, `select current_setting('a.b')`)).toBe(text)
      const options = `-c a.b=${text.replaceAll('\\', '\\\\').replaceAll(' ', '\\ ')}`
      expect(await carried({ options }, `select current_setting('a.b')`)).toBe(text)
    }
  })

  it('in the name of a setting', async () => {
    for (const text of INJECTIONS) {
      const said = await carried({ [`a.${text}`]: 'x' }, 'select 1')
      expect(['1', 'refused']).toContain(said)
      await carried({ options: `-c ${text.replaceAll(' ', '\\ ')}=x` }, 'select 1')
    }
  })

  it('in an encoding whose letters end in a backslash', async () => {
    // Letters of two bytes, the second of which is a backslash anywhere else.
    const letters = { SJIS: 0x95, SHIFT_JIS_2004: 0x95, BIG5: 0xa4, GBK: 0x81, GB18030: 0x81 }
    for (const [encoding, lead] of Object.entries(letters)) {
      const parameters = { client_encoding: encoding }
      for (const tail of [`'; drop table canary; --`, `',false); drop table canary; --`]) {
        const raw = await rawSession(house.port, { parameters })
        const other = await rawSession(house.port, {
          parameters: { ...parameters, 'a.b': 'plain' },
        })
        const text = Buffer.concat([
          Buffer.from(`select set_config('a.b', '`),
          Buffer.from([lead, 0x5c]),
          Buffer.from(`${tail.replaceAll("'", "''")}', false)\0`),
        ])
        raw.messages.length = 0
        raw.send(liar('Q', 4 + text.length, text))
        await raw.take('Z')
        for (let i = 0; i < 2; i++) {
          other.messages.length = 0
          other.send(query(`select current_setting('a.b')`))
          expect(await other.values()).toEqual(['plain'])
          raw.messages.length = 0
          raw.send(query(`select length(current_setting('a.b'))`))
          expect(await raw.values(), encoding).toEqual([String(tail.length + 1)])
        }
        raw.vanish()
        other.vanish()
      }
    }
  })

  it('in what a session sets later, also when it moves to another server connection', async () => {
    const client = await connect(house.writer)
    for (const text of INJECTIONS) {
      await client.query(`select set_config('a.b', $1, false)`, [text])
      const other = await connect(house.writer)
      expect(await one(other, `select coalesce(current_setting('a.b', true), '')`)).toBe('')
      expect(await one(client, `select current_setting('a.b')`)).toBe(text)
    }
  })

  it('in the name of a channel', async () => {
    for (const text of ['a"; drop table canary; --', `a'; drop table canary; --`, 'a\\"; --']) {
      const client = await connect(house.writer)
      const heard: unknown[] = []
      client.on('notification', ({ channel, payload }) => heard.push({ channel, payload }))
      await client.query(`listen "${text.replaceAll('"', '""')}"`)
      const other = await connect(house.writer)
      await other.query('select pg_notify($1, $2)', [text, text])
      await until(() => heard.length > 0, 10_000)
      expect(heard).toEqual([{ channel: text, payload: text }])
      endClients()
    }
  })

  it('in the name of a prepared statement', async () => {
    for (const text of INJECTIONS) {
      const client = await connect(house.writer)
      const other = await connect(house.writer)
      for (const each of [client, other, client]) {
        const { rows } = await each.query({ name: text.slice(0, 60), text: 'select 7 as n' })
        expect(rows).toEqual([{ n: 7 }])
      }
      endClients()
    }
  })
})

describe('A message is cut where it ends, and nowhere else', () => {
  const smuggled = query('drop table canary')
  const zero = Buffer.alloc(1)

  async function session(): Promise<RawSession> {
    const raw = await rawSession(house.port)
    raw.messages.length = 0
    return raw
  }

  /** Sends it, then asks: the answer says whether both sides still agree on where messages begin. */
  async function stillInStep(bytes: Buffer): Promise<void> {
    const raw = await session()
    raw.send(bytes, sync())
    raw.send(query('select 42'))
    const ends = (): number => raw.messages.filter(({ type }) => type === 'Z').length
    await until(() => raw.closed || ends() >= 2, 10_000)
    expect(await house.ask('select sings from canary')).toEqual([{ sings: 'yes' }])
    raw.vanish()
    expect(await one(await connect(house.writer), 'select 43')).toBe(43)
    endClients()
  }

  it('when a whole message stands inside another', async () => {
    const inside = Buffer.concat([Buffer.from(`select '`), smuggled])
    await stillInStep(liar('Q', 4 + inside.length, inside))
    const named = Buffer.concat([zero, Buffer.from('select 1'), zero, zero, zero, smuggled])
    await stillInStep(liar('P', 4 + named.length, named))
  })

  it('when the counts inside a message are lies', async () => {
    const bind = (counts: number[], rest: Buffer): Buffer => {
      const head = Buffer.alloc(2 + counts.length * 2)
      for (const [i, count] of counts.entries()) head.writeUInt16BE(count & 0xffff, 2 + 2 * i)
      const body = Buffer.concat([head, rest])
      return liar('B', 4 + body.length, body)
    }
    const long = Buffer.alloc(4)
    for (const length of [0x7fff_ffff, 0x8000_0000, 0xffff_fffe, smuggled.length + 100]) {
      long.writeUInt32BE(length)
      const lie = bind([0, 1], Buffer.concat([long, smuggled]))
      await stillInStep(Buffer.concat([parse('', 'select $1::text', []), lie]))
    }
    await stillInStep(Buffer.concat([parse('', 'select 1', []), bind([0xffff, 0xffff], smuggled)]))
    const types = Buffer.concat([Buffer.from('\0select 1\0'), Buffer.from([0xff, 0xff]), smuggled])
    await stillInStep(liar('P', 4 + types.length, types))
    const target = Buffer.concat([Buffer.from('Sno end'), smuggled.subarray(0, 5)])
    await stillInStep(liar('D', 4 + target.length, target))
  })

  it('when one is refused half way through its body', async () => {
    const copy = Buffer.concat([query('copy canary from stdin'), smuggled, query('select 1')])
    await stillInStep(copy)
  })

  it('when nothing ends a query', async () => {
    await stillInStep(liar('Q', 4 + 8, Buffer.from('select 1')))
    await stillInStep(liar('Q', 4 + 20, Buffer.from('select 1\0drop tabl;\0')))
  })
})

describe('Nobody gets what is of another', () => {
  it('who leaves in the middle of an answer leaves none of it behind', async () => {
    for (let i = 0; i < 5; i++) {
      const client = await connect(house.writer)
      void later(client.query(`select 'stolen', repeat('x', 1000) from generate_series(1, 100000)`))
      await new Promise<void>((resolve) => wireOf(client).stream.once('data', () => resolve()))
      wireOf(client).stream.destroy()
      const next = await connect(house.writer)
      expect(await one(next, `select 'mine'`)).toBe('mine')
      endClients()
    }
  })

  it('the same text means what it means to each', async () => {
    const red = await connect(house.writer)
    const blue = await connect(house.writer)
    await red.query('set search_path = red')
    await blue.query('set search_path = blue')
    for (let i = 0; i < 3; i++) {
      for (const [client, name] of [
        [red, 'red'],
        [blue, 'blue'],
      ] as const) {
        const { rows } = await client.query({ name: 'whose', text: 'select name from whose' })
        expect(rows).toEqual([{ name }])
        expect(await one(client, 'select name from whose')).toBe(name)
      }
    }
  })

  it('what a client became is gone with it', async () => {
    const first = await rawSession(house.port)
    first.send(
      query(
        `set role pg_read_all_data; set search_path = blue; set statement_timeout = 1234;
         create temp table canary as select 'no'::text as sings; prepare q as select 'stolen';
         select pg_advisory_lock(7); listen gossip`,
      ),
    )
    await until(() => first.messages.filter(({ type }) => type === 'Z').length >= 2, 10_000)
    first.vanish()
    const next = await connect(house.writer)
    const { rows } = await next.query(`select current_user, current_setting('search_path') as path,
      current_setting('statement_timeout') as patience, (select sings from canary) as sings,
      (select count(*)::int from pg_prepared_statements where name = 'q') as prepared,
      pg_try_advisory_lock(7) as free`)
    expect(rows).toEqual([
      {
        current_user: 'weir',
        path: '"$user", public',
        patience: '0',
        sings: 'yes',
        prepared: 0,
        free: true,
      },
    ])
  })
})
