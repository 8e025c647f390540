import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Cluster, openCluster, startCluster } from '../../../src/cluster/cluster.ts'
import { processInfo } from '../../../src/cluster/process-table.ts'
import { until } from '../../../src/core/until.ts'
import { endLab, rowsOf, testLab } from './fixture.ts'

describe('a lab of three nodes', () => {
  let lab: Cluster
  beforeAll(async () => {
    lab = await testLab()
    await rowsOf(lab.url(), 'create table seen (n int primary key)')
  })
  afterAll(() => endLab(lab))

  test('has one writer and two readers that stream from slots of their own', async () => {
    const status = await lab.status()
    expect(status.map((n) => [n.name, n.actualRole, n.streaming])).toEqual([
      ['node-1', 'writer', undefined],
      ['node-2', 'reader', true],
      ['node-3', 'reader', true],
    ])
    const slots = await rowsOf(
      lab.url(),
      'select slot_name, active from pg_replication_slots order by 1',
    )
    expect(slots).toEqual([
      { slot_name: 'node_2', active: true },
      { slot_name: 'node_3', active: true },
    ])
  })

  test('shows a row written on the writer on both readers', async () => {
    await rowsOf(lab.url(), 'insert into seen values (1)')
    for (const reader of lab.readers()) {
      await until(
        async () => (await rowsOf(lab.url(reader.name), 'select from seen where n = 1')).length,
        10_000,
      )
    }
  })

  test('refuses writes on a reader', async () => {
    await expect(rowsOf(lab.url('node-2'), 'insert into seen values (9)')).rejects.toMatchObject({
      code: '25006',
    })
  })

  test('refuses a wrong password over TCP and over the Unix socket', async () => {
    const { port, socketDirectory } = lab.writer()
    const wrong = `postgres://weir:wrong@127.0.0.1:${port}/app`
    await expect(rowsOf(wrong, 'select 1')).rejects.toMatchObject({ code: '28P01' })
    const socket = `postgres://weir:wrong@${encodeURIComponent(socketDirectory)}:${port}/app`
    await expect(rowsOf(socket, 'select 1')).rejects.toMatchObject({ code: '28P01' })
    const right = socket.replace('wrong', 'weir')
    expect(await rowsOf(right, 'select inet_server_port() as port')).toEqual([{ port: null }])
  })

  test('keeps what a reader missed while it was away', async () => {
    await lab.kill('node-3')
    await rowsOf(lab.url(), 'insert into seen values (2)')
    await lab.start('node-3')
    await until(
      async () => (await rowsOf(lab.url('node-3'), 'select from seen where n = 2')).length,
      10_000,
    )
  })

  test('a paused node holds its port and answers only after it was resumed', async () => {
    await lab.pause('node-2')
    expect(lab.node('node-2')).toMatchObject({ running: true, paused: true })
    const asked = rowsOf(lab.url('node-2'), 'select 1 as one').catch((error) => error)
    const first = await Promise.race([
      asked,
      until(async () => (await lab.status())[1]?.problem, 10_000),
    ])
    expect(first).toBe('paused')
    await lab.resume('node-2')
    expect(await asked).toEqual([{ one: 1 }])
  })

  test('kill leaves no process of the node', async () => {
    const pid = lab.node('node-2').pid ?? 0
    await lab.kill('node-2')
    expect(processInfo(pid)).toBeUndefined()
    expect(lab.node('node-2')).toMatchObject({ running: false, pid: undefined })
    await lab.start('node-2')
    expect(lab.node('node-2').running).toBe(true)
  })

  test('takes a new reader in and forgets a removed one', async () => {
    const added = await lab.addReader({ tier: 7 })
    expect(added).toMatchObject({ name: 'node-4', tier: 7, role: 'reader', running: true })
    await lab.removeReader('node-4')
    expect(lab.nodes().map((n) => n.name)).toEqual(['node-1', 'node-2', 'node-3'])
    const slots = await rowsOf(lab.url(), 'select slot_name from pg_replication_slots order by 1')
    expect(slots).toEqual([{ slot_name: 'node_2' }, { slot_name: 'node_3' }])
    await expect(lab.removeReader('node-1')).rejects.toMatchObject({ code: 'WEIR_CLUSTER_WRITER' })
  })

  test('refuses a second start in its directory and lets commands open it', async () => {
    await expect(startCluster({ directory: lab.directory })).rejects.toMatchObject({
      code: 'WEIR_CLUSTER_BUSY',
    })
    const opened = await openCluster(lab.directory)
    expect(opened.nodes()).toEqual(lab.nodes())
  })

  test('down leaves no process, and the next start finds the rows', async () => {
    const pids = lab.nodes().map((node) => node.pid ?? 0)
    await lab.down()
    expect(pids.map((pid) => processInfo(pid))).toEqual([undefined, undefined, undefined])
    lab = await startCluster({ directory: lab.directory, maxConnections: 50 })
    expect(await rowsOf(lab.url('node-2'), 'select count(*)::int as rows from seen')).toEqual([
      { rows: 2 },
    ])
    expect(await rowsOf(lab.url(), 'show max_connections')).toEqual([{ max_connections: '50' }])
  })
})
