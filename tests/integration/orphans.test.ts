/**
 * What a client had sent before it left: Postgres carries it out, for it reads on to the end, and so
 * does Weir for as long as `pool.orphanTimeout` says. What would be rolled back anyway is ended.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import {
  bind,
  copyData,
  copyDone,
  execute,
  flush,
  parse,
  query,
  sync,
  terminate,
} from '../../src/wire/postgres/frontend.ts'
import { connect, endClients, later, one } from '../support/clients.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'
import { RawClient } from '../support/raw-client.ts'
import { scrape, sumOf } from '../support/scrape.ts'

let house: House
/** Patient enough for every request here, and hardly patient at all. */
let patient: Front
let hasty: Front

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  await house.ask('create table notes (text text primary key)')
  const start = (orphanTimeout: string) =>
    startFront(house, { pool: { maxConnections: 1, orphanTimeout }, admin: true })
  patient = await start('30s')
  hasty = await start('400ms')
})

afterEach(async () => {
  endClients()
  await house.ask('truncate notes')
})

afterAll(async () => {
  endClients()
  await patient?.end()
  await hasty?.end()
  await house?.end()
})

const open = (front: Front) => RawClient.open({ port: front.port('writer') })
const insert = (text: string, seconds = 0.3) =>
  query(`insert into notes select '${text}' from pg_sleep(${seconds})`)
const notes = async () => (await house.ask('select text from notes order by 1')).map((r) => r.text)

async function running(what: string, count = 1): Promise<void> {
  const text = `select 1 from pg_stat_activity where state = 'active' and query like $1 and pid <> pg_backend_pid()`
  await until(async () => (await house.ask(text, [`%${what}%`])).length === count, 10_000, {
    what: `${count} running ${what}`,
    everyMs: 20,
  })
}

/** Sends and says goodbye in one breath; resolves when Weir has closed the connection. */
async function leave(client: RawClient, ...messages: Buffer[]): Promise<void> {
  client.write(Buffer.concat([...messages, terminate()]))
  await client.until(() => false, 10_000)
  expect(client.closed).toBe(true)
}

/** The one connection of the pool serves the next client, and was not replaced for that. */
async function serves(front: Front): Promise<void> {
  const next = await connect(front.url())
  expect(await one(next, 'select 5')).toBe(5)
  await next.end()
  const series = await scrape(front.adminPort)
  expect(sumOf(series, 'weir_database_connections_evicted_total')).toBe(0)
}

describe('What a client sent before it left', () => {
  it('is carried out when it said goodbye', async () => {
    await leave(await open(patient), insert('goodbye'))
    await serves(patient)
    expect(await notes()).toEqual(['goodbye'])
  })

  it('is carried out when it vanished', async () => {
    const client = await open(patient)
    client.write(insert('vanished'))
    await running('vanished')
    client.destroy()
    await serves(patient)
    expect(await notes()).toEqual(['vanished'])
  })

  it('is carried out to the last request of a pipeline', async () => {
    const batch = [
      parse('', `insert into notes values ('third')`, []),
      bind('', ''),
      execute('', 0),
    ]
    await leave(await open(patient), insert('first'), insert('second', 0), ...batch, sync())
    await serves(patient)
    expect(await notes()).toEqual(['first', 'second', 'third'])
  })

  it('is carried out to its COMMIT', async () => {
    const client = await open(patient)
    await client.ask(query('begin'))
    await client.ask(insert('committed', 0))
    await leave(client, query('select pg_sleep(0.3)'), query('commit'))
    await serves(patient)
    expect(await notes()).toEqual(['committed'])
  })

  it('is carried out when it is a whole COPY', async () => {
    const copy = [query('copy notes from stdin'), copyData(Buffer.from('copied\n')), copyDone()]
    await leave(await open(patient), ...copy)
    await serves(patient)
    expect(await notes()).toEqual(['copied'])
  })

  it('keeps the connection from others until it is done', async () => {
    const direct = await connect(house.direct)
    await direct.query('select pg_advisory_lock(4711)')
    const next = await connect(patient.url())
    await leave(await open(patient), query('select pg_advisory_xact_lock_shared(4711)'))
    await running('lock_shared')
    const order: string[] = []
    const answer = later(one(next, 'select 5').finally(() => order.push('served')))
    await until(() => patient.app.snapshot().clients.waiting === 1, 10_000)
    expect(order).toEqual([])
    order.push('done')
    await direct.query('select pg_advisory_unlock(4711)')
    expect(await answer).toBe(5)
    expect(order).toEqual(['done', 'served'])
  })

  it('is cancelled when its answer is long: Postgres gives up when it cannot send it', async () => {
    const client = await open(patient)
    client.write(query(`select repeat('x', 1000000) from generate_series(1, 1000000) as endless`))
    await client.until(() => client.count('D') > 3, 10_000)
    client.destroy()
    await serves(patient)
    await running('endless', 0)
  })

  it('is cancelled when it takes too long', async () => {
    await leave(await open(hasty), insert('too long', 600))
    await running('too long')
    await serves(hasty)
    await running('too long', 0)
    expect(await notes()).toEqual([])
  })
})

describe('What would be rolled back anyway', () => {
  it('is an open transaction, whose last statement may run no longer than any other', async () => {
    const client = await open(hasty)
    await client.ask(query('begin'))
    await client.ask(insert('uncommitted', 0))
    client.write(query('select pg_sleep(600), 4712'))
    await running('4712')
    client.destroy()
    await serves(hasty)
    expect(await notes()).toEqual([])
  })

  it('is a batch without its Sync, which is ended at once', async () => {
    const client = await open(patient)
    const text = `insert into notes select 'unsynced' from pg_sleep(600)`
    client.write(Buffer.concat([parse('', text, []), bind('', ''), execute('', 0), flush()]))
    await running('unsynced')
    client.destroy()
    await serves(patient)
    expect(await notes()).toEqual([])
  })

  it('is a COPY without its end, which is ended at once', async () => {
    const client = await open(patient)
    client.write(Buffer.concat([query('copy notes from stdin'), copyData(Buffer.from('half\n'))]))
    await client.until(() => client.count('G') > 0, 10_000)
    client.destroy()
    await serves(patient)
    expect(await notes()).toEqual([])
  })

  it('is a COPY without its end, also when the client left before it had begun', async () => {
    const copy = [insert('before'), query('copy notes from stdin'), copyData(Buffer.from('half\n'))]
    await leave(await open(patient), ...copy)
    await serves(patient)
    expect(await notes()).toEqual(['before'])
  })
})
