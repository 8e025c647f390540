/**
 * A writer that crashes and restarts in place (a backend killed by the kernel restarts them all), and
 * one that is replaced before anybody missed it: nobody is fenced who took no write too many. And a
 * server that ends one connection for what that one did: nobody is suspected.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { connect, connectAll, failure, one } from '../support/clients.ts'
import { type FailoverHouse, startFailoverHouse } from '../support/failover-house.ts'
import { scrape, sumOf } from '../support/scrape.ts'
import { startWriters } from '../support/writers.ts'

let lab: FailoverHouse

beforeAll(async () => {
  lab = await startFailoverHouse({
    admin: true,
    users: [{ username: 'sleepy', password: 'sleepy' }],
  })
})

afterAll(() => lab?.end())

const fencedCount = async () =>
  sumOf(await scrape(lab.front.adminPort), 'weir_fenced_writers_total', {})

describe('A backend of the writer that is killed', () => {
  it('costs what was under way and nothing else: the writer is used again as soon as it is ready', async () => {
    const { house, front } = lab
    const idle = await connectAll(20, front.url())
    expect(front.app.ready()).toEqual({ ready: true, why: 'The writer is node-1.' })
    for (const client of idle) await client.query('select 1')
    const readers = await connectAll(4, front.url('reader'))
    const writers = await startWriters(10, front.url())
    const ready = async () => {
      const client = await connect(house.cluster.url('node-1'))
      await client.query('select 1')
      await client.end()
      return true
    }
    const troubles = () =>
      front.app.snapshot().events.filter(({ text }) => /^node-1 is suspect/.test(text)).length
    for (let round = 0; round < 3; round++) {
      await writers.progress(200)
      const errors = writers.errors.length
      const victim = await connect(house.cluster.url('node-1'))
      const gone = new Promise((resolve) => victim.once('end', resolve))
      process.kill(Number(await one(victim, 'select pg_backend_pid()')), 'SIGKILL')
      await gone
      // Looked up in what was said, for it may be well again before we look.
      await until(() => troubles() > round, 10_000, { what: 'node-1 to be missed' })
      await until(ready, 30_000, { everyMs: 2 })
      // How soon: tests/unit/topology/monitor.test.ts.
      await until(() => lab.node('node-1').health === 'up', 30_000, { everyMs: 1 })
      await writers.progress(200)
      // What was under way is in doubt; everybody else notices a pause.
      expect(writers.errors.length - errors).toBeLessThanOrEqual(10)
    }
    for (const { code } of writers.errors) expect(code).toBe('08007')
    await writers.stop()
    for (const client of idle) expect(await lab.nodeOf(client)).toBe('node-1')
    for (const client of readers) await client.query('select 1')
    for (const client of [...idle, ...readers, ...writers.clients])
      expect(client.strays).toEqual([])
    const { nodes, failovers } = front.app.snapshot()
    expect(nodes.some((n) => n.fenced)).toBe(false)
    expect(failovers).toEqual([])
    expect(await fencedCount()).toBe(0)
  })
})

describe('A server that ends connections which were idle for too long', () => {
  it('is not suspected for it', async () => {
    const { house, front } = lab
    await lab.allUp()
    const direct = await connect(house.cluster.url('node-1'))
    await direct.query("create role sleepy login password 'sleepy'")
    await direct.query("alter role sleepy set idle_session_timeout = '1s'")
    await direct.query("alter role sleepy set idle_in_transaction_session_timeout = '1s'")
    const before = front.app.snapshot().events.length
    const clients = await connectAll(4, front.url('writer', 'sleepy'))
    for (const client of clients.slice(1)) await client.query('select 1')
    await clients[0]!.query('begin')
    const mine = "select from pg_stat_activity where usename = 'sleepy'"
    await until(async () => (await direct.query(mine)).rowCount === 0, 10_000)
    expect(await failure(clients[0]!.query('select 1'))).toMatchObject({ code: '40001' })
    const said = front.app.snapshot().events.slice(before)
    // A node that was slow to answer a probe meanwhile is another matter.
    const lost = said.filter(({ text }) => !/no answer|is up again/.test(text))
    expect(lost.map(({ text }) => text)).toEqual([])
  })
})

describe('A writer that froze and was replaced before anybody missed it', () => {
  it('is down and not fenced, until it thaws and takes writes beside the new one', async () => {
    const { house } = lab
    await lab.allUp()
    const failed = async () =>
      sumOf(await scrape(lab.front.adminPort), 'weir_node_probes_failed_total', { node: 'node-1' })
    const before = await failed()
    await house.cluster.pause('node-1')
    await house.cluster.promote('node-2', { force: true, rejoin: false })
    await until(() => lab.node('node-2').role === 'writer', 10_000)
    expect(lab.node('node-1')).toMatchObject({ health: 'down', fenced: false })
    expect(lab.front.app.ready().ready).toBe(true)
    const client = await connect(lab.front.url())
    expect(await lab.nodeOf(client)).toBe('node-2')
    // Some probes later.
    await until(async () => (await failed()) >= before + 4, 10_000)
    expect(lab.node('node-1')).toMatchObject({ health: 'down', fenced: false })
    expect(await fencedCount()).toBe(0)

    await house.cluster.resume('node-1')
    await until(() => lab.node('node-1').fenced, 10_000)
    expect(await fencedCount()).toBe(1)
    expect(await lab.nodeOf(client)).toBe('node-2')
  })
})
