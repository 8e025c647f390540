/** Two nodes claim to be writer, as after a healed partition: the newer timeline wins, loudly. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { connect, connectAll, failure, one } from '../support/clients.ts'
import { type FailoverHouse, startFailoverHouse } from '../support/failover-house.ts'
import { startWriters } from '../support/writers.ts'

let lab: FailoverHouse

beforeAll(async () => {
  lab = await startFailoverHouse()
})

afterAll(() => lab?.end())

describe('When a reader is promoted while the old writer still runs', () => {
  it('all sessions write to the newer timeline and none to the old', async () => {
    const { house, front } = lab
    const idle = await connectAll(10, front.url())
    for (const client of idle) await client.query('select 1')
    const writers = await startWriters(4, front.url())
    await writers.progress(30)
    // Both hold a connection to the node that is about to be the old writer.
    const pinned = await connect(front.url())
    await pinned.query('create temp table scratch (n int)')
    const open = await connect(front.url())
    await open.query('begin')
    await open.query('insert into writes values (-1)')

    const promoting = house.cluster.promote('node-3', { force: true, rejoin: false })
    await until(() => lab.node('node-3').role === 'writer', 10_000)
    await until(() => lab.node('node-1').role !== 'writer', 10_000)
    // What they would write there now would be lost.
    await until(() => pinned.strays.length > 0, 10_000)
    expect(pinned.strays[0]).toMatchObject({ severity: 'FATAL', code: '08006' })
    expect(pinned.strays[0]!.message).toContain('pinned to it (temporary)')
    expect(await failure(open.query('commit'))).toMatchObject({ severity: 'ERROR', code: '40001' })
    await open.query('rollback')
    expect(await lab.nodeOf(open)).toBe('node-3')
    await writers.progress(100)
    await promoting
    await writers.stop()
    for (const client of [...idle, ...writers.clients]) {
      expect(await lab.nodeOf(client)).toBe('node-3')
      expect(client.strays).toEqual([])
    }
    const claims = front.app.snapshot().nodes.filter((n) => n.role === 'writer')
    expect(claims.map((n) => n.name)).toEqual(['node-3'])
    expect(
      front.app
        .snapshot()
        .events.map((e) => e.text)
        .join('\n'),
    ).toMatch(/node-3/)
    expect(lab.node('node-1').because).toMatch(/timeline/)
  })

  it('the old one gets sessions again only as a reader', async () => {
    const { house, front } = lab
    expect(await house.cluster.rejoin('node-1')).toBeTruthy()
    await lab.allUp()
    expect(lab.node('node-1').role).toBe('reader')
    const readers = await connectAll(6, front.url('reader'))
    const nodes = new Set<string>()
    for (const client of readers) {
      expect(await one(client, 'select pg_is_in_recovery()')).toBe(true)
      nodes.add(await lab.nodeOf(client))
    }
    expect([...nodes].sort()).toEqual(['node-1', 'node-2'])
  })
})
