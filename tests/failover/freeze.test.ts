/**
 * A node that hangs (SIGSTOP) or a link that is cut without a word: sockets stay open and nobody
 * answers. Weir finds it out, and nobody may hang on it. How soon is measured where no machine can be
 * busy: tests/unit/topology/monitor.test.ts holds the two seconds by a clock of its own.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CuttableLink } from '../../src/bench/failover/cuttable-link.ts'
import { until } from '../../src/core/until.ts'
import { connect, connectAll, failure, later, one } from '../support/clients.ts'
import { type FailoverHouse, startFailoverHouse } from '../support/failover-house.ts'
import { type Front, startFront } from '../support/front.ts'

let lab: FailoverHouse

beforeAll(async () => {
  lab = await startFailoverHouse({ config: { topology: { user: 'weir', database: 'app' } } })
  const admin = await connect(lab.house.direct)
  await admin.query('create table slow (n int)')
})

afterAll(() => lab?.end())

/** Resolves when Weir says that the node is down. */
async function untilDown(front: Front, name: string): Promise<void> {
  const down = () => front.app.snapshot().nodes.find((n) => n.name === name)?.health === 'down'
  await until(down, 30_000, { everyMs: 5, what: `${name} to be down` })
}

describe('A frozen reader', () => {
  it('is left by its sessions, and serves again when it thaws', async () => {
    const { house, front } = lab
    const sessions = await connectAll(4, front.url('reader'))
    for (const session of sessions) await session.query('select 1')
    const nodes = await Promise.all(sessions.map((s) => lab.nodeOf(s)))
    const stuck = sessions[nodes.indexOf('node-2')]!
    await house.cluster.pause('node-2')
    const foundOut = later(untilDown(front, 'node-2'))
    // It only reads, and nothing of an answer came: another reader answers instead.
    expect(await one(stuck, 'select 1')).toBe(1)
    await foundOut
    for (const session of sessions) expect(await lab.nodeOf(session)).toBe('node-3')
    await house.cluster.resume('node-2')
    await lab.allUp()
    const seen = new Set<string>()
    for (let i = 0; i < 3; i++) seen.add(await lab.nodeOf(await connect(front.url('reader'))))
    expect(seen.has('node-2')).toBe(true)
    for (const session of sessions) expect(session.strays).toEqual([])
  })
})

describe('Weir, when it was itself too busy to look', () => {
  it('blames no node', async () => {
    const front = await startFront(lab.house, { config: { topology: { period: '50ms' } } })
    try {
      await until(() => front.app.snapshot().nodes.every((n) => n.health === 'up'), 10_000)
      const before = front.app.snapshot().epoch
      for (let i = 0; i < 10; i++) {
        // Longer than a probe may take. After the first the timers that are due begin a probe, and
        // before its answer is read the next block begins.
        const end = performance.now() + 700
        while (performance.now() < end);
        await new Promise((done) => setImmediate(done))
      }
      await until(() => front.app.snapshot().nodes.every((n) => n.health === 'up'), 10_000)
      expect(front.app.snapshot().epoch).toBe(before)
    } finally {
      await front.end()
    }
  })
})

describe('A link that is cut without a word', () => {
  it('makes its node down, without any traffic, and up again when it is whole', async () => {
    const links = lab.house.cluster.nodes().map((n) => new CuttableLink(n))
    for (const link of links) await link.open()
    const front = await startFront(lab.house, {
      config: { nodes: links.map(({ address }) => address) },
    })
    try {
      const well = () => front.app.snapshot().nodes.every((n) => n.health === 'up')
      await until(well, 10_000)
      const link = links.find(({ node }) => node.name === 'node-3')!
      link.cut()
      await untilDown(front, 'node-3')
      link.restore()
      await until(well, 10_000)
    } finally {
      await front.end()
      for (const link of links) await link.close()
    }
  })
})

describe('A frozen writer', () => {
  it('is found out, sessions that hang on it get an error, and the promoted node serves all', async () => {
    const { house, front } = lab
    const idle = await connectAll(10, front.url())
    for (const client of idle) await client.query('select 1')
    const running = await connect(front.url())
    const open = await connect(front.url())
    await open.query('begin')
    await open.query('select 1')
    const asleep = failure(running.query('insert into slow select 1 from pg_sleep(600)'))
    await until(() => front.app.snapshot().clients.active === 2, 10_000)

    await house.cluster.pause('node-1')
    // New settings at login mean a question to the node, which does not answer.
    const newcomer = later(connect(front.url(), { application_name: 'newcomer' }))
    await untilDown(front, 'node-1')
    // Their answer will never come: that they are told at all, they owe to Weir.
    expect(await asleep).toMatchObject({ severity: 'ERROR', code: '08007' })
    expect(await failure(open.query('select 1'))).toMatchObject({
      severity: 'ERROR',
      code: '40001',
    })
    await open.query('rollback')

    const waiting = idle.map((client) => later(one(client, 'select 12')))
    const { writer } = await house.cluster.promote()
    expect(new Set(await Promise.all(waiting))).toEqual(new Set([12]))
    expect(await lab.nodeOf(running)).toBe(writer)
    expect(await lab.nodeOf(open)).toBe(writer)
    expect(await lab.nodeOf(await newcomer)).toBe(writer)
    for (const client of [...idle, running, open]) expect(client.strays).toEqual([])
  })
})
