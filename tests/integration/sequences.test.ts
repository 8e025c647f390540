/**
 * currval and lastval through Weir: the right answer or the server's own error that there is none,
 * and never the number that another client got.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { type Client, connect, endClients, failure, later, one } from '../support/clients.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'

let house: House
let front: Front
let direct: Client

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  direct = await connect(house.direct)
  await direct.query(`create sequence tickets; create sequence tables;
    create table orders (id serial, n int); create table plain (n int)`)
})

beforeEach(async () => {
  // What Weir has learnt of its clients is of this front alone.
  front = await startFront(house, { pool: { maxConnections: 1 } })
})

afterEach(async () => {
  endClients(direct)
  await until(() => front.app.snapshot().clients.total === 0, 10_000)
  await front.end()
})

afterAll(async () => {
  endClients()
  await house?.end()
})

const CURRVAL = `select currval('tickets')::int`
const NEXTVAL = `select nextval('tickets')::int`

describe('currval and lastval', () => {
  it('are right behind the nextval of the same transaction', async () => {
    const [ann, ben] = [await connect(front.url()), await connect(front.url())]
    for (const client of [ann, ben, ann, ben]) {
      await client.query('begin')
      const made = await one(client, NEXTVAL)
      expect(await one(client, CURRVAL)).toBe(made)
      expect(await one(client, 'select lastval()::int')).toBe(made)
      await client.query('commit')
    }
    expect(front.app.snapshot().clients.pinned).toBe(0)
  })

  it('are right in one text, and behind an INSERT', async () => {
    const client = await connect(front.url())
    await client.query('insert into orders (n) values (1)')
    expect(await one(client, 'select lastval() = max(id) from orders')).toBe(true)
    const results = await client.query(`${NEXTVAL} as n; ${CURRVAL} as n`)
    const [made, read] = results as unknown as { rows: { n: number }[] }[]
    expect(read!.rows).toEqual(made!.rows)
  })

  it('are right in a later transaction while nobody else has moved a sequence', async () => {
    const [ann, ben] = [await connect(front.url()), await connect(front.url())]
    const made = await one(ann, NEXTVAL)
    await ben.query('select 1')
    expect(await one(ann, CURRVAL)).toBe(made)
  })

  it('never tell what somebody else made', async () => {
    const [ann, ben] = [await connect(front.url()), await connect(front.url())]
    await one(ann, NEXTVAL)
    expect((await failure(ben.query(CURRVAL))).code).toBe('55000')
    expect((await failure(ben.query('select lastval()'))).code).toBe('55000')
  })

  it('tell nothing where another has moved a sequence since, and pin from then on', async () => {
    const [ann, ben] = [await connect(front.url()), await connect(front.url())]
    await one(ann, NEXTVAL)
    await one(ben, NEXTVAL)
    expect((await failure(ann.query(CURRVAL))).code).toBe('55000')
    const made = await one(ann, NEXTVAL)
    await until(() => front.app.snapshot().clients.pinned === 1, 10_000)
    const wait = later(one(ben, 'select 1'))
    expect(await one(ann, CURRVAL)).toBe(made)
    expect(await one(ann, CURRVAL)).toBe(made)
    await ann.query('discard sequences')
    expect(await wait).toBe(1)
    expect((await failure(ann.query(CURRVAL))).code).toBe('55000')
  })

  it('never tell what another made of a sequence that this client has not moved', async () => {
    const [ann, ben] = [await connect(front.url()), await connect(front.url())]
    // Once somebody has read one, such reading is expected.
    await ann.query('begin')
    await ann.query(`select nextval('tables')`)
    await ann.query(`select currval('tables')`)
    await ann.query('commit')
    await one(ann, NEXTVAL)
    await ben.query('insert into plain values (1)')
    expect((await failure(ben.query(CURRVAL))).code).toBe('55000')
    expect((await failure(ben.query('select lastval()'))).code).toBe('55000')
  })

  it('are gone with DISCARD ALL, wherever that is answered', async () => {
    const client = await connect(front.url())
    await one(client, NEXTVAL)
    await client.query('discard all')
    expect((await failure(client.query(CURRVAL))).code).toBe('55000')
  })
})
