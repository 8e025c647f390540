/** Which figures are held against which goals, and when a goal is met. */
import { expect, test } from 'vitest'
import { judgeGoals } from '../../../benchmarks/goals.ts'
import type { LargeSeries } from '../../../benchmarks/large.ts'
import type { Series } from '../../../benchmarks/measure.ts'
import type { Mode } from '../../../benchmarks/options.ts'

function series(mode: Mode, clients: number, peer: string, tps: number[], cpuUs = 20): Series {
  const samples = tps.map((rate) => ({ tps: rate, latencyMs: 1, latency: undefined, cpuUs }))
  return { mode, clients, peer, samples, byRound: samples, errors: [], calls: undefined }
}

function large(kind: LargeSeries['kind'], peer: string, rate: number): LargeSeries {
  const samples = [{ rate, cpuUs: undefined }]
  return { kind, peer, samples, byRound: samples, errors: [] }
}

const brief = (verdicts: ReturnType<typeof judgeGoals>) =>
  verdicts.map(({ what, ratio, goal, met }) => [what, ratio, goal, met])

test('many clients are held against PgBouncer and direct, one client against PgBouncer', () => {
  const at = (clients: number) => [
    series('prepared', clients, 'direct', [1000]),
    series('prepared', clients, 'pgbouncer', [1000]),
    series('prepared', clients, 'weir', [1200], 26),
  ]
  expect(brief(judgeGoals('weir', at(128), []))).toEqual([
    ['prepared, 128 clients: throughput beside PgBouncer', 1.2, '>= 1.20', true],
    ['prepared, 128 clients: throughput beside direct', 1.2, '> 1.00', true],
    ['prepared, 128 clients: CPU time beside PgBouncer', 1.3, '<= 1.30', true],
  ])
  expect(judgeGoals('weir', at(32), []).map(({ what }) => what)).toEqual([
    'prepared, 32 clients: throughput beside PgBouncer',
    'prepared, 32 clients: CPU time beside PgBouncer',
  ])
  expect(judgeGoals('weir', at(1), [])[0]).toMatchObject({ goal: '>= 0.90', ratio: 1.2 })
})

test('a ratio below its bound, or above one that must not be passed, is not met', () => {
  const verdicts = judgeGoals(
    'weir',
    [
      series('connect', 8, 'pgbouncer', [100]),
      series('connect', 8, 'weir', [109]),
      series('tpcb', 8, 'pgbouncer', [100]),
      series('tpcb', 8, 'weir', [94]),
      series('simple', 8, 'pgbouncer', [100]),
      series('simple', 8, 'weir', [100], 27),
    ],
    [large('select', 'pgbouncer', 100), large('select', 'weir', 89)],
  )
  expect(brief(verdicts)).toEqual([
    ['connect, 8 clients: throughput beside PgBouncer', 1.09, '>= 1.10', false],
    ['tpcb, 8 clients: throughput beside PgBouncer', 0.94, '>= 0.95', false],
    ['simple, 8 clients: CPU time beside PgBouncer', 1.35, '<= 1.30', false],
    ['large select: rate beside PgBouncer', 0.89, '>= 0.90', false],
  ])
})

test('equal to direct is not above it', () => {
  const all = [
    series('simple', 128, 'direct', [100]),
    series('simple', 128, 'pgbouncer', [50]),
    series('simple', 128, 'weir', [100]),
  ]
  const beside = judgeGoals('weir', all, []).find(({ what }) => what.endsWith('direct'))
  expect(beside).toMatchObject({ ratio: 1, met: false })
})

test('the ratio is of medians, its range of rounds that both have', () => {
  const own = series('tpcb', 1, 'weir', [100, 90, 120])
  const other = series('tpcb', 1, 'pgbouncer', [100, 100, 100])
  const holed = { ...own, byRound: [own.byRound[0], undefined, own.byRound[2]] }
  const [verdict] = judgeGoals('weir', [holed, other], [])
  expect(verdict).toMatchObject({ ratio: 1.1, range: [1, 1.2] })
})

test('what was not measured is not met, and what nobody asked for is not listed', () => {
  const [throughput] = judgeGoals('weir', [series('connect', 1, 'weir', [100])], [])
  expect(throughput).toMatchObject({ ratio: undefined, range: undefined, met: false })
  expect(judgeGoals('weir', [series('extended', 1, 'weir', [100])], [])).toEqual([])
  expect(judgeGoals('weir', [], [large('copy in', 'weir', 1)])).toEqual([])
})

test('the row that is judged may be a variant', () => {
  const all = [
    series('connect', 1, 'pgbouncer', [100]),
    series('connect', 1, 'weir', [100]),
    series('connect', 1, 'weir+deep', [120]),
  ]
  expect(judgeGoals('weir+deep', all, [])[0]).toMatchObject({ ratio: 1.2, met: true })
})
