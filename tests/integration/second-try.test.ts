/**
 * Statements that a server connection has lost, or whose tables were changed by somebody else: the
 * client that uses them outside a transaction never knows.
 */
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type House, startHouse } from '../support/house.ts'

let house: House
let hand: pg.Client
let client: pg.Client

beforeAll(async () => {
  house = await startHouse({ pool: 1 })
  hand = new pg.Client({ connectionString: house.direct })
  await hand.connect()
  client = new pg.Client({ connectionString: house.writer })
  await client.connect()
})

afterAll(async () => {
  await client?.end()
  await hand?.end()
  await house?.end()
})

test('a statement that a function deallocated is prepared again', async () => {
  const ask = { name: 'lost', text: 'select $1::int + 1 as next' }
  expect((await client.query({ ...ask, values: [1] })).rows).toEqual([{ next: 2 }])
  await client.query(`do $$ begin execute 'deallocate all'; end $$`)
  expect((await client.query({ ...ask, values: [2] })).rows).toEqual([{ next: 3 }])
})

test('a statement whose table was changed elsewhere is prepared again', async () => {
  await hand.query('create table altered (a int); insert into altered values (1)')
  const ask = { name: 'altered', text: 'select * from altered' }
  expect((await client.query(ask)).rows).toEqual([{ a: 1 }])
  await hand.query(`alter table altered add b text default 'new'`)
  expect((await client.query(ask)).rows).toEqual([{ a: 1, b: 'new' }])
})

test('in a transaction the error is told, as Postgres tells it', async () => {
  const ask = { name: 'inside', text: 'select * from altered' }
  await client.query(ask)
  await hand.query('alter table altered add c int')
  await client.query('begin')
  await expect(client.query(ask)).rejects.toThrow('cached plan must not change result type')
  await client.query('rollback')
  expect((await client.query(ask)).rows).toEqual([{ a: 1, b: 'new', c: null }])
})
