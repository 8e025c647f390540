/**
 * A node that accepts connections and does not look at them: a cancel request sent to it may be acted
 * on any time later, when quite another statement runs.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { cancelRequest } from '../../src/wire/postgres/frontend.ts'
import { cancelKeyOf, connect, endClients, later, one } from '../support/clients.ts'
import { FRONT_PORTS, type Front, startFront } from '../support/front.ts'
import { heldStatement } from '../support/held-statement.ts'
import { type House, startHouse } from '../support/house.ts'
import { exchange } from '../support/raw-session.ts'
import { scrape, sumOf } from '../support/scrape.ts'

let house: House
let front: Front

beforeAll(async () => {
  house = await startHouse({ ports: FRONT_PORTS })
  front = await startFront(house, {
    pool: { maxConnections: 1, openTimeout: '300ms' },
    // A node that hangs for a moment is not to be taken for dead here.
    config: { topology: { period: '1s', probeTimeout: '30s' } },
    admin: true,
  })
})

afterAll(async () => {
  endClients()
  await front?.end()
  await house?.end()
})

/** The process that takes new connections; those that are open are served by others. */
async function postmaster(): Promise<number> {
  const data = (await house.ask('show data_directory'))[0]!.data_directory as string
  return Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n')[0])
}

it('a connection that a lost cancel request could still hit is lent to nobody again', async () => {
  const pid = await postmaster()
  const [client, other] = await Promise.all([connect(front.url()), connect(front.url())])
  const backend = () => one(other, 'select pg_backend_pid()')
  const before = await backend()
  const { running, release } = await heldStatement(house, client)
  await until(() => front.app.snapshot().clients.active === 1, 10_000)
  process.kill(pid, 'SIGSTOP')
  let next: Promise<unknown>
  try {
    const { pid: number, secret } = cancelKeyOf(client)
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(secret)
    await exchange(front.port('writer'), cancelRequest(number, bytes))
    // Nothing has come of it, and the statement ends in its own time.
    await release()
    expect((await running).rows[0]!.n).toBe(3)
    next = later(backend())
  } finally {
    process.kill(pid, 'SIGCONT')
  }
  expect(await next).not.toBe(before)
  const series = await scrape(front.adminPort)
  expect(sumOf(series, 'weir_database_connections_evicted_total', { reason: 'broken' })).toBe(1)
  expect(sumOf(series, 'weir_database_cancels_total')).toBe(1)
})
