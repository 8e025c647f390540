/** What a session had is there on the new writer: settings, statements, channels, whoever was busy. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { connect, connectAll, failure, one } from '../support/clients.ts'
import { type FailoverHouse, startFailoverHouse } from '../support/failover-house.ts'

let lab: FailoverHouse

beforeEach(async () => {
  lab = await startFailoverHouse({ cluster: { synchronous: true } })
})

afterEach(() => lab?.end())

it('brings a session to the new writer: settings, prepared statements, channels; a lost transaction runs again', async () => {
  const { house, front } = lab
  const client = await connect(front.url())
  const heard: (string | undefined)[] = []
  const notices: (string | undefined)[] = []
  client.on('notification', ({ payload }) => heard.push(payload))
  client.on('notice', ({ code }) => notices.push(code))
  await client.query('create table kept (n int primary key)')
  await client.query("set search_path = pg_catalog, public; set work_mem = '1MB'")
  await client.query({ name: 'named', text: 'select $1::int + 1 as n', values: [1] })
  await client.query('prepare doubled(int) as select $1 * 2 as n')
  await client.query('listen tidings')
  const reading = await connect(front.url('reader'))
  const transact = async (): Promise<void> => {
    await client.query('begin')
    await client.query('insert into kept values ($1)', [1])
    await client.query('commit')
  }
  await client.query('begin')
  await client.query('insert into kept values (1)')

  await house.cluster.kill('node-1')
  expect(await one(reading, 'select 1')).toBe(1)
  expect(await failure(client.query('insert into kept values (2)'))).toMatchObject({
    code: '40001',
  })
  await client.query('rollback')
  const again = transact()
  await house.cluster.promote()
  await again

  expect(await one(client, 'show work_mem')).toBe('1MB')
  expect(await one(client, 'show search_path')).toBe('pg_catalog, public')
  const named = await client.query({ name: 'named', text: 'select $1::int + 1 as n', values: [2] })
  expect(named.rows).toEqual([{ n: 3 }])
  expect(await one(client, 'execute doubled(21)')).toBe(42)
  // Said when the listener is there again, since something may have been missed.
  await until(() => notices.includes('01000'), 10_000)
  await client.query("notify tidings, 'new'")
  await until(() => heard.includes('new'), 10_000)
  expect(await one(client, 'select count(*)::int from kept')).toBe(1)
  expect(client.strays).toEqual([])
})

it('sends all reads again that were under way when the writer was killed, and gives each its answer', async () => {
  const { house, front } = lab
  await house.ask('create table kept as select 5 as n')
  const clients = await connectAll(12, front.url())
  // Some server connections lie idle: who asks again may be given one that is dying as well.
  await Promise.all(clients.map((client) => client.query('select 1')))
  const locker = await connect(house.direct)
  await locker.query('begin; lock table kept in access exclusive mode')
  const reads = clients.slice(0, 7).map((client) => one(client, 'select n from kept'))
  const waiting = async (): Promise<boolean> => {
    const found = await house.ask(
      `select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'select n%'`,
    )
    return found.length === reads.length
  }
  await until(waiting, 10_000, { what: 'reads that wait for the lock' })

  await house.cluster.kill('node-1')
  await house.cluster.promote()
  expect(await Promise.all(reads)).toEqual(reads.map(() => 5))
  for (const client of clients) expect(client.strays).toEqual([])
})
