/** The writer dies: who loses what, who waits, and who notices nothing. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { connect, connectAll, failure, later, one } from '../support/clients.ts'
import { type FailoverHouse, startFailoverHouse } from '../support/failover-house.ts'
import { startFront } from '../support/front.ts'
import { startWriters } from '../support/writers.ts'

let lab: FailoverHouse

beforeEach(async () => {
  // A commit waits for a reader, so what was acknowledged must survive.
  lab = await startFailoverHouse({ cluster: { synchronous: true } })
})

afterEach(() => lab?.end())

describe('When the writer is killed and a reader promoted', () => {
  it('idle clients notice nothing, waiting ones are served, acknowledged writes are there', async () => {
    const { house, front } = lab
    const idle = await connectAll(30, front.url())
    for (const client of idle) await client.query('select 1')
    const writers = await startWriters(6, front.url())
    await writers.progress(50)

    await house.cluster.kill('node-1')
    await until(() => lab.node('node-1').health === 'down', 10_000)
    const late = await connectAll(5, front.url('reader'))
    const waiting = idle.slice(0, 5).map((client) => later(one(client, 'select 11')))
    await until(() => front.app.snapshot().clients.waiting >= 5 + 6, 10_000, {
      what: 'clients that wait for a writer',
    })
    const { writer } = await house.cluster.promote()
    expect(await Promise.all(waiting)).toEqual([11, 11, 11, 11, 11])
    await writers.progress(100)
    await writers.stop()

    expect(writers.errors.length).toBeLessThanOrEqual(writers.clients.length)
    for (const error of writers.errors) expect(error.code).toBe('08007')
    const rows = await house.ask('select id from writes')
    const there = new Set(rows.map((row) => row.id))
    expect(writers.acknowledged.filter((id) => !there.has(id))).toEqual([])
    for (const client of [...idle, ...writers.clients]) {
      expect(client.strays).toEqual([])
      expect(await lab.nodeOf(client)).toBe(writer)
    }
    for (const client of late) expect(await one(client, 'select 1')).toBe(1)
    await lab.allUp()
    expect(lab.node('node-1').role).toBe('reader')
  })

  it('a transaction, a pinned session and a running statement are each told what happened', async () => {
    const { house, front } = lab
    const open = await connect(front.url())
    await open.query('create table kept (n int)')
    await open.query('begin')
    await open.query('insert into kept values (1)')
    const pinned = await connect(front.url())
    await pinned.query('create temp table scratch (n int)')
    const running = await connect(front.url())
    const asleep = failure(running.query('select pg_sleep(600)'))
    const bystander = await connect(front.url())
    await bystander.query('select 1')
    await until(() => front.app.snapshot().clients.active === 3, 10_000)

    const hurried = await startFront(house, { pool: { borrowTimeout: '300ms' } })
    const impatient = await connect(hurried.url())
    // Even the first connection may take longer than that to open.
    await until(() => impatient.query('select 1'), 10_000)

    await house.cluster.kill('node-1')
    await until(() => hurried.app.snapshot().nodes[0]!.health === 'down', 10_000)
    const late = await failure(impatient.query('select 1'))
    expect(late).toMatchObject({ severity: 'ERROR', code: '08001' })
    expect(late.message).toMatch(
      /^timed out after [\d.]+ s waiting for a node: endpoint writer: the writer is away \(/,
    )
    const unknown = await asleep
    expect(unknown).toMatchObject({ severity: 'ERROR', code: '08007' })
    expect(unknown.message).toContain('it is not known whether the request took effect')
    await until(() => pinned.strays.length > 0, 10_000)
    expect(pinned.strays[0]).toMatchObject({ severity: 'FATAL', code: '08006' })
    expect(pinned.strays[0]!.message).toContain('pinned to it (temporary)')
    expect(await failure(open.query('select 1'))).toMatchObject({ code: '40001' })
    expect(await failure(open.query('select 1'))).toMatchObject({ code: '25P02' })
    expect((await open.query('rollback')).command).toBe('ROLLBACK')

    await house.cluster.promote()
    expect((await until(() => impatient.query('select 1 as n'), 10_000)).rows).toEqual([{ n: 1 }])
    await hurried.end()
    expect(await one(bystander, 'select 1')).toBe(1)
    expect(await one(running, 'select 1')).toBe(1)
    expect(await one(open, 'select count(*)::int from kept')).toBe(0)
    expect([...bystander.strays, ...running.strays, ...open.strays]).toEqual([])
  })
})
