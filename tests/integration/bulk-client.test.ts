/** The benchmark's own client for large results, on a real server and through the proxy. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BulkClient, connectBulk } from '../../benchmarks/bulk-client.ts'
import { LARGE_KINDS, workOf } from '../../benchmarks/large.ts'
import { type Client, connect, endClients } from '../support/clients.ts'
import { type House, startHouse } from '../support/house.ts'

/** Scale and size of what is moved: small, but many reads long. */
const SCALE = 1
const MEGABYTES = 5

let house: House
let db: Client
let bulk: BulkClient

const target = (port: number) => ({ ...house.cluster.login, port })

beforeAll(async () => {
  house = await startHouse({ ports: [22_900, 22_999] })
  db = await connect(house.direct)
  await db.query(`
    create table pgbench_accounts (aid int, bid int, abalance int, filler char(84));
    insert into pgbench_accounts
      select i, 1, 0, '' from generate_series(1, ${100_000 * SCALE}) i`)
  bulk = await connectBulk(target(house.port))
})

afterAll(async () => {
  bulk?.close()
  await endClients()
  await house?.end()
})

test.each(LARGE_KINDS)(
  '%s moves every row it was asked for, as many bytes as directly',
  async (kind) => {
    const work = workOf(kind, MEGABYTES, SCALE)
    const direct = await connectBulk(target(house.nodePort))
    try {
      const through = await work.run(bulk)
      const beside = await work.run(direct)
      expect(through.rows).toBe(work.rows)
      expect(through.bytes).toBe(beside.bytes)
      // The size that was asked for is the size that is moved, more or less.
      expect(through.bytes).toBeGreaterThan(MEGABYTES * 1e6 * 0.8)
      expect(through.bytes).toBeLessThan(MEGABYTES * 1e6 * 1.2)
    } finally {
      direct.close()
    }
  },
)

test('rows that are copied in are left out by the server', async () => {
  await workOf('copy in', 1, SCALE).run(bulk)
  const { rows } = await db.query('select count(*)::int as n from pgbench_accounts')
  expect(rows[0].n).toBe(100_000 * SCALE)
})

test('an error of the server is the error of the client, which goes on after it', async () => {
  await expect(bulk.read('select 1/0')).rejects.toThrow('division by zero')
  const missing = bulk.write('copy nowhere from stdin', Buffer.from('1\n'), 100)
  await expect(missing).rejects.toThrow('"nowhere" does not exist')
  expect((await bulk.read('select 1 from generate_series(1, 7)')).rows).toBe(7)
})

test('a connection that is lost in the middle of a result is an error', async () => {
  const own = await connectBulk(target(house.nodePort))
  const lost = own.read('select pg_terminate_backend(pg_backend_pid()), pg_sleep(60)')
  await expect(lost).rejects.toThrow(/lost in the middle|terminating/)
  own.close()
})
