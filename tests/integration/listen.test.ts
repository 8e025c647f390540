/** LISTEN and NOTIFY: whoever listens hears everything once, in order, and costs no server connection. */
import type pg from 'pg'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { bind, execute, parse, query, sync } from '../../src/wire/postgres/frontend.ts'
import {
  type Client,
  cancelKeyOf,
  connect,
  connectAll,
  endClients,
  failure,
  one,
  wireOf,
} from '../support/clients.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'
import { type RawOptions, type RawSession, rawSession } from '../support/raw-session.ts'
import { scrape, sumOf } from '../support/scrape.ts'

let house: House
let front: Front
let direct: Client

beforeAll(async () => {
  house = await startHouse({ nodes: 2, ports: FRONT_PORTS })
  front = await startFront(house, {
    admin: true,
    pool: { maxConnections: 2 },
    config: { auth: { trust: true }, limits: { notificationBytes: '64KiB' } },
    endpoints: [
      { name: 'writer', kind: 'writer' },
      { name: 'reader', kind: 'reader' },
      { name: 'session', kind: 'writer', pooling: 'session' },
    ],
  })
  direct = await connect(house.direct)
  await direct.query('create database other')
})

afterEach(async () => {
  endClients(direct)
  for (const raw of raws.splice(0)) raw.vanish()
  await until(() => front.app.snapshot().clients.total === 0, 10_000)
})

afterAll(async () => {
  endClients()
  await front?.end()
  await house?.end()
})

const raws: RawSession[] = []

async function rawClient(options: RawOptions = {}): Promise<RawSession> {
  const raw = await rawSession(front.port('writer'), options)
  raws.push(raw)
  return raw
}

/** What a client hears, as `channel payload`, and who sent it. */
function ears(client: Client): { heard: string[]; senders: number[] } {
  const heard: string[] = []
  const senders: number[] = []
  client.on('notification', ({ channel, payload, processId }) => {
    heard.push(`${channel} ${payload}`)
    senders.push(processId)
  })
  return { heard, senders }
}

const heardBy = (heard: readonly string[], count: number) =>
  until(() => heard.length >= count, 10_000, {
    what: `${count} notifications, not ${heard.length}`,
  })

/** Everything sent before has arrived everywhere: a notification behind it has. */
async function settled(...clients: { heard: string[] }[]): Promise<void> {
  const mark = `mark ${Math.random()}`
  await direct.query(`select pg_notify('mark', $1)`, [mark.slice(5)])
  await until(() => clients.every(({ heard }) => heard.includes(mark)), 10_000)
  for (const { heard } of clients) heard.splice(heard.indexOf(mark), 1)
}

/** Server processes on the writer that were last told to listen for many clients. */
const LISTENING = `select count(*)::int from pg_stat_activity
  where backend_type = 'client backend' and query like 'LISTEN "weir:sender";%'`

const leases = (): number => front.app.snapshot().clients.active

describe('A client that listens', () => {
  it('holds no server connection and hears at once', async () => {
    const client = await connect(front.url())
    const { heard } = ears(client)
    await client.query('listen tidings')
    await until(() => leases() === 0, 10_000)
    await direct.query(`notify tidings, 'first'`)
    await heardBy(heard, 1)
    await direct.query(`notify tidings, 'second'; notify other_tidings, 'not for it'`)
    await heardBy(heard, 2)
    expect(heard).toEqual(['tidings first', 'tidings second'])
    expect((await client.query('select 1')).rowCount).toBe(1)
    const clients = await (await fetch(`http://127.0.0.1:${front.adminPort}/clients`)).json()
    expect(clients).toMatchObject({ clients: [{ pins: [], channels: ['tidings'] }] })
  })

  it('hears itself', async () => {
    const client = await connect(front.url())
    const { heard, senders } = ears(client)
    await client.query('listen tidings')
    await client.query(`notify tidings, 'to myself'`)
    await heardBy(heard, 1)
    expect(senders).toEqual([cancelKeyOf(client).pid])
  })

  it('hears a notification of 7999 bytes whole, and one without a payload', async () => {
    const client = await connect(front.url())
    const { heard } = ears(client)
    await client.query('listen tidings')
    const long = `${'ß'.repeat(3_999)}x`
    await direct.query(`select pg_notify('tidings', $1)`, [long])
    await direct.query('notify tidings')
    await heardBy(heard, 2)
    expect(heard).toEqual([`tidings ${long}`, 'tidings '])
  })

  it('is asked by name as Postgres reads names', async () => {
    const client = await connect(front.url())
    const { heard } = ears(client)
    const long = 'l'.repeat(70)
    await client.query(`listen Tidings; listen "Größe ""1"""; listen ${long}`)
    await direct.query(`notify tidings, '1'; notify "Größe ""1""", '2'; notify ${long}, '3'`)
    await heardBy(heard, 3)
    expect(heard).toEqual(['tidings 1', 'Größe "1" 2', `${long.slice(0, 63)} 3`])
    expect((await failure(client.query('listen ""'))).code).toBe('42601')
    expect(await one(client, 'select 5')).toBe(5)
  })

  it('may listen by the extended protocol', async () => {
    const client = await connect(front.url())
    const { heard } = ears(client)
    await client.query({ name: 'l', text: 'listen tidings', values: [] })
    await client.query({ name: 'u', text: 'unlisten tidings', values: [] })
    await client.query({ name: 'l', text: 'listen tidings', values: [] })
    await client.query({ text: `notify tidings, '1'`, values: [] })
    await heardBy(heard, 1)
    await client.query({ name: 'u', text: 'unlisten tidings', values: [] })
    await client.query('listen mark')
    await direct.query(`notify tidings, '2'`)
    await settled({ heard })
    expect(heard).toEqual(['tidings 1'])
  })

  it('may pipeline everything', async () => {
    const raw = await rawClient()
    await raw.take('Z')
    raw.send(
      query('listen a'),
      query('listen b'),
      parse('', 'listen c', []),
      bind('', ''),
      execute('', 0),
      sync(),
      query(`notify a, '1'`),
      query(`notify b, '2'`),
      query(`notify c, '3'`),
    )
    await until(() => raw.messages.filter((m) => m.type === 'A').length === 3, 10_000)
    const heard = raw.messages
      .filter((m) => m.type === 'A')
      .map((m) => m.body.toString('latin1', 4))
    expect(heard).toEqual(['a\x001\x00', 'b\x002\x00', 'c\x003\x00'])
    expect(raw.messages.filter((m) => m.type === 'Z')).toHaveLength(6)
  })

  it('with postgres.js hears, and hears no more when it unlistens', async () => {
    const sql = postgres(front.url(), { max: 3 })
    const heard: string[] = []
    const { unlisten } = await sql.listen('tidings', (payload) => heard.push(payload))
    await sql.notify('tidings', 'by the driver')
    await heardBy(heard, 1)
    await unlisten()
    await sql.notify('tidings', 'to nobody')
    await sql.listen('mark', (payload) => heard.push(payload))
    await sql.notify('mark', 'end')
    await heardBy(heard, 2)
    expect(heard).toEqual(['by the driver', 'end'])
    await sql.end()
  })

  it('hears only in its own database', async () => {
    const [here, there] = [
      await connect(front.url()),
      await connect(front.url().replace(/\/[^/]*$/, '/other')),
    ]
    const [a, b] = [ears(here), ears(there)]
    await here.query('listen tidings')
    await there.query('listen tidings')
    await here.query(`notify tidings, 'here'`)
    await there.query(`notify tidings, 'there'`)
    await heardBy(a.heard, 1)
    await heardBy(b.heard, 1)
    expect([a.heard, b.heard]).toEqual([['tidings here'], ['tidings there']])
  })

  it('reads it in its own encoding', async () => {
    const client = await connect(front.url(), { client_encoding: 'LATIN1' } as never)
    const raw = await rawClient({
      parameters: { client_encoding: 'LATIN1' },
    })
    await raw.take('Z')
    raw.send(query('listen tidings'))
    await raw.take('Z')
    await client.query('select 1')
    await direct.query(`notify tidings, 'Größe'`)
    const { body } = await raw.take('A')
    expect(body.toString('latin1', 4)).toBe('tidings\0Größe\0')
  })
})

describe('In a transaction', () => {
  it('LISTEN takes effect with its end, and with a ROLLBACK not at all', async () => {
    const client = await connect(front.url())
    const { heard } = ears(client)
    await client.query('listen mark')
    await client.query('begin')
    await client.query('listen undone')
    await client.query('rollback')
    await client.query('begin')
    await client.query('listen tidings')
    await client.query('savepoint s')
    await client.query('listen half')
    await client.query('rollback to s')
    await client.query('commit')
    await direct.query(`notify undone, '1'; notify tidings, '2'; notify half, '3'`)
    await settled({ heard })
    expect(heard).toEqual(['tidings 2'])
  })

  it('UNLISTEN that is rolled back changes nothing', async () => {
    const client = await connect(front.url())
    const { heard } = ears(client)
    await client.query('listen mark')
    await client.query('listen tidings')
    await client.query('begin')
    await client.query('unlisten tidings')
    await client.query('unlisten *')
    await client.query('rollback')
    await direct.query(`notify tidings, '1'`)
    await settled({ heard })
    expect(heard).toEqual(['tidings 1'])
  })

  it('notifications wait for its end, and then come in order', async () => {
    const client = await connect(front.url())
    const { heard } = ears(client)
    await client.query('listen tidings')
    const other = await connect(front.url())
    const { heard: atOnce } = ears(other)
    await other.query('listen tidings')
    await client.query('begin')
    for (let i = 0; i < 20; i++) await direct.query(`notify tidings, '${i}'`)
    await heardBy(atOnce, 20)
    await client.query('select 1')
    expect(heard).toEqual([])
    await client.query('commit')
    await heardBy(heard, 20)
    expect(heard).toEqual(atOnce)
  })

  it('NOTIFY is sent with its end, and with a ROLLBACK not at all', async () => {
    const client = await connect(front.url())
    const { heard } = ears(client)
    await client.query('listen tidings')
    await client.query('listen mark')
    const sender = await connect(front.url())
    await sender.query('begin')
    await sender.query(`notify tidings, 'undone'`)
    await sender.query('rollback')
    await sender.query('begin')
    await sender.query(`notify tidings, '1'`)
    await sender.query(`select pg_notify('tidings', '2')`)
    await sender.query(`notify tidings, '1'`)
    await settled({ heard })
    expect(heard).toEqual([])
    await sender.query('commit')
    await settled({ heard })
    expect(heard).toEqual(['tidings 1', 'tidings 2'])
  })

  it('a LISTEN that fails fails the transaction', async () => {
    const client = await connect(front.url('reader'))
    await client.query('begin')
    expect(await failure(client.query('listen tidings'))).toMatchObject({
      code: '25006',
      message: 'cannot execute LISTEN during recovery',
    })
    expect((await failure(client.query('select 1'))).code).toBe('25P02')
    await client.query('rollback')
    expect(await one(client, 'select 5')).toBe(5)
  })
})

describe('A client hears no more', () => {
  it.each([
    ['UNLISTEN of the channel', 'unlisten tidings'],
    ['UNLISTEN *', 'unlisten *; listen mark'],
    ['DISCARD ALL', 'discard all'],
  ])('after %s', async (_what, statement) => {
    const client = await connect(front.url())
    const { heard } = ears(client)
    await client.query('listen tidings')
    await direct.query(`notify tidings, '1'`)
    await heardBy(heard, 1)
    await client.query(statement)
    await client.query('listen mark')
    await direct.query(`notify tidings, '2'`)
    await settled({ heard })
    expect(heard).toEqual(['tidings 1'])
    // Other tests' listeners may still be there, but nobody wants anything of them.
    const channels = async () => sumOf(await scrape(front.adminPort), 'weir_listened_channels')
    await until(async () => (await channels()) === 1, 10_000)
  })

  it('when it has gone, and the server connection that listened goes too', async () => {
    const clients = await connectAll(5, front.url())
    for (const client of clients) await client.query('listen tidings')
    expect(await one(direct, LISTENING)).toBe(1)
    endClients(direct)
    await until(async () => (await one(direct, LISTENING)) === 0, 12_000)
  })
})

describe('A reader', () => {
  it('refuses to listen in the words of the node', async () => {
    const client = await connect(front.url('reader'))
    expect(await failure(client.query('listen tidings'))).toMatchObject({
      code: '25006',
      severity: 'ERROR',
      message: 'cannot execute LISTEN during recovery',
    })
    const prepared = failure(client.query({ name: 'l', text: 'listen tidings', values: [] }))
    expect((await prepared).code).toBe('25006')
    expect(await one(client, 'select 5')).toBe(5)
  })
})

describe('The sender', () => {
  it('is the client that sent it, by the number that client knows', async () => {
    const client = await connect(front.url())
    const { heard, senders } = ears(client)
    await client.query('listen tidings')
    const others = await connectAll(4, front.url())
    for (const other of others) await other.query(`notify tidings, 'x'`)
    await heardBy(heard, 4)
    expect(senders).toEqual(others.map((other) => cancelKeyOf(other).pid))
    await direct.query(`notify tidings, 'past Weir'`)
    await heardBy(heard, 5)
    expect(senders[4]).toBe(cancelKeyOf(direct).pid)
  })

  it('is right for every one of many that share two server connections', async () => {
    const listener = await connect(front.url())
    const seen: [string, number][] = []
    listener.on('notification', ({ payload, processId }) => seen.push([payload!, processId]))
    await listener.query('listen tidings')
    const clients = await connectAll(12, front.url())
    const ROUNDS = 30
    await Promise.all(
      clients.map(async (client, c) => {
        for (let n = 0; n < ROUNDS; n++) {
          const text = `select pg_notify('tidings', '${c}')`
          if (n % 5 === 1) await client.query(`begin; ${text}; commit`)
          else if (n % 5 === 2) {
            await client.query('begin')
            await client.query(`notify tidings, 'never'`)
            await client.query('rollback')
            await client.query(`notify tidings, '${c}'`)
          } else if (n % 5 === 3) {
            await client.query('begin')
            await client.query('savepoint s')
            await client.query(`notify tidings, 'never'`)
            await client.query('rollback to s')
            await client.query(`notify tidings, '${c}'`)
            await client.query('commit')
          } else if (n % 5 === 4) {
            await client.query({ text: `select pg_notify('tidings', $1)`, values: [String(c)] })
          } else await client.query(text)
        }
      }),
    )
    await until(() => seen.length === clients.length * ROUNDS, 10_000)
    const wrong = seen.filter(([c, pid]) => pid !== cancelKeyOf(clients[Number(c)]!).pid)
    expect(wrong).toEqual([])
  })

  it('of what a trigger sends is not somebody else', async () => {
    await direct.query(`create table watched (n int);
      create function tell() returns trigger language plpgsql as
        $$begin perform pg_notify('tidings', 'of the trigger'); return null; end$$;
      create trigger tells after insert on watched for each row execute function tell()`)
    const narrow = await startFront(house, { pool: { maxConnections: 1 } })
    const listener = await connect(narrow.url())
    const { heard, senders } = ears(listener)
    await listener.query('listen tidings')
    const [loud, quiet] = await connectAll(2, narrow.url())
    await loud!.query(`notify tidings, 'loud'`)
    await quiet!.query('insert into watched values (1)')
    await heardBy(heard, 2)
    expect(heard).toEqual(['tidings loud', 'tidings of the trigger'])
    expect(senders[0]).toBe(cancelKeyOf(loud!).pid)
    expect(clientNumbers(listener, loud!, quiet!)).not.toContain(senders[1])
    endClients(direct)
    await narrow.end()
  })
})

const clientNumbers = (...clients: Client[]) => clients.map((client) => cancelKeyOf(client).pid)

describe('What a client sends itself', () => {
  it('arrives ahead of the end of its own answer, as it does directly', async () => {
    for (const url of [house.direct, front.url()]) {
      const client = await connect(url)
      const { heard } = ears(client)
      await client.query('listen tidings')
      for (let n = 0; n < 50; n++) {
        await client.query(`notify tidings, '${n}'`)
        expect(heard).toHaveLength(n + 1)
      }
      await client.query('begin')
      await client.query(`select pg_notify('tidings', 'in a transaction')`)
      expect(heard).toHaveLength(50)
      await client.query('commit')
      expect(heard.at(-1)).toBe('tidings in a transaction')
    }
  })

  it('arrives although LISTEN and NOTIFY are of one transaction', async () => {
    const client = await connect(front.url())
    const { heard } = ears(client)
    await client.query('begin')
    await client.query('listen tidings')
    await client.query(`notify tidings, '1'`)
    await client.query('commit')
    await client.query(`listen more; notify more, '2'`)
    await heardBy(heard, 2)
    expect(heard).toEqual(['tidings 1', 'more 2'])
  })
})

describe('pg_listening_channels()', () => {
  it('names what the client listens to', async () => {
    const client = await connect(front.url())
    await client.query('listen tidings; listen "Other"')
    const ask = async (query: pg.QueryConfig): Promise<unknown[]> =>
      (await client.query({ ...query, rowMode: 'array' })).rows.flat().sort()
    const text = 'select pg_listening_channels()'
    expect(await ask({ text })).toEqual(['Other', 'tidings'])
    expect(await ask({ text, values: [] })).toEqual(['Other', 'tidings'])
    await client.query('unlisten tidings')
    expect(await ask({ text })).toEqual(['Other'])
    expect(await one(await connect(front.url()), `select count(*)::int from (${text}) c`)).toBe(0)
  })

  it('names nothing behind DISCARD ALL, nor what was left in the same breath', async () => {
    const client = await connect(front.url())
    const text = 'select pg_listening_channels()'
    for (const leaves of ['discard all', 'unlisten *', 'unlisten tidings']) {
      await client.query('listen tidings')
      const [, answer] = await Promise.all([client.query(leaves), client.query(text)])
      expect({ leaves, rows: answer.rows }).toEqual({ leaves, rows: [] })
    }
  })
})

describe('A session that is pinned from the start', () => {
  it('listens on its own server connection', async () => {
    const client = await connect(front.url('session'))
    const { heard, senders } = ears(client)
    await client.query('listen tidings')
    expect(await one(client, 'select pg_listening_channels()')).toBe('tidings')
    await direct.query(`notify tidings, '1'`)
    await client.query(`notify tidings, '2'`)
    await heardBy(heard, 2)
    expect(heard).toEqual(['tidings 1', 'tidings 2'])
    expect(senders[0]).toBe(cancelKeyOf(direct).pid)
  })
})

describe('A client that does not take its notifications', () => {
  it('is closed when too many wait for the end of its transaction', async () => {
    const client = await connect(front.url())
    const good = await connect(front.url())
    const { heard } = ears(good)
    await client.query('listen tidings')
    await good.query('listen tidings')
    await client.query('begin')
    const payload = 'x'.repeat(7_000)
    for (let i = 0; i < 12; i++) await direct.query(`notify tidings, '${i} ${payload}'`)
    await until(() => client.strays.length > 0, 10_000)
    expect(client.strays[0]).toMatchObject({ severity: 'FATAL', code: '53400' })
    expect(client.strays[0]!.message).toContain('limits.notificationBytes (65536)')
    await heardBy(heard, 12)
    const series = await scrape(front.adminPort)
    expect(
      sumOf(series, 'weir_client_connections_closed_total', { reason: 'notifications-overflow' }),
    ).toBe(1)
    expect(await one(good, 'select 5')).toBe(5)
  })

  it('is closed when it does not read, and the others do not wait for it', async () => {
    const client = await connect(front.url())
    const good = await connect(front.url())
    const { heard } = ears(good)
    await client.query('listen tidings')
    await good.query('listen tidings')
    wireOf(client).stream.pause()
    const payload = 'x'.repeat(7_900)
    let sent = 0
    while (front.app.snapshot().clients.total === 2 && sent < 3_000) {
      await direct.query(`notify tidings, '${sent++} ${payload}'`)
    }
    expect(front.app.snapshot().clients.total).toBe(1)
    await heardBy(heard, sent)
    expect(heard.map((text) => Number(text.split(' ')[1]))).toEqual([...Array(sent).keys()])
  })
})

describe('When the listening server connection is lost', () => {
  it('clients hear again soon, and are told that something may be missing', async () => {
    const client = await connect(front.url())
    const { heard } = ears(client)
    const notices: string[] = []
    client.on('notice', (notice) => notices.push(`${notice.severity} ${notice.code}`))
    await client.query('listen tidings')
    await direct.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%'`,
    )
    await until(() => notices.length > 0, 10_000)
    expect(notices).toEqual(['WARNING 01000'])
    await direct.query(`notify tidings, '1'`)
    await heardBy(heard, 1)
    expect(heard).toEqual(['tidings 1'])
    expect(client.strays).toEqual([])
  })
})

describe('A thousand listening clients', () => {
  it('cost one server connection, and each hears everything once and in order', async () => {
    const NOTIFICATIONS = 40
    const own = await startFront(house, { admin: true, pool: { maxConnections: 2 } })
    const backends = `select count(*)::int from pg_stat_activity where backend_type = 'client backend'`
    const control = await one(direct, backends)
    const clients = await connectAll(1_000, own.url())
    const all = clients.map((client) => ears(client))
    await Promise.all(
      clients.map(async (client, i) => {
        await client.query('listen everybody')
        await client.query(`listen some_${i % 10}`)
        await client.query(`listen only_${i}`)
      }),
    )
    expect(await one(direct, LISTENING)).toBe(1)
    // The clients' own pool and the listener; those of other tests may still be closing.
    expect(await one(direct, backends)).toBeLessThanOrEqual(Number(control) + 2 + 1)
    const sender = clients[0]!
    const due = clients.map((): string[] => [])
    for (let n = 0; n < NOTIFICATIONS; n++) {
      await direct.query(`notify everybody, '${n}'`)
      await sender.query(`notify some_${n % 10}, '${n}'`)
      await direct.query(`notify only_${n * 7}, '${n}'`)
      due.forEach((texts, i) => {
        texts.push(`everybody ${n}`)
        if (i % 10 === n % 10) texts.push(`some_${n % 10} ${n}`)
        if (i === n * 7) texts.push(`only_${i} ${n}`)
      })
    }
    await until(() => all.every(({ heard }, i) => heard.length >= due[i]!.length), 20_000)
    all.forEach(({ heard }, i) => {
      expect(heard).toEqual(due[i])
    })
    const delivered = due.reduce((sum, texts) => sum + texts.length, 0)
    const series = await scrape(own.adminPort)
    expect(sumOf(series, 'weir_notifications_delivered_total')).toBe(delivered)
    expect(sumOf(series, 'weir_listening_clients')).toBe(1_000)
    expect(sumOf(series, 'weir_listeners')).toBe(1)
    expect(sumOf(series, 'weir_listened_channels')).toBe(1_011)
    endClients(direct)
    await own.end()
  })
})
