import { spawn } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { type Cluster, startCluster } from '../../../src/cluster/cluster.ts'
import { processInfo } from '../../../src/cluster/process-table.ts'
import { readState, writeState } from '../../../src/cluster/state-file.ts'
import { until } from '../../../src/core/until.ts'
import { endLab, freePorts, rowsOf, testDirectory, testLab } from './fixture.ts'

let labs: Cluster[] = []
const started = async (work: Promise<Cluster>) => {
  const lab = await work
  labs = [...labs.filter((other) => other.directory !== lab.directory), lab]
  return lab
}

/** Makes a lab look as if the process that started it had died: its lock names a dead process. */
async function orphan(lab: Cluster): Promise<void> {
  const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' })
  await new Promise((resolve) => child.once('exit', resolve))
  const file = join(lab.directory, 'owner.lock')
  const holder = JSON.parse(readFileSync(file, 'utf8'))
  writeFileSync(file, JSON.stringify({ ...holder, pid: child.pid }))
}

const dataOf = (lab: Cluster, name: string) => join(lab.logFile(name), '..', 'data')

describe('after a crash', () => {
  afterEach(async () => {
    for (const lab of labs) await endLab(lab)
    labs = []
  })

  test('the next start adopts the nodes that still run and starts those that do not', async () => {
    const lab = await started(testLab())
    await orphan(lab)
    await lab.kill('node-2')
    await lab.pause('node-3')
    const pids = lab.nodes().map((node) => node.pid)
    const next = await started(startCluster({ directory: lab.directory }))
    const now = next.nodes()
    expect(now.map((node) => node.running && !node.paused)).toEqual([true, true, true])
    expect([now[0]?.pid, now[2]?.pid]).toEqual([pids[0], pids[2]])
    expect((await next.status()).map((node) => node.streaming)).toEqual([undefined, true, true])
  })

  test('nodes that run on other ports than wanted move, even onto ports of each other', async () => {
    const lab = await started(testLab({ nodes: 2 }))
    lab.detach()
    const basePort = lab.writer().port + 1
    const next = await started(startCluster({ directory: lab.directory, basePort }))
    const ports = next.nodes().map((node) => rowsOf(next.url(node.name), 'show port'))
    expect((await Promise.all(ports)).flat()).toEqual([
      { port: String(basePort) },
      { port: String(basePort + 1) },
    ])
  })

  test('children that outlived a killed server do not keep it from starting', async () => {
    const lab = await started(testLab({ nodes: 1 }))
    await lab.pause('node-1')
    process.kill(lab.writer().pid ?? 0, 'SIGKILL')
    await until(() => !lab.writer().running, 10_000)
    await lab.start('node-1')
    expect(await rowsOf(lab.url(), 'select 1 as one')).toEqual([{ one: 1 }])
  })

  test('a pid file that names a stranger never hurts the stranger', async () => {
    const stranger = await started(testLab({ nodes: 1 }))
    const lab = await started(testLab({ nodes: 1 }))
    const pid = stranger.writer().pid ?? 0
    await lab.stop('node-1')
    const theirs = readFileSync(join(dataOf(stranger, 'node-1'), 'postmaster.pid'), 'utf8')
    writeFileSync(join(dataOf(lab, 'node-1'), 'postmaster.pid'), theirs)
    expect(lab.writer().running).toBe(false)
    await lab.pause('node-1')
    await lab.stop('node-1', 'immediate')
    await lab.kill('node-1')
    expect(processInfo(pid)).toMatchObject({ pid, stopped: false })
    await lab.start('node-1')
    expect(lab.writer().pid).not.toBe(pid)
    await lab.down()
    expect(await rowsOf(stranger.url(), 'select 1 as one')).toEqual([{ one: 1 }])
  })

  test('a node that was only half made is made anew', async () => {
    const lab = await started(testLab({ nodes: 2 }))
    await lab.down()
    const state = readState(lab.directory)
    if (state === undefined) throw new Error('no state')
    for (const node of state.nodes) node.ready = node.name !== 'node-2'
    writeState(lab.directory, state)
    rmSync(join(dataOf(lab, 'node-2'), 'global'), { recursive: true })
    const next = await started(startCluster({ directory: lab.directory }))
    expect((await next.status()).map((node) => node.actualRole)).toEqual(['writer', 'reader'])
  })

  test('a promotion nobody wrote down is found on disk', async () => {
    const lab = await started(testLab({ nodes: 2 }))
    await rowsOf(lab.url('node-2'), 'create table t (n int)').catch(() => {})
    await lab.kill('node-1')
    await rowsOf(lab.url('node-2'), 'select pg_promote()')
    await orphan(lab)
    const next = await started(startCluster({ directory: lab.directory }))
    expect(next.writer().name).toBe('node-2')
    expect((await next.status()).map((node) => node.actualRole)).toEqual(['reader', 'writer'])
  })

  test('when the data of the writer are gone a reader takes over', async () => {
    const lab = await started(testLab({ nodes: 2 }))
    await rowsOf(lab.url(), 'create table kept as select 1 as one')
    await lab.down()
    await rm(dataOf(lab, 'node-1'), { recursive: true })
    const next = await started(startCluster({ directory: lab.directory }))
    expect(next.writer().name).toBe('node-2')
    expect(await rowsOf(next.url(), 'select one from kept')).toEqual([{ one: 1 }])
    expect((await next.status()).map((node) => node.actualRole)).toEqual(['reader', 'writer'])
  })
})

describe('a start that fails', () => {
  afterEach(async () => {
    for (const lab of labs) await endLab(lab)
    labs = []
  })

  test('names a taken port together with the setting that moves it', async () => {
    const basePort = await freePorts(5)
    const directory = await testDirectory()
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(basePort + 1, '127.0.0.1', resolve))
    try {
      await expect(startCluster({ directory, basePort, nodes: 2 })).rejects.toMatchObject({
        code: 'WEIR_PORT_TAKEN',
        message: expect.stringContaining(`port ${basePort + 1} for node-2`),
        hint: expect.stringMatching(/cluster\.basePort.*--port-offset/),
      })
    } finally {
      other.close()
    }
    const lab = await started(startCluster({ directory }))
    expect(lab.nodes().map((node) => node.port)).toEqual([basePort, basePort + 1])
  })

  test('leaves nothing running and can be repaired by the next', async () => {
    const lab = await started(testLab({ nodes: 2 }))
    await lab.stop('node-2')
    lab.detach()
    const wrong = { directory: lab.directory, nodes: 3, settings: { work_mem: 'plenty' } }
    await expect(startCluster(wrong)).rejects.toMatchObject({
      code: 'WEIR_CLUSTER_START',
      detail: expect.stringContaining('work_mem'),
    })
    expect(lab.nodes().map((node) => node.running)).toEqual([false, false, false])
    const next = await started(startCluster({ directory: lab.directory, settings: {} }))
    expect(next.nodes().map((node) => node.running)).toEqual([true, true, true])
  })
})
