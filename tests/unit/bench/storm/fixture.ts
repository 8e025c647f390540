/** Made-up results of a storm, as if measured: for reports, expectations and limits. */
import type { Percentiles } from '../../../../src/bench/failover/result.ts'
import type {
  Moment,
  Sight,
  SpanResult,
  StormResult,
  TargetResult,
} from '../../../../src/bench/storm/result.ts'
import { Spans } from '../../../../src/bench/storm/spans.ts'

/** A distribution around `middle` ms, always the same. */
export function madeUpSpan(middle: number, n = 5_000): SpanResult {
  const spans = new Spans()
  for (let i = 0; i < n; i++) {
    const place = ((i * 0.618033988749895) % 1) * 0.9998
    spans.record(middle * (-Math.log2(1 - place) + 0.2))
  }
  return { figures: spans.percentiles() as Percentiles, curve: spans.curve() }
}

export function madeUpTarget(changes: Partial<TargetResult> = {}): TargetResult {
  const firstReply = madeUpSpan(12)
  const statement = madeUpSpan(1.4, 20_000)
  const moments: Moment[] = Array.from({ length: 50 }, (_, i) => ({
    at: (i + 1) * 500,
    arrived: i < 10 ? 500 : 0,
    loggedIn: i < 10 ? 500 : 0,
    answered: i < 10 ? 500 : 0,
    statements: Math.min(2_500, i * 250),
    errors: 0,
    open: Math.min(5_000, (i + 1) * 500),
    firstReply: i < 10 ? firstReply.figures : undefined,
    statement: statement.figures,
  }))
  const sights: Sight[] = Array.from({ length: 50 }, (_, i) => ({
    at: i * 500,
    server: { load: Math.min(20, i * 4), other: 1 },
    proxy: { cpu: i * 0.2, memory: 80e6 + Math.min(10, i) * 5e6 },
    node: { cpu: i * 0.1, memory: 60e6 },
    machine: 0.7,
  }))
  return {
    target: 'weir',
    description: 'Weir, pools of 20; otherwise its defaults',
    failure: undefined,
    clients: 5_000,
    arrived: 5_000,
    loggedIn: 5_000,
    answered: 5_000,
    statements: 100_000,
    overdue: 0,
    dropped: 0,
    lastedMs: 25_000,
    errors: {},
    texts: {},
    spans: {
      connect: madeUpSpan(0.6),
      authentication: madeUpSpan(5),
      firstReply,
      amid: madeUpSpan(3),
      statement,
    },
    moments,
    sights,
    server: { peak: 20, otherPeak: 1, opened: 20 },
    proxy: { cpuSeconds: 9.8, cpuPeak: 0.9, memoryBefore: 80e6, memoryPeak: 130e6 },
    node: { cpuSeconds: 4.9, cpuPeak: 0.4, memoryBefore: 60e6, memoryPeak: 61e6 },
    overflows: 0,
    instrument: {
      threads: 2,
      late: { n: 105_000, p50: 0.4, p90: 0.9, p99: 3, max: 12 },
      longestStallMs: 14,
      busiest: 0.6,
      machineBusiest: 0.8,
      cpuSeconds: 3.2,
      derivations: 2,
      warnings: [],
    },
    ...changes,
  }
}

export const DIRECT = madeUpTarget({
  target: 'direct',
  description: 'no proxy: every client has a connection to the node',
  loggedIn: 97,
  answered: 97,
  statements: 1_940,
  errors: { '53300': 4_903 },
  texts: { '53300': 'sorry, too <many> clients already' },
  server: { peak: 97, otherPeak: 0, opened: 97 },
  proxy: undefined,
})

export function madeUpStorm(
  targets: readonly TargetResult[] = [DIRECT, madeUpTarget()],
): StormResult {
  return {
    format: 1,
    version: '0.1.0',
    began: Date.UTC(2026, 10, 21, 12),
    ended: Date.UTC(2026, 10, 21, 12, 2),
    command: "weir storm --expect 'errors=0'",
    storm: '5000 clients in 5 s (1000 a second), then a statement every 1 s for 20 s',
    settings: { shape: 'burst', arrivals: 5_000 },
    machine: { cores: 2, node: 'v20' },
    targets,
    expectations: [
      { text: 'errors=0', target: 'weir', actual: 0, met: true },
      { text: 'first_reply_p99<10ms', target: 'weir', actual: 80, met: false },
    ],
    limits: [],
  }
}
