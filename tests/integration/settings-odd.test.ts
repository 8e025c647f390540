/**
 * Settings in odd company: other encodings, users who may not ask, roles from the start, errors
 * inside a longer text, procedures that commit. What holds for all: they follow or they fail as
 * directly, nobody is pinned for them, and nobody else has them.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { type Client, connect, endClients, failure, one } from '../support/clients.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { type House, startHouse } from '../support/house.ts'

let house: House
let front: Front
let direct: Client
let client: Client
/** Takes the only server connection in between. */
let other: Client

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  front = await startFront(house, { pool: { maxConnections: 1 } })
  direct = await connect(house.direct)
  await direct.query('create role clerk')
})

beforeEach(async () => {
  client = await connect(front.url())
  other = await connect(front.url())
})

afterEach(async () => {
  expect(front.app.snapshot().pins).toEqual([])
  endClients(direct)
  await until(() => front.app.snapshot().clients.total === 0, 10_000)
})

afterAll(async () => {
  endClients()
  await front?.end()
  await house?.end()
})

const CODE = `select ascii(current_setting('app.name')) || ' ' || length(current_setting('app.name'))`

it.each([
  ['behind the change of its encoding', [`set names 'LATIN1'`]],
  ['in the same text', []],
])('a value that is not ASCII follows a client of another encoding, %s', async (_, before) => {
  for (const text of before) await client.query(text)
  await client.query(`set client_encoding = 'LATIN1'; set app.name = ''`)
  await client.query(`select set_config('app.name', chr(233) || 't' || chr(233), false)`)
  for (let round = 0; round < 2; round++) {
    expect(await one(other, 'show client_encoding')).toBe('UTF8')
    expect(await one(client, CODE)).toBe('233 3')
  }
})

it('a value that is not ASCII and that no statement names follows too', async () => {
  await client.query(`set names 'LATIN1'`)
  await client.query(`do $$begin perform set_config('search_path', chr(233), false); end$$`)
  expect(await one(other, 'show search_path')).toBe('"$user", public')
  expect(await one(client, `select ascii(current_setting('search_path'))`)).toBe(233)
})

it('what a user may neither set nor see pins nobody and stays with nobody', async () => {
  await client.query('set role clerk')
  for (const name of ['log_statement', 'dynamic_library_path', 'session_preload_libraries']) {
    expect((await failure(client.query(`set ${name} = 'all'`))).code).toBe('42501')
    expect(await one(other, 'select current_user::text')).toBe('weir')
    expect(await one(client, 'select current_user::text')).toBe('clerk')
  }
})

it('a role asked for at start is what RESET ROLE and DISCARD ALL go back to', async () => {
  const clerk = await connect(front.url(), { options: '-c role=clerk' })
  for (const text of ['reset role', 'discard all', 'set role default']) {
    await clerk.query('set role none')
    expect(await one(other, 'select current_user::text')).toBe('weir')
    expect(await one(clerk, 'select current_user::text')).toBe('weir')
    const told = await clerk.query(text).then(
      () => 'done',
      (error) => error.code,
    )
    if (told !== 'done') continue
    expect(await one(other, 'select current_user::text')).toBe('weir')
    expect(await one(clerk, 'select current_user::text')).toBe('clerk')
  }
})

it('COMMIT AND CHAIN asks nothing before the next transaction has its isolation', async () => {
  await client.query('begin; set work_mem = 8888')
  await client.query('commit and chain')
  await client.query('set transaction isolation level serializable')
  expect(await one(client, 'show transaction_isolation')).toBe('serializable')
  await client.query('commit')
  expect(await one(other, 'show work_mem')).toBe('4MB')
  expect(await one(client, 'show work_mem')).toBe('8888kB')
})

it('a procedure leaves what it has committed and not what it has rolled back', async () => {
  await direct.query(`create procedure changes() language plpgsql as $$begin
    perform set_config('work_mem', '5MB', false); commit;
    perform set_config('work_mem', '6MB', false); rollback; end$$`)
  await client.query('call changes()')
  expect(await one(other, 'show work_mem')).toBe('4MB')
  expect(await one(client, 'show work_mem')).toBe('5MB')
})

it('UNLISTEN that an error has undone is undone', async () => {
  const heard: unknown[] = []
  client.on('notification', ({ payload }) => heard.push(payload))
  await client.query('listen news')
  for (const [i, text] of ['unlisten news; select 1/0', 'select 1; discard all'].entries()) {
    await failure(client.query(text))
    await until(() => front.app.snapshot().clients.active === 0, 10_000)
    await direct.query(`notify news, '${i}'`)
    await until(() => heard.length > i, 10_000)
  }
  await client.query('discard all')
  await direct.query(`notify news, 'unheard'`)
  await client.query('listen other')
  await direct.query(`notify other, 'last'`)
  await until(() => heard.length > 2, 10_000)
  expect(heard).toEqual(['0', '1', 'last'])
})

it('a statement timeout of a millisecond strikes nobody else', async () => {
  for (let i = 0; i < 20; i++) {
    await client.query(`set statement_timeout = '${1 + (i % 2)}ms'`)
    expect(await one(other, 'select 1')).toBe(1)
    expect(await one(other, 'show statement_timeout')).toBe('0')
  }
})
