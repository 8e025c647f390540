/** How the benchmark reads what programs print and the kernel counts. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { rowsOf } from '../../../benchmarks/bulk-client.ts'
import { lengths, parsePerf, parseStrace, perTransaction } from '../../../benchmarks/calls.ts'
import { workOf } from '../../../benchmarks/large.ts'
import { latencyOf, parseLog, takeLatency } from '../../../benchmarks/latency-log.ts'
import { cpuMeter } from '../../../benchmarks/measure.ts'
import { pgbenchArguments, runPgbench } from '../../../benchmarks/pgbench.ts'
import { complaint, parsePgbench, parseProgress } from '../../../benchmarks/pgbench-report.ts'
import { usageOf } from '../../../benchmarks/process-usage.ts'

const whole = `pgbench (15.18 (Debian 15.18-0+deb12u1), server 18.4)
transaction type: <builtin: select only>
scaling factor: 10
query mode: simple
number of clients: 32
number of threads: 2
maximum number of tries: 1
duration: 5 s
number of transactions actually processed: 51234
number of failed transactions: 0 (0.000%)
latency average = 3.117 ms
initial connection time = 95.221 ms
tps = 10265.871432 (without initial connection time)
`
const target = { port: 15_799, user: 'u', password: 'p', database: 'app' }

test('the report of pgbench is read', () => {
  expect(parsePgbench(whole)).toEqual({
    transactions: 51_234,
    tps: 10_265.871432,
    latencyMs: 3.117,
    connectMs: 95.221,
  })
})

test('with a connection for each transaction the figure that includes connecting counts', () => {
  const connect = whole
    .replace('initial connection time =', 'average connection time =')
    .replace(/tps = .*/, 'tps = 61.250000 (including reconnection times)')
  expect(parsePgbench(connect)).toMatchObject({ tps: 61.25, connectMs: 0 })
})

test('of the two figures that older versions print the one without connecting counts', () => {
  const old = whole.replace(
    /tps = .*/,
    'tps = 900.5 (including connections establishing)\ntps = 1000.5 (excluding connections establishing)',
  )
  expect(parsePgbench(old).tps).toBe(1000.5)
})

test.each([
  ['failed transactions', whole.replace('transactions: 0 (', 'transactions: 7 ('), '7 failed'],
  ['no transaction at all', whole.replace('51234', '0'), 'completed no transaction'],
  ['no tps', whole.replace(/tps.*\n/, ''), 'no tps: initial connection time'],
  ['nothing', '', 'nothing at all'],
])('a report of %s is an error, not a result', (_, output, message) => {
  expect(() => parsePgbench(output)).toThrow(message)
})

test('progress is told apart from complaints', () => {
  const line = 'progress: 2.0 s, 1234.5 tps, lat 25.130 ms stddev 3.2, 0 failed'
  expect(parseProgress(line)).toEqual({ atSeconds: 2, tps: 1_234.5 })
  expect(parseProgress('pgbench: error: client 3 aborted')).toBeUndefined()
  expect(complaint(`${line}\npgbench: error: client 3 aborted\n`)).toContain('client 3 aborted')
  expect(complaint(`${line}\n`)).toBe('')
})

test('a mode decides protocol and connections, and threads never outnumber clients', () => {
  const load = { target, clients: 1, length: { seconds: 5 } } as const
  expect(pgbenchArguments({ ...load, mode: 'prepared' }).join(' ')).toBe(
    '-h 127.0.0.1 -p 15799 -U u -n -S -M prepared -c 1 -j 1 -T 5 -P 1 app',
  )
  expect(pgbenchArguments({ ...load, mode: 'connect' }).join(' ')).toContain('-M simple -C -c 1')
  // The default script vacuums its small tables first, so that no run finds them larger.
  expect(pgbenchArguments({ ...load, mode: 'tpcb' }).join(' ')).toContain('-U u -M simple -c 1')
})

test('a run may be as long as so many transactions, and log a share of them', () => {
  const log = { prefix: '/tmp/l', share: 0.1 }
  const load = { target, mode: 'simple', clients: 1, length: { transactions: 7 }, log } as const
  expect(pgbenchArguments(load).join(' ')).toContain(
    '-t 7 --log --log-prefix=/tmp/l --sampling-rate=0.1 app',
  )
})

test('a pgbench that cannot be started is an error', async () => {
  const load = { target, mode: 'simple', clients: 1, length: { seconds: 1 } } as const
  await expect(runPgbench('/nowhere/pgbench', load)).rejects.toThrow('ENOENT')
})

test('percentiles are single transactions of all logs, which are removed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-bench-test-'))
  try {
    const line = (micros: number | string) => `0 1 ${micros} 0 1700000000 123456\n`
    const times = Array.from({ length: 98 }, (_, i) => 1_000 + i)
    writeFileSync(join(folder, 'lat.77'), times.map(line).join(''))
    writeFileSync(join(folder, 'lat.77.1'), line('failed') + line(50_000) + line(70_000))
    writeFileSync(join(folder, 'other.77'), line(1))
    expect(takeLatency(join(folder, 'lat'))).toEqual({
      p50Ms: 1.049,
      p99Ms: 50,
      p999Ms: 70,
      maxMs: 70,
      transactions: 100,
    })
    expect(readdirSync(folder)).toEqual(['other.77'])
    expect(takeLatency(join(folder, 'lat'))).toBeUndefined()
  } finally {
    rmSync(folder, { recursive: true })
  }
  expect(parseLog('')).toEqual([])
  expect(latencyOf([5])).toMatchObject({ p50Ms: 0.005, p99Ms: 0.005 })
})

test('CPU time counts from the first sign of progress to the last, logins left out', () => {
  const spent = [900_000, 1_000_000, 1_300_000]
  const meter = cpuMeter(1, () => spent.shift())
  meter.tick({ atSeconds: 1, tps: 5_000 })
  meter.tick({ atSeconds: 2, tps: 10_000 })
  meter.tick({ atSeconds: 4, tps: 5_000 })
  // 400 ms for 10,000 and 2 x 5,000 transactions.
  expect(meter.perTransaction()).toBe(20)
})

test('CPU time of a run without two signs of progress, or without a process, is not known', () => {
  const short = cpuMeter(1, () => 5)
  short.tick({ atSeconds: 1, tps: 100 })
  expect(short.perTransaction()).toBeUndefined()
  const none = cpuMeter(undefined, () => 5)
  none.tick({ atSeconds: 1, tps: 100 })
  none.tick({ atSeconds: 2, tps: 100 })
  expect(none.perTransaction()).toBeUndefined()
})

test('what perf counted is read, and what it could not count is left out', () => {
  const text = `# started on Sat Nov 21

7,,syscalls:sys_enter_read,5019000,100.00,,
<not supported>,,instructions:u,0,100.00,,
<not counted>,,syscalls:sys_enter_select,0,0.00,,
`
  expect([...parsePerf(text)]).toEqual([['read', 7]])
})

test('the table of strace is read with and without errors in it', () => {
  const text = `% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000300           3       100           sendto
 40.00    0.000200           2        90        10 recvfrom
------ ----------- ----------- --------- --------- ----------------
100.00    0.000500           2       190        10 total
`
  expect([...parseStrace(text)]).toEqual([
    ['sendto', 100],
    ['recvfrom', 90],
  ])
})

test('what happens at every login cancels out of the calls of a transaction', () => {
  const before = new Map([
    ['read', 300],
    ['recvfrom', 40],
    ['instructions:u', 5_000],
  ])
  const after = new Map([
    ['read', 500],
    ['recvfrom', 240],
    ['epoll_wait', 50],
    ['instructions:u', 105_000],
  ])
  expect(perTransaction(before, after, 200)).toEqual({
    reads: 2,
    writes: 0,
    waits: 0.25,
    userInstructions: 500,
    kernelInstructions: undefined,
  })
})

test('a counting run is long where transactions are cheap, and never empty', () => {
  expect(lengths('simple', 1)).toEqual({ short: 1_000, more: 20_000 })
  expect(lengths('connect', 512)).toEqual({ short: 2, more: 5 })
})

test('the end of a large answer tells how many rows came, or what went wrong', () => {
  const end = (tag: string) => Buffer.from(`C\0\0\0\x12${tag}\0Z\0\0\0\x05I`)
  expect(rowsOf(end('SELECT 8333334'))).toBe(8_333_334)
  expect(rowsOf(end('COPY 12'))).toBe(12)
  const error = Buffer.from('E\0\0\0\x20SERROR\0C57014\0Mcanceled\0\0Z\0\0\0\x05I', 'latin1')
  expect(() => rowsOf(error)).toThrow('canceled')
  expect(() => rowsOf(Buffer.from('Z\0\0\0\x05I'))).toThrow('did not end in a command tag')
})

test('a large result is as many rows as its size asks for', () => {
  expect(workOf('select', 120, 2).rows).toBe(1_000_000)
  expect(workOf('select wide', 82, 2).rows).toBe(10_010)
})

test.runIf(process.platform === 'linux')('usage counts a process with its children', async () => {
  const script = `
    const child = require('node:child_process').spawn(process.execPath, ['-e', \`
      while (process.cpuUsage().user < 300_000); console.log('spun'); process.stdin.resume()
    \`], { stdio: ['pipe', 'inherit', 'inherit'] })
    process.stdin.resume()`
  const parent = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  try {
    await once(parent.stdout, 'data')
    const usage = usageOf(parent.pid!)!
    expect(usage.cpuUs).toBeGreaterThan(20_000)
    expect(usage.peakKib).toBeGreaterThan(20_000)
  } finally {
    parent.stdin.end()
    parent.kill()
  }
  await once(parent, 'close')
  expect(usageOf(parent.pid!)).toBeUndefined()
})
