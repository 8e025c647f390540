/** What the benchmark reads, asks for and prints; the runs themselves need real programs. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import type { Sample, Series } from '../../../benchmarks/measure.ts'
import { parseOptions, UsageError } from '../../../benchmarks/options.ts'
import { parsePgbench, pgbenchArguments, runPgbench } from '../../../benchmarks/pgbench.ts'
import { usageOf } from '../../../benchmarks/process-usage.ts'
import { median, renderErrors, renderTable, summarise } from '../../../benchmarks/report.ts'

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
  })
})

test('with a connection for each transaction the figure that includes connecting counts', () => {
  const connect = whole
    .replace('initial connection time =', 'average connection time =')
    .replace(/tps = .*/, 'tps = 61.250000 (including reconnection times)')
  expect(parsePgbench(connect).tps).toBe(61.25)
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

test('a mode decides protocol and connections, and threads never outnumber clients', () => {
  expect(pgbenchArguments(target, 'prepared', 1, 5).join(' ')).toBe(
    '-h 127.0.0.1 -p 15799 -U u -n -S -M prepared -c 1 -j 1 -T 5 app',
  )
  expect(pgbenchArguments(target, 'connect', 1, 5).join(' ')).toContain('-M simple -C -c 1')
})

test('a pgbench that cannot be started is an error', async () => {
  await expect(runPgbench('/nowhere/pgbench', target, 'simple', 1, 1)).rejects.toThrow('ENOENT')
})

test('a run takes what was asked, in the order of the peers', () => {
  const options = parseOptions(['--clients', '8, 16', '--peers', 'weir,direct', '--modes=connect'])
  expect(options).toMatchObject({
    rounds: 3,
    seconds: 5,
    clients: [8, 16],
    peers: ['direct', 'weir'],
    modes: ['connect'],
  })
  expect(parseOptions(['--quick', '--seconds', '4'])).toMatchObject({ rounds: 1, seconds: 4 })
  expect(parseOptions(['--help'])).toBeUndefined()
})

test.each([
  [['--rounds', '0'], "--rounds got '0'; a whole number from 1"],
  [['--clients', '1,x'], "--clients got 'x'"],
  [['--peers', 'direct,odyssey'], "--peers got 'odyssey'; known are direct, pgbouncer, weir"],
  [['--speed'], '--speed'],
])('the wrong option %j ends the run in plain words', (argv, message) => {
  expect(() => parseOptions(argv)).toThrow(UsageError)
  expect(() => parseOptions(argv)).toThrow(message)
})

test('the median is the middle value, or the mean of the two in the middle', () => {
  expect(median([9, 1, 5])).toBe(5)
  expect(median([4, 1, 2, 100])).toBe(3)
  expect(median([])).toBeUndefined()
})

const sample = (tps: number, cpuUs?: number): Sample => ({
  tps,
  latencyMs: 1,
  cpuUs,
  reads: undefined,
  writes: undefined,
})

test('the spread is the range of the rounds as a share of their median', () => {
  expect(summarise([sample(90), sample(100), sample(110)])?.spread).toBeCloseTo(0.2)
  expect(summarise([sample(90)])?.spread).toBeUndefined()
  expect(summarise([])).toBeUndefined()
})

test('the table sets each proxy beside direct, and ours beside PgBouncer too', () => {
  const one = (peer: Series['peer'], samples: Sample[], errors: string[] = []): Series => ({
    mode: 'simple',
    clients: 32,
    peer,
    samples,
    errors,
  })
  const all = [
    one('direct', [sample(1000), sample(1000)]),
    one('pgbouncer', [sample(500, 20)]),
    one('weir', [sample(450, 25.04)]),
  ]
  const words = (text: string) => text.split('\n').map((line) => line.trim().split(/\s+/))
  const table = words(renderTable(all, ['direct', 'pgbouncer', 'weir']))
  expect(table[2]).toEqual(
    ['simple', '32', '1000', '0%', '500', '-', '0.50', '20.0'].concat(
      '450',
      '-',
      '0.45',
      '0.90',
      '25.0',
    ),
  )
  const broken = [all[0]!, one('weir', [], ['connection refused'])]
  expect(words(renderTable(broken, ['direct', 'weir']))[2]).toEqual([
    'simple',
    '32',
    '1000',
    '0%',
    'failed',
    '-',
    '-',
    '-',
  ])
  expect(renderErrors(broken)).toEqual([
    'weir, simple, 32 clients: 1 failed runs: connection refused',
  ])
})

test.runIf(process.platform === 'linux')('usage counts a process with its children', async () => {
  const script = `
    const child = require('node:child_process').spawn(process.execPath, ['-e', \`
      const end = Date.now() + 300; while (Date.now() < end); console.log('spun'); process.stdin.resume()
    \`], { stdio: ['pipe', 'inherit', 'inherit'] })
    process.stdin.resume()`
  const parent = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
  try {
    await once(parent.stdout, 'data')
    const usage = usageOf(parent.pid!)!
    expect(usage.cpuUs).toBeGreaterThan(200_000)
    expect(usage.peakKib).toBeGreaterThan(20_000)
  } finally {
    parent.stdin.end()
    parent.kill()
  }
  await once(parent, 'close')
  expect(usageOf(parent.pid!)).toBeUndefined()
})
