import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Cluster, startCluster } from '../../src/cluster/cluster.ts'
import { systemClock } from '../../src/core/clock.ts'
import { silentLog } from '../../src/core/log.ts'
import { until } from '../../src/core/until.ts'
import { PostgresProbe } from '../../src/protocol/postgres/probe.ts'
import { defaultMonitorSettings, Monitor } from '../../src/topology/monitor.ts'
import { defaultObserveRules } from '../../src/topology/observe.ts'
import type { Probe } from '../../src/topology/probe.ts'
import { TopologyStore } from '../../src/topology/store.ts'
import type { NodeSpec, NodeState } from '../../src/topology/topology.ts'

const BASE_PORT = 15601
/** Set to the programs of another version to run the same tests against it. */
const POSTGRES_BIN = process.env.WEIR_POSTGRES_BIN

let directory: string
let cluster: Cluster
let store: TopologyStore
let monitor: Monitor
let sentences: string[]

const specs = (): NodeSpec[] =>
  cluster.nodes().map(({ name, host, port, socketDirectory }) => {
    return { name, host, port, socketDirectory, weight: 1 }
  })

const node = (name: string): NodeState => {
  const found = store.current.nodes.find((n) => n.spec.name === name)
  if (found === undefined) throw new Error(`no node ${name} in the topology`)
  return found
}

const probeAs = (user: string, password: string): Probe =>
  new PostgresProbe({
    user,
    password: () => password,
    database: cluster.login.database,
    clock: systemClock,
  })

/** So rarely that what is seen in time was seen because of a sign: a lost connection or a hint. */
const RARELY = { ...defaultMonitorSettings, periodMs: 600_000 }
/** No node is slow for these, however busy the machine is. */
const PATIENTLY = { ...defaultMonitorSettings, timeoutMs: 30_000, slowMs: 20_000 }

const watch = (probe: Probe, settings = defaultMonitorSettings): void => {
  store = new TopologyStore(silentLog)
  sentences = []
  store.subscribe((_now, _before, said) => sentences.push(...said))
  monitor = new Monitor({
    probe,
    store,
    clock: systemClock,
    log: silentLog,
    rules: defaultObserveRules,
    settings,
  })
  monitor.watch(specs())
}

const allUp = () =>
  until(() => store.current.nodes.every((n) => n.health === 'up' && n.lagMs === 0), 10_000, {
    what: 'all nodes up and current',
  })

/** Begins anew, asking only when there is a sign; all nodes are up and current then. */
const watchRarely = async (): Promise<void> => {
  await monitor.stop()
  watch(probeAs(cluster.login.user, cluster.login.password), RARELY)
  await until(
    async () => {
      // Twice, so that nothing is left to do of the first look at them.
      await monitor.probeNow()
      await monitor.probeNow()
      return store.current.nodes.every((n) => n.health === 'up' && n.lagMs === 0)
    },
    10_000,
    { what: 'all nodes up and current' },
  )
}

const comes = (seen: () => boolean) => until(seen, 10_000, { what: sentences.join(' | ') })

const sql = async (name: string, text: string): Promise<void> => {
  const client = new Client({ connectionString: cluster.url(name) })
  client.on('error', () => {})
  await client.connect()
  await client.query(text)
  await client.end()
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'weir-topology-'))
  cluster = await startCluster({
    directory,
    nodes: 3,
    basePort: BASE_PORT,
    fsync: false,
    ...(POSTGRES_BIN === undefined ? {} : { postgresBin: POSTGRES_BIN }),
  })
  await sql('node-1', `create role plain login password 'plain'`)
})

afterAll(async () => {
  await cluster?.destroy()
  rmSync(directory, { recursive: true, force: true })
})

describe('the topology of a real cluster', () => {
  beforeEach(async () => {
    watch(probeAs(cluster.login.user, cluster.login.password))
    await allUp()
  })

  afterEach(() => monitor.stop())

  it('knows role, timeline, position, limit and version of every node', async () => {
    await monitor.probeNow()
    expect(store.current.nodes.map((n) => n.role)).toEqual(['writer', 'reader', 'reader'])
    for (const n of store.current.nodes) {
      expect(n).toMatchObject({ timeline: 1, health: 'up', connectionLimit: 97 })
      expect(n.versionNum).toBeGreaterThanOrEqual(130_000)
      expect(n.lsn).toBeGreaterThan(0n)
      expect(n.responseMs).toBeGreaterThan(0)
    }
  })

  it('keeps an idle cluster at lag 0 and sees a reader that stopped replaying fall behind', async () => {
    // The writer was asked at the first of these, and node-2 had all at the second.
    let asked = 0
    await until(
      async () => {
        asked = performance.now()
        await monitor.probeNow()
        await monitor.probeNow()
        return node('node-2').lagMs === 0
      },
      10_000,
      { what: 'node-2 to be current' },
    )
    await sql('node-2', 'select pg_wal_replay_pause()')
    await sql('node-1', 'create table if not exists t (a int); insert into t values (1)')
    await monitor.probeNow()
    await until(() => (node('node-2').lagMs ?? 0) > 1_500, 10_000, { what: 'lag of node-2' })
    // It lacks nothing that is older; two positions within 200 ms are one for the trail.
    expect(node('node-2').lagMs).toBeLessThanOrEqual(performance.now() - asked + 201)
    expect(node('node-3').lagMs).toBe(0)
    await sql('node-2', 'select pg_wal_replay_resume()')
    await until(() => node('node-2').lagMs === 0, 10_000, { what: 'node-2 to catch up' })
  })

  it('is in calm at one epoch', async () => {
    await monitor.stop()
    watch(probeAs(cluster.login.user, cluster.login.password), PATIENTLY)
    await allUp()
    const { epoch } = store.current
    await monitor.probeNow()
    await monitor.probeNow()
    expect(store.current.epoch).toBe(epoch)
  })

  it('sees a killed reader by its lost connection', async () => {
    await watchRarely()
    await cluster.kill('node-3')
    await comes(() => node('node-3').health === 'down')
    await cluster.start('node-3')
  })

  it('sees a killed reader, and serves from it again after two good probes', async () => {
    await cluster.kill('node-3')
    await comes(() => node('node-3').health === 'down')
    expect(node('node-3').because).toMatch(/^node-3 is down: connection refused .*2 probes failed/)
    await cluster.start('node-3')
    await until(() => node('node-3').health === 'up', 10_000, { what: sentences.join(' | ') })
    expect(node('node-3').role).toBe('reader')
  })

  it('sees a frozen reader without any traffic: suspect first, then down', async () => {
    await cluster.pause('node-2')
    await comes(() => node('node-2').health === 'down')
    const told = sentences.filter((text) => text.startsWith('node-2 is ')).slice(-2)
    expect(told[0]).toMatch(/^node-2 is suspect: no answer/)
    expect(node('node-2').because).toMatch(/^node-2 is down: no answer in \d+ ms/)
    await cluster.resume('node-2')
    await until(() => node('node-2').health === 'up', 10_000, { what: sentences.join(' | ') })
  })

  it('sees a frozen writer when the data plane hints at it', async () => {
    await watchRarely()
    await cluster.pause('node-1')
    monitor.hint({ node: 'node-1', kind: 'timeout', sign: 'ETIMEDOUT' })
    await comes(() => node('node-1').health === 'down')
    expect(node('node-1').role).toBe('writer')
    await cluster.resume('node-1')
    await until(() => node('node-1').health === 'up', 10_000)
    expect(node('node-1').role).toBe('writer')
  })
})

describe('a probe of a real node', () => {
  const { signal } = new AbortController()
  let probe: Probe
  beforeEach(() => {
    probe = probeAs(cluster.login.user, cluster.login.password)
  })
  afterEach(() => probe.close())

  const overTcp = (name: string): NodeSpec => {
    const { host, port } = cluster.node(name)
    return { name, host, port, weight: 1 }
  }
  const kept = async (): Promise<number> => {
    const client = new Client({ connectionString: cluster.url() })
    await client.connect()
    const { rows } = await client.query(
      `select count(*)::int as n from pg_stat_activity where application_name = 'weir probe'`,
    )
    await client.end()
    return rows[0].n
  }

  it('works over TCP and over the Unix socket, on one kept connection', async () => {
    for (const target of [overTcp('node-1'), specs()[0]!]) {
      probe.forget('node-1')
      for (let i = 0; i < 5; i++) {
        expect(await probe.probe(target, signal)).toMatchObject({ ok: true, inRecovery: false })
      }
    }
    await until(async () => (await kept()) === 1, 10_000, { what: 'one kept connection' })
    await probe.close()
    await until(async () => (await kept()) === 0, 10_000, { what: 'no kept connection' })
  })

  it('tells at once when its idle connection is cut, and opens another at the next question', async () => {
    const lost: string[] = []
    probe.onLost((name, why) => lost.push(`${name} ${why}`))
    await probe.probe(overTcp('node-1'), signal)
    const ours = `application_name = 'weir probe'`
    await sql('node-1', `select pg_terminate_backend(pid) from pg_stat_activity where ${ours}`)
    await until(() => lost.length > 0, 10_000)
    expect(lost).toEqual(['node-1 57P01'])
    expect(await probe.probe(overTcp('node-1'), signal)).toMatchObject({ ok: true })
  })

  it('does not call a node well whose answer and end arrive together', async () => {
    const lost: string[] = []
    probe.onLost((name, why) => lost.push(`${name} ${why}`))
    const target = overTcp('node-3')
    await probe.probe(target, signal)
    const running = probe.probe(target, signal)
    await cluster.kill('node-3')
    const result = await running
    await until(() => !result.ok || lost.length > 0, 10_000, { what: 'a sign of the end' })
    await cluster.start('node-3')
    await until(async () => (await probe.probe(target, signal)).ok, 10_000)
  })

  it('says refused where nobody listens, on TCP and where the socket file is missing', async () => {
    const nobody: NodeSpec = { name: 'nobody', host: '127.0.0.1', port: 15_699, weight: 1 }
    const refused = { ok: false, kind: 'refused' }
    expect(await probe.probe(nobody, signal)).toMatchObject(refused)
    const { socketDirectory } = cluster.node('node-1')
    expect(await probe.probe({ ...nobody, socketDirectory }, signal)).toMatchObject(refused)
  })

  it('drops its work at once when called off, connecting or asking, and can begin anew', async () => {
    const target = overTcp('node-3')
    await probe.probe(target, signal)
    await cluster.pause('node-3')
    for (const phase of ['asking', 'connecting']) {
      const abort = new AbortController()
      const running = probe.probe(target, abort.signal)
      setTimeout(() => abort.abort(), 100)
      // The node is frozen: it ends because it is called off, or never.
      expect(await running, phase).toMatchObject({ ok: false })
    }
    await cluster.resume('node-3')
    expect(await probe.probe(target, signal)).toMatchObject({ ok: true, inRecovery: true })
  })

  it('calls a node busy that has no connection left', async () => {
    const clients: Client[] = []
    try {
      for (;;) {
        const client = new Client({
          connectionString: cluster.url(),
          user: 'plain',
          password: 'plain',
        })
        client.on('error', () => {})
        const open = await client.connect().then(
          () => true,
          () => false,
        )
        if (!open) break
        clients.push(client)
      }
      const plain = probeAs('plain', 'plain')
      const result = await plain.probe(overTcp('node-1'), signal)
      expect(result).toMatchObject({ ok: false, kind: 'busy' })
      await plain.close()
    } finally {
      await Promise.all(clients.map((client) => client.end()))
    }
  })
})

describe('a probe as a role without privileges', () => {
  it('still gets role, position, limit and version', async () => {
    watch(probeAs('plain', 'plain'))
    await allUp()
    for (const n of store.current.nodes) {
      expect(n.lsn).toBeGreaterThan(0n)
      expect(n.connectionLimit).toBe(97)
      expect(n.lagMs).toBe(0)
      expect(n.timeline).toBe(1)
    }
    await monitor.stop()
  })

  it('asks less when it may not look at the control file', async () => {
    const revoke = 'revoke execute on function pg_control_checkpoint() from public'
    await sql('node-1', revoke)
    watch(probeAs('plain', 'plain'))
    await allUp()
    expect(store.current.nodes.map((n) => n.role)).toEqual(['writer', 'reader', 'reader'])
    await monitor.stop()
    await sql('node-1', 'grant execute on function pg_control_checkpoint() to public')
  })

  it('says what is wrong when the password is', async () => {
    watch(probeAs('plain', 'wrong'))
    await until(() => node('node-1').health === 'suspect', 10_000)
    expect(node('node-1').because).toMatch(/28P01/)
    await monitor.stop()
  })

  it('takes no node down because our password was changed there', async () => {
    watch(probeAs('plain', 'plain'), PATIENTLY)
    await allUp()
    await sql('node-1', "alter role plain password 'another'")
    const kick =
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'weir probe'"
    for (const { name } of specs()) await sql(name, kick)
    await until(() => node('node-1').because.includes('28P01'), 10_000)
    for (let i = 0; i < 20; i++) await monitor.probeNow()
    expect(store.current.nodes.map((n) => `${n.role}/${n.health}`)).toEqual([
      'writer/suspect',
      'reader/suspect',
      'reader/suspect',
    ])
    await sql('node-1', "alter role plain password 'plain'")
    await allUp()
    await monitor.stop()
  })
})

// Last, because it leaves the cluster with two writers.
describe('a promotion', () => {
  it('moves the role to the promoted node and fences the old writer that still takes writes', async () => {
    await watchRarely()
    await sql('node-2', 'select pg_promote(true)')
    monitor.hint({ node: 'node-1', kind: 'read-only', sign: '25006' })
    await comes(() => node('node-2').role === 'writer')
    expect(node('node-2')).toMatchObject({ timeline: 2, health: 'up' })
    await until(() => node('node-1').fenced, 10_000)
    expect(node('node-1')).toMatchObject({ role: 'unknown', health: 'down' })
    expect(node('node-1').because).toMatch(/node-1 is fenced.*node-2 is the writer on timeline 2/)
    await monitor.stop()
  })

  it('is understood by a proxy that starts after it, whoever answers first', async () => {
    const probe = probeAs(cluster.login.user, cluster.login.password)
    watch(probe)
    const writers = new Set<string>()
    store.subscribe((now) => {
      for (const n of now.nodes) if (n.role === 'writer') writers.add(n.spec.name)
    })
    await until(() => node('node-1').health === 'down', 10_000)
    expect([...writers]).toEqual(['node-2'])
    await monitor.stop()
  })

  it('of which the new writer dies leaves no writer: the old one stays fenced', async () => {
    watch(probeAs(cluster.login.user, cluster.login.password))
    await until(() => node('node-2').role === 'writer', 10_000)
    await cluster.kill('node-2')
    await comes(() => node('node-2').health === 'down')
    await monitor.probeNow()
    expect(node('node-1')).toMatchObject({ role: 'unknown', health: 'down' })
    await monitor.stop()
  })
})
