/** A planned change of writer under load: the writing goes on at the new one over the same sessions. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { connect, connectAll } from '../support/clients.ts'
import { type FailoverHouse, startFailoverHouse } from '../support/failover-house.ts'
import { startWriters } from '../support/writers.ts'

let lab: FailoverHouse

beforeAll(async () => {
  lab = await startFailoverHouse()
})

afterAll(() => lab?.end())

describe('A promotion under a writing loop', () => {
  it('loses no acknowledged write, drops no client, and brings the old writer back as a reader', async () => {
    const { house, front } = lab
    const idle = await connectAll(30, front.url())
    for (const client of idle) await client.query('select 1')
    const readers = await connectAll(4, front.url('reader'))
    for (const client of readers) await client.query('select 1')
    const writers = await startWriters(6, front.url())
    await writers.progress(100)

    const promotion = await house.cluster.promote('node-2')
    expect(promotion).toMatchObject({ writer: 'node-2', formerWriter: 'node-1' })
    await writers.progress(200)
    await writers.stop()

    // At most what was under way at the moment of the change, and each told that nobody knows.
    expect(writers.errors.length).toBeLessThanOrEqual(writers.clients.length)
    for (const error of writers.errors) expect(error.code).toMatch(/^(08007|57P01|25006)$/)

    const rows = await house.ask('select id from writes')
    const there = new Set(rows.map((row) => row.id))
    expect(writers.acknowledged.filter((id) => !there.has(id))).toEqual([])

    const everybody = [...idle, ...readers, ...writers.clients]
    expect(everybody.flatMap((client) => client.strays)).toEqual([])
    for (const client of [...idle, ...writers.clients]) {
      expect(await lab.nodeOf(client)).toBe('node-2')
    }
    for (const client of readers) {
      await until(async () => (await lab.nodeOf(client)) !== 'node-2', 10_000)
    }

    await lab.allUp()
    expect(lab.node('node-1')).toMatchObject({ role: 'reader', health: 'up', timeline: 2 })
    const seen = new Set<string>()
    await until(
      async () => {
        const client = await connect(front.url('reader'))
        seen.add(await lab.nodeOf(client))
        return seen.has('node-1')
      },
      10_000,
      { what: 'a reader session on node-1' },
    )
    expect(seen.has('node-2')).toBe(false)
  })

  it('can be repeated, and every session follows each time', async () => {
    const { house, front } = lab
    const session = await connect(front.url())
    for (const next of ['node-3', 'node-1']) {
      await house.cluster.promote(next)
      await until(async () => (await lab.nodeOf(session)) === next, 15_000)
      await session.query('create table if not exists followed (node text)')
      await session.query('insert into followed values ($1)', [next])
    }
    const { rows } = await session.query('select node from followed')
    expect(rows.map((r) => r.node)).toEqual(['node-3', 'node-1'])
    expect(session.strays).toEqual([])
    await lab.allUp()
  })
})
