/** A real Patroni pair behind Weir: a switchover in order and a killed leader, both under load. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type App, startApp } from '../../src/app.ts'
import { loadSettings } from '../../src/config/load.ts'
import { silentLog } from '../../src/core/log.ts'
import { until } from '../../src/core/until.ts'
import { connectAll, endClients, one } from '../support/clients.ts'
import { FRONT_PORTS } from '../support/front.ts'
import { freePorts } from '../support/house.ts'
import { type PatroniCluster, patroniPrograms, startPatroni } from '../support/patroni.ts'
import { startWriters } from '../support/writers.ts'

const { missing } = patroniPrograms()
if (missing.length > 0) console.log(`the Patroni pair is not tested without ${missing.join(', ')}`)

/** What a client may be told when its server goes away while it writes. */
const LOST = ['08007', '40001']

let patroni: PatroniCluster
let app: App
let url: (endpoint: 'writer' | 'reader') => string
let folder: string

describe.skipIf(missing.length > 0)('Weir that asks Patroni', () => {
  beforeAll(async () => {
    patroni = await startPatroni([15_960, 15_999])
    folder = await mkdtemp(join(tmpdir(), 'weir-patroni-front-'))
    const port = await freePorts(2, FRONT_PORTS)
    const { user, password, database } = patroni.login
    const file = join(folder, 'weir.yaml')
    const settings = {
      topology: {
        ...{ user, database },
        source: { kind: 'patroni', urls: patroni.urls, period: '200ms' },
      },
      endpoints: [
        { name: 'writer', kind: 'writer', port },
        { name: 'reader', kind: 'reader', port: port + 1 },
      ],
      auth: { secrets: [{ username: user, password }] },
      admin: { enabled: false },
      // No write may fail for having waited, however long Patroni needs.
      pool: { maxConnections: 10, borrowTimeout: '100s' },
    }
    await writeFile(file, JSON.stringify(settings), { mode: 0o600 })
    app = await startApp({
      settings: loadSettings({ file }).settings,
      ...{ log: silentLog, version: '0.0.0-test', graceMs: 500 },
    })
    url = (endpoint) =>
      `postgres://${user}:${password}@127.0.0.1:${port + (endpoint === 'writer' ? 0 : 1)}/${database}`
    await app.whenReady(20_000)
  })

  afterAll(async () => {
    endClients()
    await app?.stop()
    await patroni?.end()
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  })

  const node = (name: string) => app.snapshot().nodes.find((n) => n.name === name)
  const isWell = (writer: string, reader: string) => () =>
    node(writer)?.role === 'writer' &&
    node(reader)?.role === 'reader' &&
    node(reader)?.health === 'up'

  /** It was written down, from the promotion to the first answer a client got after it. */
  const isRecorded = (from: string, to: string): void => {
    const last = app.snapshot().failovers.at(-1)
    expect(last).toMatchObject({ from, to })
    const { promoted, observed, 'first-reply': replied } = last!.timeline
    expect(observed).toBeGreaterThanOrEqual(promoted!)
    expect(replied).toBeGreaterThanOrEqual(observed!)
  }

  /** Every acknowledged write is on `name`, and nothing is there twice. */
  const nothingLost = async (name: string, acknowledged: readonly number[]): Promise<void> => {
    const rows = await patroni.ask(name, 'select id from writes')
    const there = new Set(rows.map((row) => row.id))
    expect(acknowledged.filter((id) => !there.has(id))).toEqual([])
  }

  it('finds the members, and their roles by asking them', async () => {
    const leader = await patroni.leader()
    const follower = patroni.members.find((m) => m.name !== leader)!.name
    await until(isWell(leader, follower), 60_000, { what: 'both roles' })
    const { nodes, source } = app.snapshot()
    expect(nodes.map((n) => [n.name, n.port])).toEqual(patroni.members.map((m) => [m.name, m.port]))
    expect(source).toMatchObject({ kind: 'patroni', ok: true })
    expect(source.because).toMatch(/^http:\/\/127\.0\.0\.1:\d+ names 2 nodes$/)
  })

  it('a switchover by patronictl under load loses no write and no idle client', async () => {
    const from = await patroni.leader()
    const to = patroni.members.find((m) => m.name !== from)!.name
    const idle = await connectAll(10, url('writer'))
    for (const client of idle) await client.query('select 1')
    const writers = await startWriters(4, url('writer'))
    await writers.progress(50)

    await patroni.switchover(from, to)
    await until(isWell(to, from), 60_000, { what: 'the roles to be swapped' })
    await writers.progress(50)
    await writers.stop()

    for (const error of writers.errors) expect(LOST).toContain(error.code)
    expect(writers.errors.length).toBeLessThanOrEqual(writers.clients.length)
    await nothingLost(to, writers.acknowledged)
    for (const client of [...idle, ...writers.clients]) {
      expect(client.strays).toEqual([])
      expect(await one(client, 'select pg_is_in_recovery()')).toBe(false)
    }
    isRecorded(from, to)
  })

  it('a killed leader under load: writes go on with the member that Patroni promotes', async () => {
    const killed = await patroni.leader()
    const heir = patroni.members.find((m) => m.name !== killed)!.name
    const idle = await connectAll(10, url('writer'))
    for (const client of idle) await client.query('select 1')
    const readers = await connectAll(2, url('reader'))
    for (const client of readers) await client.query('select 1')
    const writers = await startWriters(4, url('writer'))
    await writers.progress(50)

    await patroni.kill(killed)
    await until(() => node(heir)?.role === 'writer', 60_000, { what: 'a new writer' })
    await writers.progress(50)
    await writers.stop()

    for (const error of writers.errors) expect(LOST).toContain(error.code)
    expect(writers.errors.length).toBeLessThanOrEqual(writers.clients.length)
    await nothingLost(heir, writers.acknowledged)
    for (const client of [...idle, ...writers.clients]) {
      expect(client.strays).toEqual([])
      expect(await one(client, 'select pg_is_in_recovery()')).toBe(false)
    }
    for (const client of readers) expect(await one(client, 'select 1')).toBe(1)
    isRecorded(killed, heir)

    await patroni.start(killed)
    await until(isWell(heir, killed), 60_000, { what: 'the killed member to follow' })
    expect(app.snapshot().source.ok).toBe(true)
  })
})
