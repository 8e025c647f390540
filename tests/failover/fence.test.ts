/** An old writer that comes back writable on its old timeline: nobody is ever sent there. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CuttableLink } from '../../src/bench/failover/cuttable-link.ts'
import { type Log, silentLog } from '../../src/core/log.ts'
import { until } from '../../src/core/until.ts'
import { connect, connectAll, failure, one } from '../support/clients.ts'
import { type FailoverHouse, startFailoverHouse } from '../support/failover-house.ts'
import { startFront } from '../support/front.ts'
import { scrape, sumOf } from '../support/scrape.ts'

let lab: FailoverHouse
const errors: string[] = []
const log: Log = { ...silentLog, error: (_fields, text) => errors.push(text), child: () => log }

beforeAll(async () => {
  lab = await startFailoverHouse({
    admin: true,
    log,
    // Longer than any client waits for its login: who is refused with this reason was refused at once.
    pool: { borrowTimeout: '120s' },
    endpoints: [
      { name: 'writer', kind: 'writer' },
      { name: 'reader', kind: 'reader' },
      { name: 'any', kind: 'custom', type: 'ANY', noReader: 'wait' },
      { name: 'first', kind: 'instance', node: 'node-1' },
    ],
  })
})

afterAll(() => lab?.end())

describe('A former writer that starts again as it was', () => {
  it('is fenced, loudly', async () => {
    const { house, front } = lab
    const instance = await connect(front.url('first'))
    await house.cluster.kill('node-1')
    await until(() => lab.node('node-1').health === 'down', 10_000)
    // Somebody waits for that very node while it is away.
    const waiting = failure(instance.query('create table lost (n int)'))
    await house.cluster.promote('node-2', { force: true, rejoin: false })
    await until(() => lab.node('node-2').role === 'writer', 10_000)
    expect(lab.node('node-1').fenced).toBe(false)

    await house.cluster.start('node-1', { asItWas: true })
    await until(() => lab.node('node-1').fenced, 10_000)
    expect(lab.node('node-1')).toMatchObject({ role: 'unknown', health: 'down', timeline: 1 })
    const sentence =
      'node-1 is fenced: it takes writes on timeline 1 while node-2 is the writer on timeline 2'
    expect(lab.node('node-1').because).toBe(sentence)
    expect(errors).toContain(sentence)
    expect(
      sumOf(await scrape(front.adminPort), 'weir_fenced_writers_total', { node: 'node-1' }),
    ).toBe(1)
    // Waiting does not help: it would write what is lost.
    expect(await waiting).toMatchObject({ severity: 'ERROR', code: '08001' })
  })

  it('gets nobody of the endpoints that have another node', async () => {
    const { front } = lab
    const found = new Map<string, Set<string>>()
    for (const endpoint of ['writer', 'reader', 'any']) {
      const clients = await connectAll(8, front.url(endpoint))
      found.set(endpoint, new Set(await Promise.all(clients.map((c) => lab.nodeOf(c)))))
    }
    expect([...found.get('writer')!]).toEqual(['node-2'])
    expect(found.get('reader')).not.toContain('node-1')
    expect([...found.get('any')!].sort()).toEqual(['node-2', 'node-3'])
  })

  it('refuses the clients of its own endpoint at once, and says why', async () => {
    const { front } = lab
    const client = connect(front.url('first'), { application_name: 'newcomer' })
    // Waiting would end in the driver's own timeout, which has no code.
    const error = await failure(client.then((c) => c.query('select 1')))
    expect(error).toMatchObject({ code: '08001' })
    expect(error.message).toContain('endpoint first: node-1 is fenced: it takes writes')
  })

  it('has no server connection of ours but the control connection', async () => {
    const { house } = lab
    const { default: pg } = await import('pg')
    const direct = new pg.Client({ connectionString: house.cluster.url('node-1') })
    await direct.connect()
    const ours = `select count(*)::int from pg_stat_activity
      where backend_type = 'client backend' and pid <> pg_backend_pid()
        and application_name <> 'weir probe'`
    expect(await one(direct, ours)).toBe(0)
    await direct.end()
  })

  it('serves again as a reader once it was made one', async () => {
    const { house, front } = lab
    await house.cluster.rejoin('node-1')
    await lab.allUp()
    expect(lab.node('node-1')).toMatchObject({ role: 'reader', fenced: false, timeline: 2 })
    const client = await connect(front.url('first'))
    expect(await one(client, 'select pg_is_in_recovery()')).toBe(true)
  })
})

describe('A writer behind a cut link, when the link is whole again', () => {
  it('is fenced, and what clients had begun there is not carried out after all', async () => {
    const { house } = lab
    const links = house.cluster.nodes().map((n) => new CuttableLink(n))
    for (const link of links) await link.open()
    const front = await startFront(house, {
      config: { nodes: links.map(({ address }) => address) },
    })
    const node = (name: string) => front.app.snapshot().nodes.find((n) => n.name === name)!
    const old = await connect(house.cluster.url('node-2'))
    try {
      await until(() => front.app.snapshot().nodes.every((n) => n.health === 'up'), 10_000)
      const clients = await connectAll(3, front.url())
      const [open, running] = clients
      await open!.query('create table after_cut (who text)')
      await open!.query('begin')
      await open!.query("insert into after_cut values ('transaction')")
      // The transaction keeps its server connection: this opens another, which is idle then.
      await running!.query('select 1')

      const link = links.find((l) => l.node.name === 'node-2')!
      link.cut()
      const sent = failure(running!.query("insert into after_cut values ('sent')"))
      await until(() => node('node-2').health === 'down', 10_000)
      await house.cluster.promote('node-3', { force: true, rejoin: false })
      await until(() => node('node-3').role === 'writer', 10_000)
      // Nobody knows what becomes of what was on its way; the transaction can never be committed.
      expect(await sent).toMatchObject({ severity: 'ERROR', code: '08007' })
      expect(await failure(open!.query('commit'))).toMatchObject({ code: '40001' })
      await open!.query('rollback')
      for (const client of clients) await client.query("insert into after_cut values ('after')")

      link.restore()
      await until(() => node('node-2').fenced, 10_000)
      for (const client of clients) await client.query("insert into after_cut values ('after')")
      const there = await old.query('select distinct who from after_cut')
      expect(there.rows.map((r) => r.who)).not.toContain('after')
      expect(there.rows.map((r) => r.who)).not.toContain('transaction')
      expect(await one(open!, "select count(*)::int from after_cut where who = 'after'")).toBe(6)
      for (const client of clients) expect(client.strays).toEqual([])
    } finally {
      await front.end()
      for (const link of links) await link.close()
    }
  })
})
