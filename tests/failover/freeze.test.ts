/** A writer that hangs (SIGSTOP): it keeps its sockets and answers nobody, and nobody may hang on it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import { connect, connectAll, failure, one } from '../support/clients.ts'
import { type FailoverHouse, startFailoverHouse } from '../support/failover-house.ts'

let lab: FailoverHouse

beforeAll(async () => {
  lab = await startFailoverHouse({ config: { topology: { user: 'weir', database: 'app' } } })
})

afterAll(() => lab?.end())

describe('A frozen reader', () => {
  it('is left by its sessions, and serves again when it thaws', async () => {
    const { house, front } = lab
    const sessions = await connectAll(4, front.url('reader'))
    for (const session of sessions) await session.query('select 1')
    const nodes = await Promise.all(sessions.map((s) => lab.nodeOf(s)))
    const stuck = sessions[nodes.indexOf('node-2')]!
    await house.cluster.pause('node-2')
    const error = await failure(stuck.query('select 1'))
    expect(error).toMatchObject({ severity: 'ERROR', code: '08007' })
    for (const session of sessions) expect(await lab.nodeOf(session)).toBe('node-3')
    await house.cluster.resume('node-2')
    await lab.allUp()
    const seen = new Set<string>()
    for (let i = 0; i < 3; i++) seen.add(await lab.nodeOf(await connect(front.url('reader'))))
    expect(seen.has('node-2')).toBe(true)
    for (const session of sessions) expect(session.strays).toEqual([])
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
    const asleep = failure(running.query('select pg_sleep(600)'))
    await until(() => front.app.snapshot().clients.active === 2, 5_000)

    const frozenAt = performance.now()
    await house.cluster.pause('node-1')
    // New settings at login mean a question to the node, which does not answer.
    const newcomer = connect(front.url(), { application_name: 'newcomer' })
    await until(() => lab.node('node-1').health === 'down', 10_000)
    expect(performance.now() - frozenAt).toBeLessThan(5_000)
    // Their answer will never come.
    expect(await asleep).toMatchObject({ severity: 'ERROR', code: '08007' })
    const inTransaction = await until(
      () => open.strays[0] ?? failure(open.query('select 1')),
      10_000,
    )
    expect(inTransaction.message).toMatch(/server connection was|Connection terminated/)

    const waiting = idle.map((client) => one(client, 'select 12'))
    const { writer } = await house.cluster.promote()
    expect(new Set(await Promise.all(waiting))).toEqual(new Set([12]))
    expect(await lab.nodeOf(running)).toBe(writer)
    expect(await lab.nodeOf(await newcomer)).toBe(writer)
    for (const client of [...idle, running]) expect(client.strays).toEqual([])
  })
})
