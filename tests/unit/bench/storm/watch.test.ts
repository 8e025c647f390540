/** What is seen of processes and node from outside, and what it comes to. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { listenOverflows, usageOf } from '../../../../src/bench/storm/process-watch.ts'
import type { Sight } from '../../../../src/bench/storm/result.ts'
import { cpuRates, Watch } from '../../../../src/bench/storm/watch.ts'
import { until } from '../../../../src/core/until.ts'

const MIB = 1024 ** 2

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)

describe.skipIf(!existsSync('/proc/self/stat'))('A process', () => {
  it('is counted with its children, and with those that have ended', async () => {
    // A shell whose child burns CPU and ends, then one that holds memory and stays.
    const script = `
      '${process.execPath}' -e 'const end = Date.now() + 300; while (Date.now() < end);'
      '${process.execPath}' -e 'globalThis.held = Buffer.alloc(64 * 1024 * 1024, 1); setInterval(() => {}, 1000); console.log("holds")' &
      wait`
    const shell = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    shell.stdout.on('data', (chunk) => {
      said += chunk
    })
    try {
      await until(() => said.includes('holds'), 60_000)
      const used = usageOf(shell.pid ?? 0)
      // The shell itself is next to nothing of either.
      expect(used?.memory).toBeGreaterThan(64 * MIB)
      expect(used?.cpu).toBeGreaterThanOrEqual(0.05)
      expect(usageOf(shell.pid ?? 0, 7)?.memory).toBe(7)
    } finally {
      for (const child of childrenOf(shell.pid ?? 0)) process.kill(child)
      await new Promise((resolve) => shell.once('close', resolve))
    }
    expect(usageOf(shell.pid ?? 0)).toBeUndefined()
  })

  it('that is nobody is not zero', () => {
    expect(usageOf(2 ** 22 + 1)).toBeUndefined()
  })

  it('shares a machine that counts what its listeners lost', () => {
    expect(listenOverflows()).toBeGreaterThanOrEqual(0)
  })
})

describe('A watch', () => {
  const sight = (at: number, changes: Partial<Sight>): Sight => ({
    ...{ at, server: undefined, proxy: undefined, node: undefined, machine: undefined },
    ...changes,
  })

  it('tells the most there was at once', async () => {
    const counts = [
      { load: 3, other: 1 },
      { load: 20, other: 0 },
      { load: 5, other: 2 },
    ]
    const node = {
      count: async () => counts.shift(),
      sessions: async () => undefined,
      end: async () => {},
    }
    const watch = new Watch({ node, nodePid: undefined, proxyPid: process.pid }, () => 0)
    for (let i = 0; i < 3; i++) await watch.stop()
    expect(watch.server(7)).toEqual({ peak: 20, otherPeak: 2, opened: 7 })
    expect(watch.summary('proxy')?.memoryPeak).toBeGreaterThan(MIB)
    expect(watch.summary('node')).toBeUndefined()
  })

  it('knows nothing where it cannot look', async () => {
    const watch = new Watch({ node: undefined, nodePid: undefined, proxyPid: undefined }, () => 0)
    await watch.stop()
    expect(watch.server(undefined)).toBeUndefined()
    expect(watch.summary('proxy')).toBeUndefined()
  })

  it('turns CPU seconds into cores, over a second at least', () => {
    const used = (cpu: number) => ({ proxy: { cpu, memory: 1 } })
    const sights = [
      sight(0, used(0)),
      sight(500, used(0.1)),
      sight(1_000, used(0.5)),
      sight(1_500, {}),
      sight(2_000, used(2.5)),
    ]
    expect(cpuRates(sights, 'proxy')).toEqual([
      [1_000, 0.5],
      [2_000, 2],
    ])
    expect(cpuRates(sights, 'node')).toEqual([])
  })
})
