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
    for (const client of [...idle, running]) expect(client.strays).toEqual([])
  })
})
