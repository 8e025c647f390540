import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cluster } from '../../../src/cluster/cluster.ts'
import { nodeOf } from '../../../src/cluster/lab.ts'
import { follows } from '../../../src/cluster/rejoin.ts'
import { readState } from '../../../src/cluster/state-file.ts'
import { until } from '../../../src/core/until.ts'
import { endLab, rowsOf, testLab } from './fixture.ts'

const written = async (lab: Cluster, node?: string) =>
  (await rowsOf(lab.url(node), 'select n from log order by n')).map((row) => row.n)

describe('promotion', () => {
  let lab: Cluster
  beforeAll(async () => {
    lab = await testLab({ tiers: { 'node-3': 0 } })
    await rowsOf(lab.url(), 'create table log (n int primary key)')
  })
  afterAll(() => endLab(lab))

  test('moves the writer to the named node, and the old writer follows without a copy', async () => {
    await rowsOf(lab.url(), 'insert into log values (1)')
    const result = await lab.promote('node-2')
    expect(result).toMatchObject({
      writer: 'node-2',
      formerWriter: 'node-1',
      rejoined: 'followed',
    })
    await rowsOf(lab.url(), 'insert into log values (2)')
    const status = await lab.status()
    expect(status.map((n) => [n.actualRole, n.timeline])).toEqual([
      ['reader', 2],
      ['writer', 2],
      ['reader', 2],
    ])
    for (const name of ['node-1', 'node-3']) {
      await until(async () => (await written(lab, name)).length === 2, 10_000)
    }
  })

  test('after a kill the lowest tier takes over and the killed writer comes back', async () => {
    await rowsOf(lab.url(), 'insert into log values (3)')
    await until(async () => (await written(lab, 'node-3')).length === 3, 10_000)
    await lab.kill('node-2')
    const result = await lab.promote()
    expect(result).toMatchObject({ writer: 'node-3', rejoined: 'copied' })
    expect(await written(lab)).toEqual([1, 2, 3])
    await rowsOf(lab.url(), 'insert into log values (4)')
    await until(async () => (await written(lab, 'node-2')).length === 4, 10_000)
  })

  test('a writer left behind comes back as a reader when it is started', async () => {
    await lab.kill('node-3')
    const result = await lab.promote('node-1', { rejoin: false })
    expect(result.rejoined).toBeUndefined()
    expect(lab.node('node-3').running).toBe(false)
    await lab.start('node-3')
    expect((await lab.status()).map((n) => n.actualRole)).toEqual(['writer', 'reader', 'reader'])
  })

  test('does not wait for a reader that has more than the new writer', async () => {
    // node-3 stops receiving; node-2 does not.
    const [row] = await rowsOf(
      lab.url('node-3'),
      "select setting || '/weir.conf' as file from pg_settings where name = 'data_directory'",
    )
    const file = String(row!.file)
    writeFileSync(file, readFileSync(file, 'utf8').replace(/port=\d+/, 'port=1'))
    await rowsOf(lab.url('node-3'), 'select pg_reload_conf()')
    const receivers = () => rowsOf(lab.url('node-3'), 'select from pg_stat_wal_receiver')
    await until(async () => (await receivers()).length === 0, 10_000)
    await rowsOf(lab.url(), 'insert into log values (5)')
    await until(async () => (await written(lab, 'node-2')).includes(5), 10_000)
    await lab.pause('node-2')
    await lab.promote('node-3', { force: true, rejoin: false })
    await lab.resume('node-2')
    // It would try for an hour: that this ends at all says that it was seen that it never can.
    const state = readState(lab.directory)!
    expect(await follows(state, nodeOf(state, 'node-2'), 3_600_000)).toBe(false)
    expect(await written(lab, 'node-2')).toContain(5)
    await lab.rejoin('node-2')
    expect(await written(lab, 'node-2')).not.toContain(5)
    await lab.rejoin('node-1')
    await lab.promote('node-1')
  })

  test('forced, it leaves two writers, and rejoin makes one of them a reader', async () => {
    await lab.promote('node-2', { force: true })
    expect((await lab.status()).map((n) => n.actualRole)).toEqual(['writer', 'writer', 'reader'])
    await rowsOf(lab.url('node-1'), 'insert into log values (666)')
    await rowsOf(lab.url('node-2'), 'insert into log values (5)')
    await lab.rejoin('node-1')
    expect(await written(lab, 'node-1')).toEqual([1, 2, 3, 4, 5])
    expect((await lab.status()).map((n) => n.actualRole)).toEqual(['reader', 'writer', 'reader'])
  })

  test('refuses the writer itself and a node that does not run, and the writer goes on', async () => {
    await lab.kill('node-1')
    for (const name of ['node-2', 'node-1']) {
      await expect(lab.promote(name)).rejects.toMatchObject({ code: 'WEIR_CLUSTER_PROMOTE' })
    }
    await rowsOf(lab.url('node-2'), 'insert into log values (6)')
    await lab.start('node-1')
  })
})

describe('a synchronous lab', () => {
  let lab: Cluster
  beforeAll(async () => {
    lab = await testLab({ synchronous: true, tiers: { 'node-3': 0 } })
    await rowsOf(lab.url(), 'create table log (n int primary key)')
  })
  afterAll(() => endLab(lab))

  test('acknowledges a write only when a reader has it', async () => {
    await lab.pause('node-2')
    await lab.pause('node-3')
    let acknowledged = false
    const write = rowsOf(lab.url(), 'insert into log values (1)').then(() => {
      acknowledged = true
    })
    await until(
      async () =>
        (
          await rowsOf(
            lab.url(),
            "select from pg_stat_activity where wait_event = 'SyncRep' and query like 'insert%'",
          )
        ).length,
      10_000,
    )
    expect(acknowledged).toBe(false)
    await lab.resume('node-2')
    await write
    await lab.resume('node-3')
  })

  test('loses no acknowledged write when the preferred reader missed it', async () => {
    await until(async () => (await written(lab, 'node-3')).length === 1, 10_000)
    await lab.stop('node-3')
    await rowsOf(lab.url(), 'insert into log values (2)')
    await lab.kill('node-1')
    await lab.start('node-3')
    expect(await written(lab, 'node-3')).toEqual([1])
    const result = await lab.promote()
    expect(result.writer).toBe('node-3')
    expect(await written(lab, 'node-3')).toEqual([1, 2])
  })

  test('refuses to promote while a reader that may hold more is away', async () => {
    await lab.kill('node-2')
    await lab.kill('node-3')
    await expect(lab.promote()).rejects.toThrow('node-2 may hold acknowledged writes')
  })
})
