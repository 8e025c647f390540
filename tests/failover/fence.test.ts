/** An old writer that comes back writable on its old timeline: nobody is ever sent there. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Log, silentLog } from '../../src/core/log.ts'
import { until } from '../../src/core/until.ts'
import { connect, connectAll, failure, one } from '../support/clients.ts'
import { type FailoverHouse, startFailoverHouse } from '../support/failover-house.ts'
import { scrape, sumOf } from '../support/scrape.ts'

let lab: FailoverHouse
const errors: string[] = []
const log: Log = { ...silentLog, error: (_fields, text) => errors.push(text), child: () => log }

beforeAll(async () => {
  lab = await startFailoverHouse({
    admin: true,
    log,
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
    const began = performance.now()
    const client = connect(front.url('first'), { application_name: 'newcomer' })
    const error = await failure(client.then((c) => c.query('select 1')))
    expect(error).toMatchObject({ code: '08001' })
    expect(error.message).toContain('endpoint first: node-1 is fenced: it takes writes')
    expect(performance.now() - began).toBeLessThan(5_000)
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
