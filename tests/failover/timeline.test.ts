/** What Weir writes down of a failover: each step in its order, at times that can be right. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock as clock } from '../../src/core/clock.ts'
import { until } from '../../src/core/until.ts'
import { PostgresProbe } from '../../src/protocol/postgres/probe.ts'
import { MILESTONES } from '../../src/topology/timeline.ts'
import { connectAll, later, one } from '../support/clients.ts'
import { type FailoverHouse, startFailoverHouse } from '../support/failover-house.ts'
import { startFront } from '../support/front.ts'
import { startWriters } from '../support/writers.ts'

let lab: FailoverHouse
/** When the test asked for the first promotion. */
let promoting: number

beforeAll(async () => {
  lab = await startFailoverHouse({
    admin: true,
    cluster: { synchronous: true },
  })
})

afterAll(() => lab?.end())

const failovers = () => lab.front.app.snapshot().failovers
const events = () => lab.front.app.snapshot().events.map((e) => e.text)

async function metric(name: string): Promise<number> {
  const reply = await fetch(`http://127.0.0.1:${lab.front.adminPort}/metrics`)
  const line = (await reply.text()).split('\n').find((l) => l.startsWith(`${name} `))
  return Number(line?.slice(name.length + 1))
}

describe('When the writer is killed under load and a reader promoted', () => {
  it('all eight steps are written down, in order, between the kill and the first answer', async () => {
    const { house, front } = lab
    // It asks so rarely that what it notices in time it owes to a sign, not to a probe in turn.
    const signs = await startFront(house, {
      config: { topology: { user: 'weir', database: 'app', period: '60s' } },
    })
    const waiting = await connectAll(5, front.url())
    const writers = await startWriters(4, front.url())
    await writers.progress(30)
    expect(failovers()).toEqual([])

    const alive = Date.now()
    await one(waiting[0]!, 'select 1')
    await house.cluster.kill('node-1')
    await until(() => lab.node('node-1').health === 'down', 10_000)
    await until(() => signs.app.snapshot().nodes[0]!.health === 'down', 30_000)
    await signs.end()
    const held = waiting.map((client) => later(client.query('select 1')))
    promoting = Date.now()
    const { writer } = await house.cluster.promote()
    await Promise.all(held)
    await writers.progress(20)
    const answered = Date.now()
    await writers.stop()

    const [failover, ...others] = failovers()
    expect(others).toEqual([])
    expect(failover).toMatchObject({ number: 1, from: 'node-1', to: writer })
    const { timeline, promotedNotBefore, waitingPeak, heldMs } = failover!
    expect(Object.keys(timeline)).toEqual([...MILESTONES])
    const times = MILESTONES.map((word) => timeline[word]!)
    expect(times).toEqual([...times].sort((a, b) => a - b))
    // An answer to a client is a sign of life, and the last one was no earlier than that one.
    expect(timeline.fault).toBeGreaterThanOrEqual(alive)
    expect(promotedNotBefore).toBeLessThanOrEqual(timeline.promoted!)
    expect(timeline.promoted! - promoting).toBeGreaterThan(0)
    expect(timeline['first-reply']! - answered).toBeLessThan(1)
    expect(waitingPeak).toBeGreaterThanOrEqual(5)
    expect(waitingPeak).toBeLessThanOrEqual(9)
    expect(heldMs).toBeCloseTo(timeline['first-borrow']! - timeline.down!, 2)

    const said = events().join('\n')
    expect(said).toMatch(/the writer node-1 gave its last sign of life [\d.]+ m?s ago/)
    expect(said).toContain(`failover 1: ${writer} takes over from node-1`)
    expect(said).toMatch(/failover 1: node-\d lent its first server connection [\d.]+ ms after/)
    expect(said).toMatch(/failover 1: node-\d gave its first answer [\d.]+ ms after that/)
    await until(() => failovers()[0]!.over, 10_000)
    for (const arrow of ['fault_suspected', 'promoted_observed', 'fault_first_reply']) {
      expect(await metric(`weir_failover_seconds_count{arrow="${arrow}"}`), arrow).toBe(1)
    }
    await lab.allUp()
  })

  it('the promoted node tells when, but not to a role that may not see it', async () => {
    const { cluster, ask } = lab.house
    const { name, host, port } = cluster.writer()
    await ask(`create role blind login password 'blind'`)
    const { timeline, promotedNotBefore } = failovers()[0]!
    const tells = async (user: string, password: string): Promise<number | undefined> => {
      const { database } = cluster.login
      const probe = new PostgresProbe({ user, password: () => password, database, clock })
      expect(await probe.promotedAt(name)).toBeUndefined()
      await probe.probe({ name, host, port }, new AbortController().signal)
      const at = await probe.promotedAt(name)
      await probe.close()
      return at
    }
    const at = await tells(cluster.login.user, cluster.login.password)
    expect(at).toBeGreaterThan(promoting)
    // Believed, as far as it fits what was seen: without it, the first answer as a writer counts.
    expect(timeline.promoted).toBeLessThanOrEqual(Math.max(at!, promotedNotBefore!) + 0.01)
    expect(await tells('blind', 'blind')).toBeUndefined()
  })

  it('a switch while the old writer is well is one too, without a fault', async () => {
    const { house, front } = lab
    const from = house.cluster.writer().name
    const to = house.cluster.readers().find((n) => n.name !== from)!.name
    const [client] = await connectAll(1, front.url())
    await house.cluster.promote(to, { force: true, rejoin: false })
    await until(() => lab.node(to).role === 'writer', 10_000)
    await client!.query('select 1')
    const failover = failovers().at(-1)!
    expect(failover).toMatchObject({ number: 2, from, to })
    const { timeline } = failover
    expect(timeline['first-reply']).toBeGreaterThan(timeline.observed!)
    expect(timeline.fault).toBeUndefined()
    await until(() => failovers().at(-1)!.over, 10_000)
    expect(events().at(-1)).toMatch(
      /^failover 2 from node-\d to node-\d is over: answered .* after it was observed/,
    )
  })
})
