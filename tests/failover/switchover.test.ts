/** A planned change of writer: clients wait a moment, and not one of them sees an error. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { switchOver } from '../../src/cli/switching.ts'
import { labPromotion } from '../../src/cli/switchover.ts'
import { until } from '../../src/core/until.ts'
import { type Client, connect, connectAll, endClients, later } from '../support/clients.ts'
import { weirSays } from '../support/command-line.ts'
import { type FailoverHouse, startFailoverHouse } from '../support/failover-house.ts'
import { startWriters } from '../support/writers.ts'

let lab: FailoverHouse
let admin: string

beforeAll(async () => {
  lab = await startFailoverHouse({ admin: true })
  admin = `http://127.0.0.1:${lab.front.adminPort}`
})

afterEach(async () => {
  endClients()
  expect(lab.front.app.snapshot().pauses).toEqual([])
})

afterAll(() => lab?.end())

const promotion = (to?: string) => labPromotion(lab.house.cluster.directory, to, () => {})

/** Transactions of two statements, one after the other, until told to stop; counts those committed. */
function transactions(client: Client) {
  let going = true
  const seen = { committed: 0, errors: [] as string[] }
  const loop = (async () => {
    while (going) {
      try {
        await client.query('begin')
        await client.query('insert into pairs values (1)')
        await client.query('insert into pairs values (1)')
        await client.query('commit')
        seen.committed++
      } catch (error) {
        seen.errors.push(String(error))
        await client.query('rollback').catch(() => {
          going = false
        })
      }
    }
  })()
  return {
    ...{ seen },
    stop: async () => {
      going = false
      await loop
    },
  }
}

/** Notifies without a pause until told to stop, which gives what was acknowledged: 21 or more. */
function shout(client: Client) {
  let going = true
  const acknowledged: string[] = []
  const shoutAll = async () => {
    for (let n = 1; going || n <= 21; n++) {
      await client.query(`notify news, '${n}'`)
      acknowledged.push(String(n))
    }
  }
  const loop = later(shoutAll())
  return {
    stop: async () => {
      going = false
      await loop
      return acknowledged
    },
  }
}

describe('A switchover', () => {
  it('under load ends in no error at all, for writers, transactions, readers, idle and listening clients', async () => {
    const { house, front } = lab
    await house.ask('create table pairs (n int)')
    const idle = await connectAll(20, front.url())
    for (const client of idle) await client.query('select 1')
    const readers = await connectAll(4, front.url('reader'))
    const listener = await connect(front.url())
    await listener.query('listen news')
    const heard = new Set<string>()
    listener.on('notification', ({ payload }) => heard.add(payload ?? ''))
    const shouting = shout(await connect(front.url()))
    const writers = await startWriters(6, front.url())
    const pairs = (await connectAll(4, front.url())).map(transactions)
    await writers.progress(60)

    const promote = await promotion('node-2')
    const result = await switchOver({
      admin,
      waitMs: 30_000,
      // Not before everybody who writes has come to wait.
      promote: async (...args) => {
        await until(() => front.app.snapshot().clients.waiting > 5, 60_000)
        return promote(...args)
      },
    })
    expect(result).toMatchObject({ from: 'node-1', to: 'node-2', timeline: 2, stillLent: 0 })
    expect(result.heldMs).toBeGreaterThan(result.transactionsMs)
    expect(result.mostWaiting).toBeGreaterThan(5)

    await writers.progress(60)
    await writers.stop()
    for (const pair of pairs) await pair.stop()
    for (const client of readers) await client.query('select 1')
    const everybody = [...idle, ...readers, listener, ...writers.clients]
    expect([...writers.errors, ...pairs.flatMap((pair) => pair.seen.errors)]).toEqual([])
    expect(everybody.flatMap((client) => client.strays)).toEqual([])
    for (const client of [...idle, ...writers.clients]) {
      expect(await lab.nodeOf(client)).toBe('node-2')
    }
    const rows = await house.ask('select id from writes')
    expect(rows.map((row) => row.id).sort()).toEqual(writers.acknowledged.toSorted())
    const committed = pairs.reduce((sum, pair) => sum + pair.seen.committed, 0)
    expect(await house.ask('select count(*)::int as n from pairs')).toEqual([{ n: 2 * committed }])
    // Not one notification was lost on the way.
    const shouted = await shouting.stop()
    expect(shouted.length).toBeGreaterThan(20)
    await until(() => heard.has(shouted.at(-1)!), 10_000)
    expect(shouted.filter((text) => !heard.has(text))).toEqual([])
    await lab.allUp()
  })

  it('does nothing when a transaction does not end in time, and says who is in the way', async () => {
    const { front } = lab
    const slow = await connect(front.url())
    await slow.query('begin')
    const pinned = await connect(front.url())
    await pinned.query('create temp table scratch (n int)')
    let promoted = false
    const late = await connect(front.url())
    const attempt = later(
      switchOver({
        admin,
        waitMs: 200,
        promote: async () => {
          promoted = true
        },
      }),
    )
    let over = false
    attempt.catch(() => {
      over = true
    })
    await until(() => over || front.app.snapshot().pauses.length === 1, 10_000, { everyMs: 1 })
    const waits = later(late.query('select 1'))
    await expect(attempt).rejects.toMatchObject({
      code: 'WEIR_SWITCHOVER_BUSY',
      detail: expect.stringMatching(
        /still lent: 2 server connections[\s\S]*in a transaction or a request[\s\S]*pinned: temporary/,
      ),
    })
    expect(promoted).toBe(false)
    // Whoever waited, and whoever was in the way, goes on where it was.
    await waits
    expect((await slow.query('select 1')).rowCount).toBe(1)
    await slow.query('commit')
    expect(lab.node('node-2').role).toBe('writer')
  })

  it('forced goes on, and only those in the way see an error', async () => {
    const { front } = lab
    const idle = await connectAll(5, front.url())
    const pinned = await connect(front.url())
    await pinned.query('create temp table scratch (n int)')
    const result = await switchOver({
      admin,
      waitMs: 50,
      force: true,
      promote: await promotion('node-1'),
    })
    expect(result).toMatchObject({ from: 'node-2', to: 'node-1', stillLent: 1 })
    await until(() => pinned.strays.length > 0, 10_000)
    expect(pinned.strays[0]!.message).toContain('pinned to it (temporary)')
    for (const client of idle) expect(await lab.nodeOf(client)).toBe('node-1')
    expect(idle.flatMap((client) => client.strays)).toEqual([])
    await lab.allUp()
  })

  it('whose promotion fails lets everybody go on at the old writer', async () => {
    const { front } = lab
    const client = await connect(front.url())
    const failing = switchOver({
      admin,
      promote: async () => {
        throw new Error('the promoter has a day off')
      },
    })
    await expect(failing).rejects.toThrow('a day off')
    await client.query('select 1')
    expect(client.strays).toEqual([])
  })

  it('can be called off while it waits', async () => {
    const { front } = lab
    const slow = await connect(front.url())
    await slow.query('begin')
    const stop = new AbortController()
    const attempt = later(switchOver({ admin, stop: stop.signal, promote: async () => {} }))
    await until(() => front.app.snapshot().pauses.length === 1, 10_000)
    stop.abort()
    await expect(attempt).rejects.toMatchObject({ code: 'WEIR_SWITCHOVER_STOPPED' })
  })

  it('on the command line tells what happened, and leaves promoting to a command if asked to', async () => {
    const { house, front } = lab
    const client = await connect(front.url())
    await client.query('select 1')
    const said = await run('switchover', '--to', 'node-3', '--dir', house.cluster.directory)
    expect(said.exitCode).toBeUndefined()
    expect(said.out).toMatch(/^switched from node-1 to node-3\n {2}transactions ended within/)
    expect(said.err).toContain('node-3 is the writer; clients waited')
    expect(await lab.nodeOf(client)).toBe('node-3')
    await lab.allUp()

    const failed = await run('switchover', '--promote-command', 'echo "$WEIR_FROM"; exit 3')
    expect(failed.exitCode).toBe(1)
    expect(failed.err).toContain('the promote command ended with exit code 3')
    expect(await lab.nodeOf(client)).toBe('node-3')
    expect(client.strays).toEqual([])
  })
})

/** Such a command line for this front. */
function run(...args: string[]) {
  return weirSays(...args, '--admin', admin)
}
