/** What the benchmark is asked for and prints; the runs themselves need real programs. */
import { expect, test } from 'vitest'
import { descriptorsNeeded, tooFewDescriptors } from '../../../benchmarks/limits.ts'
import type { Sample, Series } from '../../../benchmarks/measure.ts'
import { parseOptions } from '../../../benchmarks/options.ts'
import {
  renderErrors,
  renderGoals,
  renderLarge,
  renderTable,
  summarise,
} from '../../../benchmarks/report.ts'
import { inRounds } from '../../../benchmarks/rounds.ts'
import { median, spread } from '../../../benchmarks/statistics.ts'
import { UsageError } from '../../../benchmarks/usage-error.ts'

test('a run takes what was asked, in the order of the peers', () => {
  const options = parseOptions(['--clients', '8, 16', '--peers', 'weir,direct', '--modes=connect'])
  expect(options).toMatchObject({
    rounds: 5,
    seconds: 5,
    clients: [8, 16],
    peers: ['direct', 'weir'],
    modes: ['connect'],
    large: false,
    expectGoals: false,
    judge: 'weir',
  })
  expect(parseOptions(['--quick', '--seconds', '4'])).toMatchObject({ rounds: 1, seconds: 4 })
  expect(parseOptions(['--help'])).toBeUndefined()
})

test('large results are measured when asked for, beside other modes or alone', () => {
  expect(parseOptions([])).toMatchObject({ large: false })
  expect(parseOptions(['--modes', 'large'])).toMatchObject({ modes: [], large: true })
  expect(parseOptions(['--modes', 'large,simple'])).toMatchObject({
    modes: ['simple'],
    large: true,
  })
})

test('a variant is a known name or settings of its own, and may be who is judged', () => {
  const argv = ['--variants', 'streams,deep:pool.sharing=on+workers=2', '--judge', 'weir+deep']
  expect(parseOptions([...argv, '--expect', 'goals'])).toMatchObject({
    variants: [
      { name: 'streams', settings: [], environment: { WEIR_NET: 'streams' } },
      { name: 'deep', settings: ['pool.sharing=on', 'workers=2'], environment: {} },
    ],
    judge: 'weir+deep',
    expectGoals: true,
  })
})

test.each([
  [['--rounds', '0'], "--rounds got '0'; a whole number from 1"],
  [['--clients', '1,x'], "--clients got 'x'"],
  [['--peers', 'direct,odyssey'], "--peers got 'odyssey'; known are direct, pgbouncer, weir"],
  [['--variants', 'faster'], "--variants got 'faster'; known are"],
  [['--variants', 'deep:pool.sharing'], "--variants got 'deep:pool.sharing'"],
  [['--variants', 'streams', '--peers', 'direct'], '--variants are rows of Weir'],
  [['--judge', 'pgbouncer'], "--judge got 'pgbouncer'; there will be weir"],
  [['--expect', 'speed'], "--expect got 'speed'; goals would be right"],
  [['--speed'], '--speed'],
])('the wrong option %j ends the run in plain words', (argv, message) => {
  expect(() => parseOptions(argv)).toThrow(UsageError)
  expect(() => parseOptions(argv)).toThrow(message)
})

test('too few files allowed is told with the command that allows more', () => {
  const limits = (soft: string) =>
    `Limit   Soft Limit  Hard Limit  Units\nMax open files  ${soft}  4096  files\n`
  expect(descriptorsNeeded([1, 512], 20)).toBe(1_244)
  expect(tooFewDescriptors(1_244, limits('1024'))).toContain('ulimit -n 1244')
  expect(tooFewDescriptors(1_244, limits('1244'))).toBeUndefined()
  expect(tooFewDescriptors(1_244, limits('unlimited'))).toBeUndefined()
  expect(tooFewDescriptors(1_244, '')).toBeUndefined()
})

test('each round measures every peer once and begins with another one', async () => {
  const order: string[] = []
  const measure = async (peer: string, round: number): Promise<string> => {
    order.push(`${round}${peer}`)
    if (peer === 'b' && round === 1) throw new Error('lost')
    return `${peer}${round}`
  }
  const [, b] = await inRounds(['a', 'b', 'c'], 3, measure, new AbortController().signal)
  expect(order.join(' ')).toBe('0a 0b 0c 1b 1c 1a 2c 2a 2b')
  expect(b).toEqual({ samples: ['b0', 'b2'], errors: ['lost'], byRound: ['b0', undefined, 'b2'] })
})

test('a run that was stopped ends the rounds', async () => {
  const stop = new AbortController()
  const measure = async (): Promise<never> => {
    stop.abort(new Error('stopped'))
    throw new Error('pgbench was ended')
  }
  await expect(inRounds(['a', 'b'], 3, measure, stop.signal)).rejects.toThrow('stopped')
})

test('the median is the middle value, or the mean of the two in the middle', () => {
  expect(median([9, 1, 5])).toBe(5)
  expect(median([4, 1, 2, 100])).toBe(3)
  expect(median([])).toBeUndefined()
})

test('the spread is the range of the rounds as a share of their median', () => {
  expect(spread([90, 100, 110])).toBeCloseTo(0.2)
  expect(spread([90])).toBeUndefined()
})

const sample = (tps: number, cpuUs?: number, [p50Ms, p99Ms] = [2, 5]): Sample => ({
  tps,
  latencyMs: 1,
  latency: { p50Ms: p50Ms!, p99Ms: p99Ms!, p999Ms: 9, maxMs: 9, transactions: 100 },
  cpuUs,
})
const one = (peer: string, samples: Sample[], more: Partial<Series> = {}): Series => ({
  mode: 'simple',
  clients: 32,
  peer,
  samples,
  byRound: samples,
  errors: [],
  calls: undefined,
  ...more,
})
const words = (text: string) => text.split('\n').map((line) => line.trim().split(/\s+/))

test('a summary is made of the medians of each figure', () => {
  const rounds = [sample(90, 20, [1, 9]), sample(100, 26, [3, 5]), sample(110, 22, [2, 7])]
  expect(summarise(rounds)).toMatchObject({ tps: 100, cpuUs: 22, p50Ms: 2, p99Ms: 7 })
  expect(summarise([])).toBeUndefined()
})

test('the table sets each row beside direct and beside PgBouncer, with latency and calls', () => {
  const calls = {
    reads: 2,
    writes: 1.5,
    waits: 0.25,
    userInstructions: 31_400,
    kernelInstructions: 90_000,
  }
  const table = words(
    renderTable([
      one('direct', [sample(1000), sample(1000)]),
      one('pgbouncer', [sample(500, 20)]),
      one('weir', [sample(450, 25.04)], { calls }),
      one('weir+deep', [], { errors: ['connection refused'] }),
    ]),
  )
  expect(table[1]!.slice(0, 7)).toEqual(['simple', '32', 'direct', '1000', '0%', '-', '2.00'])
  expect(table[2]).toEqual(
    ['pgbouncer', '500', '-', '0.50', '-', '20.0', '-', '2.00', '5.00', '2.50'].concat(
      ...['-', '-', '-', '-'],
    ),
  )
  expect(table[3]).toEqual(
    ['weir', '450', '-', '0.45', '0.90', '25.0', '1.25', '2.00', '5.00', '2.50'].concat(
      ...['2.00', '1.50', '0.25', '31.4'],
    ),
  )
  expect(table[4]!.slice(0, 3)).toEqual(['weir+deep', 'failed', '-'])
})

test('failed runs are told with what they said, of pgbench and of large results', () => {
  expect(
    renderErrors(
      [one('weir', [], { errors: ['connection refused', 'again'] })],
      [{ kind: 'copy in', peer: 'direct', samples: [], byRound: [], errors: ['1 rows came of 2'] }],
    ),
  ).toEqual([
    'weir, simple, 32 clients: 2 failed runs: connection refused',
    'direct, large copy in: 1 failed runs: 1 rows came of 2',
  ])
})

test('large results have a table of their own', () => {
  const large = (peer: string, rate: number) => {
    const samples = [{ rate, cpuUs: peer === 'direct' ? undefined : 1_200 }]
    return { kind: 'select' as const, peer, samples, byRound: samples, errors: [] }
  }
  const table = words(
    renderLarge([large('direct', 400), large('pgbouncer', 200), large('weir', 190)]),
  )
  expect(table[3]).toEqual(['weir', '190', '-', '0.47', '0.95', '1200'])
  expect(renderLarge([])).toBe('')
})

test('goals are told one by one and counted', () => {
  const text = renderGoals('weir', [
    { what: 'a', ratio: 1.25, range: [1.1, 1.3], goal: '>= 1.20', met: true, aim: '1.50' },
    { what: 'b', ratio: undefined, range: undefined, goal: '<= 1.30', met: false, aim: undefined },
  ])
  expect(words(text)[1]!.join(' ')).toBe('a 1.25 1.10 to 1.30 >= 1.20 1.50 met')
  expect(words(text)[2]!.join(' ')).toBe('b - - <= 1.30 not measured')
  expect(text).toContain('1 of 2 goals met by weir')
})
