/** What clients see while there is no writer: they wait within bounds, are told why, and go on in order. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { AdminClient } from '../../src/cli/admin-client.ts'
import { until } from '../../src/core/until.ts'
import { query } from '../../src/wire/postgres/frontend.ts'
import { connect, connectAll, endClients, failure, later, one } from '../support/clients.ts'
import { weirSays } from '../support/command-line.ts'
import { type FailoverHouse, startFailoverHouse } from '../support/failover-house.ts'
import { RawClient } from '../support/raw-client.ts'

const WAITING = 40
const NOTICE_MS = 400

let lab: FailoverHouse
let admin: string
let weir: AdminClient

beforeAll(async () => {
  lab = await startFailoverHouse({
    admin: true,
    pool: { maxConnections: 8, openingsAtOnce: 2, waitNotice: `${NOTICE_MS}ms` },
    config: { limits: { maxWaitingClients: WAITING, heldBytes: '1MiB' } },
  })
  admin = `http://127.0.0.1:${lab.front.adminPort}`
  weir = new AdminClient(admin)
  await lab.house.ask('create table served (at bigserial, client int)')
})

afterEach(async () => {
  endClients()
  await weir.resume({})
  await until(() => lab.front.app.snapshot().clients.total === 0, 10_000)
})

afterAll(() => lab?.end())

const waiting = (): number => lab.front.app.snapshot().clients.waiting

describe('While there is no writer', () => {
  it('so many clients wait, the next is refused, reads go on, and the waiters are served in order', async () => {
    const { house, front } = lab
    const clients = await connectAll(WAITING, front.url())
    const late = await connect(front.url())
    const reader = await connect(front.url('reader'))
    const told: string[] = []
    clients[0]!.on('notice', (notice) => told.push(`${notice.severity} ${notice.code}`))
    await reader.query('select 1')
    const logins = await loginsOf('node-2')

    await house.cluster.kill('node-1')
    await until(() => lab.node('node-1').health === 'down', 10_000)
    const writes = []
    for (const [i, client] of clients.entries()) {
      writes.push(later(client.query(`insert into served (client) values (${i})`)))
      await until(() => waiting() === i + 1, 10_000, { everyMs: 1 })
    }
    const refused = await failure(late.query('select 1'))
    expect(refused).toMatchObject({ severity: 'ERROR', code: '53300' })
    expect(refused.message).toMatch(/^40 clients wait for a server connection already .*writer/)
    expect(await one(reader, 'select 1')).toBe(1)
    await until(() => told.length >= 2, 10_000)
    expect(told[0]).toBe('NOTICE 01000')

    await house.cluster.promote('node-2', { rejoin: false })
    await Promise.all(writes)
    await late.query('select 1')
    expect(waiting()).toBe(0)
    // A burst of waiters is no burst of logins: as many as the pool may have, two at a time.
    expect((await loginsOf('node-2')) - logins).toBeLessThanOrEqual(8)
    const rows = await house.ask('select client from served order by at')
    const order = rows.map((row) => Number(row.client))
    expect(order.toSorted((a, b) => a - b)).toEqual(clients.map((_, i) => i))
    // Eight connections work side by side: when one is served, no more than the seven others may
    // still be at work for somebody who came before it.
    for (const [at, client] of order.entries()) {
      const overtaken = order.slice(at + 1).filter((other) => other < client)
      expect(overtaken.length, `overtaken by ${client}`).toBeLessThanOrEqual(7)
    }
    expect(clients.flatMap((client) => client.strays)).toEqual([])
    await house.cluster.rejoin('node-1')
    await lab.allUp()
  })
})

/** Server connections ever opened to a node, as the metrics count them. */
async function loginsOf(node: string): Promise<number> {
  const text = await (await fetch(`${admin}/metrics`)).text()
  const name = `weir_database_connections_setup_succeeded_total{node="${node}"}`
  const line = text.split('\n').find((l) => l.startsWith(name))
  return Number(line?.split(' ').at(-1) ?? 0)
}

describe('A pause', () => {
  it('of everything holds whoever has nothing lent, and lets transactions end', async () => {
    const { front } = lab
    const [busy, idle, reader] = [
      await connect(front.url()),
      await connect(front.url()),
      await connect(front.url('reader')),
    ]
    await busy.query('begin')
    const paused = await weir.pause({ forMs: 100_000, waitMs: 0 })
    expect(paused).toMatchObject({ what: 'everything', lent: 1, node: null, endpoint: null })
    expect(paused.inTheWay).toEqual([
      expect.objectContaining({ endpoint: 'writer', user: 'weir', database: 'app', pins: [] }),
    ])
    const held = [later(idle.query('select 1')), later(reader.query('select 1'))]
    await until(() => waiting() === 2, 10_000)
    await busy.query('select 1')
    const ended = later(weir.pause({ forMs: 100_000, waitMs: 60_000 }))
    await busy.query('commit')
    expect(await ended).toMatchObject({ lent: 0, waiting: 2, inTheWay: [] })
    expect(waiting()).toBe(2)
    const { pauses } = front.app.snapshot()
    expect(pauses).toMatchObject([{ what: 'everything', lent: 0, waiting: 2 }])
    expect((await weir.resume({})).ended).toMatchObject([{ what: 'everything', mostWaiting: 2 }])
    await Promise.all(held)
    expect(front.app.snapshot().pauses).toEqual([])
  })

  it('of an endpoint holds its clients alone, of a node whoever would go there', async () => {
    const { front } = lab
    const writer = lab.front.app.snapshot().nodes.find((n) => n.role === 'writer')!.name
    const [w, r] = [await connect(front.url()), await connect(front.url('reader'))]
    await weir.pause({ endpoint: 'reader' })
    const held = later(r.query('select 1'))
    await w.query('select 1')
    await until(() => waiting() === 1, 10_000)
    await weir.resume({ endpoint: 'reader' })
    await held
    await weir.pause({ node: writer })
    await r.query('select 1')
    const write = later(w.query('select 1'))
    await until(() => waiting() === 1, 10_000)
    // The end of another pause does not end this one.
    expect((await weir.resume({ endpoint: 'writer' })).ended).toEqual([])
    expect(waiting()).toBe(1)
    await weir.resume({ node: writer })
    await write
  })

  it('holds of what clients send on no more than was allowed, and loses nothing of it', async () => {
    const { front, house } = lab
    const { user, password, database } = house.cluster.login
    const port = front.port('writer')
    const open = () => RawClient.open({ port, user, password, database })
    const clients = await Promise.all(Array.from({ length: 30 }, open))
    await weir.pause({ forMs: 100_000 })
    const text = `select 1 /* ${'x'.repeat(8_000)} */`
    const pipeline = Buffer.concat(Array.from({ length: 50 }, () => query(text)))
    for (const client of clients) {
      client.messages.length = 0
      client.write(pipeline)
    }
    const held = (): number => front.app.snapshot().clients.heldBytes
    await until(() => waiting() === 30 && held() > 1_048_576, 10_000)
    // One read of each may go beyond; they offer twelve million bytes.
    const bound = 1_048_576 + 30 * 65_536
    await expect(until(() => held() > bound, 500)).rejects.toThrow('gave up')
    await weir.resume({})
    const answers = (client: RawClient) => client.messages.filter((m) => m.letter === 'Z').length
    await until(() => clients.every((client) => answers(client) === 50), 10_000)
    expect(held()).toBe(0)
    for (const client of clients) client.destroy()
  })

  it('ends by itself, and says so', async () => {
    const { front } = lab
    const client = await connect(front.url())
    await weir.pause({ forMs: 300 })
    await client.query('select 1')
    const { events, pauses } = front.app.snapshot()
    expect(pauses).toEqual([])
    expect(events.at(-1)!.text).toMatch(/^everything goes on after [\d.]+ s: .*ended by itself/)
  })

  it('of what is not there is refused with what there is', async () => {
    await expect(weir.pause({ node: 'node-9' })).rejects.toMatchObject({
      message: 'there is no node node-9; there are node-1, node-2, node-3',
    })
    await expect(weir.pause({ endpoint: 'riter' })).rejects.toMatchObject({
      message: 'there is no endpoint riter; there are writer, reader',
    })
  })

  it('on the command line says who is in the way, with an exit code for scripts', async () => {
    const { front } = lab
    const pinned = await connect(front.url())
    await pinned.query('create temp table scratch (n int)')
    const busy = await run('pause', '--endpoint', 'writer', '--for', '20s', '--wait', '100ms')
    expect(busy.exitCode).toBe(1)
    expect(busy.out).toMatch(/^endpoint writer is paused; the pause ends by itself in \d+/)
    expect(busy.out).toMatch(
      /still lent: 1 server connection\n.*endpoint writer.*pinned: temporary/,
    )
    await pinned.end()
    const done = await run('pause', '--endpoint', 'writer', '--wait', '--json')
    expect(done.exitCode).toBeUndefined()
    expect(JSON.parse(done.out)).toMatchObject({ what: 'endpoint writer', lent: 0 })
    const resumed = await run('resume')
    expect(resumed.out).toBe('endpoint writer goes on; 0 sessions waited at the most\n')
    expect((await run('resume')).out).toBe('nothing was paused\n')
    expect((await run('pause', '--for', '5s', '--wait', '5s')).err).toContain('--for more time')
  })
})

/** Such a command line for this front. */
function run(...args: string[]) {
  return weirSays(...args, '--admin', admin)
}
