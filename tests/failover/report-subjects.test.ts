/**
 * What `weir failover` compares, on a real lab: each subject serves writer and readers, follows a
 * promotion, and leaves no process behind. How fast each is, is for the instrument to say.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Reached, Subject, SubjectStart, Target } from '../../src/bench/failover/subject.ts'
import { connectDirect, directSubject } from '../../src/bench/failover/subjects/direct.ts'
import { pgbouncerSubject } from '../../src/bench/failover/subjects/pgbouncer.ts'
import { findProgram, missingPrograms } from '../../src/bench/failover/subjects/programs.ts'
import { watchRoles } from '../../src/bench/failover/subjects/role-watch.ts'
import { urlSubject } from '../../src/bench/failover/subjects/url.ts'
import { answers, urlOf } from '../../src/bench/failover/subjects/urls.ts'
import { weirSubject } from '../../src/bench/failover/subjects/weir.ts'
import { until } from '../../src/core/until.ts'
import { freePorts, type House, startHouse } from '../support/house.ts'

const WEIR = fileURLToPath(new URL('../../scripts/weir.js', import.meta.url))
const missing = missingPrograms(['pgbouncer', 'haproxy'])
const PORTS = [15_960, 15_999] as const
/** A subject's own: three doors, and one for each node's role. */
const ITS_PORTS = 8

let house: House

beforeAll(async () => {
  house = await startHouse({ nodes: 3, ports: PORTS })
  await house.ask('create table marks (n integer)')
})

const started: Subject[] = []

afterEach(async () => {
  for (const subject of started.splice(0)) await subject.stop()
})

afterAll(() => house?.end())

async function begin(name: string): Promise<SubjectStart> {
  const directory = join(house.directory, name)
  mkdirSync(directory, { recursive: true })
  return {
    nodes: house.cluster
      .nodes()
      .map((node) => ({ name: node.name, host: node.host, port: node.port })),
    login: house.cluster.login,
    ports: { first: await freePorts(ITS_PORTS, PORTS), count: ITS_PORTS },
    directory,
    clients: 20,
    nodeConnections: 60,
  }
}

/** One question on a connection of its own; rejects with what the subject said. */
async function ask(reached: Reached, target: Target, text: string): Promise<unknown> {
  const options = { applicationName: 'test', connectTimeoutMs: 2_000, queryTimeoutMs: 5_000 }
  const connected = async (): Promise<pg.Client> => {
    if (reached.connect !== undefined) return reached.connect(target, options)
    const connectionString = target === 'writer' ? reached.writerUrl : reached.readerUrl
    const client = new pg.Client({ connectionString, ...options, query_timeout: 5_000 })
    await client.connect()
    return client
  }
  const client = await connected()
  client.on('error', () => {})
  try {
    const { rows } = await client.query({ text, rowMode: 'array' })
    return rows[0]?.[0]
  } finally {
    await client.end()
  }
}

const WRITE = 'insert into marks values (1) returning 1'

/** Commands of the proxies that are children of this process. */
function proxies(): string[] {
  const rows = execFileSync('ps', ['-eo', 'ppid=,args='], { encoding: 'utf8' }).trim().split('\n')
  return rows
    .map((row) => row.trim())
    .filter((row) => row.startsWith(`${process.pid} `) && /haproxy|pgbouncer|weir\.js/.test(row))
}

async function followsAPromotion(subject: Subject, patienceMs: number): Promise<Reached> {
  started.push(subject)
  const reached = await subject.start(await begin(subject.name))
  if (subject.name !== 'direct') expect(proxies()).not.toEqual([])
  const port = (): Promise<unknown> => ask(reached, 'writer', 'select inet_server_port()')
  const before = house.cluster.writer()
  expect(await port()).toBe(before.port)
  await ask(reached, 'writer', WRITE)
  expect(await ask(reached, 'reader', 'select pg_is_in_recovery()')).toBe(true)

  const next = house.cluster.nodes().find((node) => node.name !== before.name)!
  await house.cluster.promote(next.name)
  await until(async () => (await port()) === next.port, patienceMs, { everyMs: 100 })
  await ask(reached, 'writer', WRITE)
  return reached
}

describe('The subjects of a comparison', () => {
  it('direct clients find the new writer in their list, and prefer standbys to read', async () => {
    const subject = directSubject()
    const reached = await followsAPromotion(subject, 20_000)
    // Its own session tells, not a URL that no driver of Node understands.
    const seen = new Set<unknown>()
    for (let i = 0; i < 12; i++) seen.add(await ask(reached, 'reader', 'select inet_server_port()'))
    expect(seen).not.toContain(house.cluster.writer().port)
    await subject.stop()
  })

  it('a direct client that finds no writer is refused with what each host said', async () => {
    const start = await begin('refused')
    const readers = start.nodes.filter((node) => node.name !== house.cluster.writer().name)
    const options = { applicationName: 'test', connectTimeoutMs: 2_000, queryTimeoutMs: 5_000 }
    await expect(connectDirect(readers, start.login, 'writer', options)).rejects.toMatchObject({
      code: '25006',
      message: `${readers.map(({ name }) => `${name}: session is read-only`).join('; ')}`,
    })
  })

  it('Weir runs as a process of its own, tells its milestones, and is gone after stop', async () => {
    const subject = weirSubject({ program: [process.execPath, WEIR] })
    const since = Date.now()
    await followsAPromotion(subject, 20_000)
    const timeline = await until(
      async () => {
        const told = (await subject.milestones?.(since)) ?? {}
        return told['first-reply'] === undefined ? undefined : told
      },
      10_000,
      { what: 'Weir to tell of its failover' },
    )
    expect(timeline.observed).toBeGreaterThanOrEqual(since)
    expect(timeline['first-reply']).toBeGreaterThanOrEqual(timeline.observed ?? 0)
    expect(await subject.milestones?.(Date.now() + 60_000)).toEqual({})
    expect(await subject.description()).toMatch(
      /^Weir \d+\.\d+\.\d+, a process of its own, pools of 30/,
    )
    await subject.stop()
    expect(proxies()).toEqual([])
  })

  it('any URL that answers is a subject', async () => {
    const url = house.cluster.url()
    const reached = await urlSubject('mine', url).start(await begin('mine'))
    expect(reached).toEqual({ writerUrl: url, readerUrl: url })
  })

  it('a former writer that comes back writable is no writer to HAProxy, as it is none to Patroni', async () => {
    const start = await begin('roles')
    const { cluster } = house
    const old = cluster.writer().name
    const next = start.nodes.find(({ name }) => name !== old)!.name
    const roles = await watchRoles(start.nodes, start.login, start.ports.first)
    const status = async (node: string, path: string): Promise<number> =>
      (await fetch(`http://127.0.0.1:${roles.port(node)}${path}`)).status
    try {
      expect(await status(old, '/primary')).toBe(200)
      expect(await status(old, '/replica')).toBe(503)
      expect(await status(next, '/primary')).toBe(503)
      expect(await status(next, '/replica')).toBe(200)

      await cluster.kill(old)
      expect(await status(old, '/primary')).toBe(503)
      await cluster.promote(next, { force: true, rejoin: false })
      await until(async () => (await status(next, '/primary')) === 200, 10_000)

      await cluster.start(old, { asItWas: true })
      const direct = house.cluster.nodes().find(({ name }) => name === old)!
      const url = urlOf(start.login, direct.port)
      // It can be written to, and yet it is not the writer.
      await until(() => answers(url, 'writer'), 10_000)
      expect(await status(old, '/primary')).toBe(503)
      expect(await status(next, '/primary')).toBe(200)
    } finally {
      await roles.close()
    }
    await cluster.rejoin(old)
  })
})

describe.skipIf(missing.length > 0)('PgBouncer behind HAProxy', () => {
  it('serves writer, readers and listeners, follows a promotion, and is gone after stop', async () => {
    expect(findProgram('haproxy')).toBeDefined()
    const subject = pgbouncerSubject()
    const since = Date.now()
    // Two failed checks and two good ones, three seconds each, then a pause of PgBouncer's.
    const reached = await followsAPromotion(subject, 60_000)
    expect(await ask(reached, 'reader', 'select pg_is_in_recovery()')).toBe(true)
    const timeline = (await subject.milestones?.(since)) ?? {}
    expect(timeline.observed).toBeGreaterThan(since)
    await subject.stop()
    expect(proxies()).toEqual([])
  })
})
