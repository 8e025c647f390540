/** A reader goes: its sessions move at their next transaction, and it gets new ones when it is back. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../src/core/until.ts'
import {
  type Client,
  connect,
  connectAll,
  endClients,
  failure,
  later,
  one,
} from '../support/clients.ts'
import { type FailoverHouse, startFailoverHouse } from '../support/failover-house.ts'
import { startFront } from '../support/front.ts'

let lab: FailoverHouse

beforeAll(async () => {
  lab = await startFailoverHouse()
})

afterAll(() => lab?.end())

/** Sessions of the reader endpoint by the node they are on. */
async function byNode(clients: Client[]): Promise<Map<string, Client[]>> {
  const groups = new Map<string, Client[]>()
  for (const client of clients) {
    const node = await lab.nodeOf(client)
    groups.set(node, [...(groups.get(node) ?? []), client])
  }
  return groups
}

describe('When a reader is killed', () => {
  it('its sessions move at their next transaction and the others stay', async () => {
    const { house, front } = lab
    const clients: Client[] = []
    for (let i = 0; i < 8; i++) {
      clients.push(await connect(front.url('reader')))
      await clients[i]!.query('select 1')
    }
    const before = await byNode(clients)
    const [moving, staying] = [before.get('node-2')!, before.get('node-3')!]
    expect(moving.length).toBe(4)
    const running = moving[0]!
    const asleep = failure(running.query('select pg_sleep(600)'))
    await until(() => lab.node('node-2').leases === 1, 10_000)

    await house.cluster.kill('node-2')
    expect(await asleep).toMatchObject({ severity: 'ERROR', code: '08007' })
    // The writer may serve one for a moment: where node-3 is not known yet to have all that was written.
    for (const client of [...moving, ...staying]) {
      await until(async () => (await lab.nodeOf(client)) === 'node-3', 10_000)
    }
    expect(clients.flatMap((c) => c.strays)).toEqual([])
    expect(lab.node('node-2').health).toBe('down')
    expect(front.app.snapshot().nodes.find((n) => n.role === 'writer')?.name).toBe('node-1')
  })

  it('it serves new sessions again when it is back, and old ones stay where they are', async () => {
    const { house, front } = lab
    endClients()
    const settled = await connectAll(2, front.url('reader'))
    for (const client of settled) expect(await lab.nodeOf(client)).toBe('node-3')
    await house.cluster.start('node-2')
    await lab.allUp()
    const fresh: Client[] = []
    for (let i = 0; i < 4; i++) {
      fresh.push(await connect(front.url('reader')))
      await fresh[i]!.query('select 1')
    }
    expect((await byNode(fresh)).get('node-2')?.length).toBeGreaterThanOrEqual(2)
    for (const client of settled) expect(await lab.nodeOf(client)).toBe('node-3')
  })

  it('its sessions wait for the other to replay what they have seen, or go to the writer', async () => {
    const { house, front } = lab
    endClients()
    const direct = (node: string) => connect(house.cluster.url(node))
    const [writer, behind] = [await direct('node-1'), await direct('node-3')]
    await writer.query('create table seen (n int)')
    const count = 'select count(*)::int from seen'
    await until(async () => (await one(behind, "select to_regclass('seen')")) !== null, 10_000)
    const patient = await startFront(house, {
      endpoints: [
        // By turns: leases of the other endpoint's sessions would send both of one to the same node.
        { name: 'wait', kind: 'reader', noReader: 'wait', balance: 'roundRobin' },
        { name: 'writer', kind: 'reader', noReader: 'writer', balance: 'roundRobin' },
      ],
    })
    try {
      const sessions = await Promise.all(
        ['wait', 'writer'].map(async (endpoint) => {
          const clients = await connectAll(2, patient.url(endpoint))
          for (const client of clients) await client.query('select 1')
          const nodes = await Promise.all(clients.map((c) => lab.nodeOf(c)))
          return clients[nodes.indexOf('node-2')]!
        }),
      )
      await behind.query('select pg_wal_replay_pause()')
      await writer.query('insert into seen values (1)')
      for (const session of sessions)
        await until(async () => (await one(session, count)) === 1, 10_000)
      await house.cluster.kill('node-2')
      const [waits, writes] = sessions
      expect(await one(writes!, count)).toBe(1)
      expect(await lab.nodeOf(writes!)).toBe('node-1')
      let answered = false
      const answer = later(
        one(waits!, count).finally(() => {
          answered = true
        }),
      )
      await until(() => patient.app.snapshot().clients.waiting === 1, 10_000)
      expect(await one(behind, count)).toBe(0)
      expect(answered).toBe(false)
      await behind.query('select pg_wal_replay_resume()')
      expect(await answer).toBe(1)
      expect(await lab.nodeOf(waits!)).toBe('node-3')
    } finally {
      await patient.end()
      await house.cluster.start('node-2')
      await lab.allUp()
    }
    expect(front.app.snapshot().nodes.find((n) => n.role === 'writer')?.name).toBe('node-1')
  })

  it('again and again, it is kept out for longer each time', async () => {
    const { house } = lab
    // The falls of the tests before may be a minute ago on a busy machine.
    for (let fall = 1; ; fall++) {
      await house.cluster.kill('node-2')
      await until(() => lab.node('node-2').health === 'down', 10_000)
      if (/[3-9] falls within a minute/.test(lab.node('node-2').because)) break
      expect(fall).toBeLessThan(4)
      await house.cluster.start('node-2')
      await lab.allUp()
    }
    const from = performance.now()
    await house.cluster.start('node-2')
    await lab.allUp()
    // Eight good probes or more, one each half second, and it never takes less.
    expect(performance.now() - from).toBeGreaterThan(3_000)
  })

  it('with the other one too, the writer serves its sessions until one is back', async () => {
    const { house, front } = lab
    endClients()
    const client = await connect(front.url('reader'))
    await client.query('select 1')
    await Promise.all(['node-2', 'node-3'].map((node) => house.cluster.kill(node)))
    expect(await lab.nodeOf(client)).toBe('node-1')
    await Promise.all([house.cluster.start('node-2'), house.cluster.start('node-3')])
    await lab.allUp()
    await until(async () => (await lab.nodeOf(client)) !== 'node-1', 10_000)
    expect(client.strays).toEqual([])
  })
})
