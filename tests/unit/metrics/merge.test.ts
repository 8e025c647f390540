import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Metrics } from '../../../src/metrics/metrics.ts'
import { type MetricsSnapshot, merge } from '../../../src/metrics/snapshot.ts'

/** Any snapshot a worker could send: made by counting, not by hand. */
const name = fc.constantFrom('writer', 'reader', 'analytics', 'constructor')
const reason = fc.constantFrom('client-left', 'draining', 'toString')
const event = fc.oneof(
  fc.record({ kind: fc.constant('clients' as const), name, n: fc.integer({ min: -2, max: 9 }) }),
  fc.record({ kind: fc.constant('closed' as const), name, reason }),
  fc.record({ kind: fc.constant('borrow' as const), name, ms: fc.double({ min: 0, max: 1e5 }) }),
  fc.record({ kind: fc.constant('evicted' as const), name, reason }),
)
const snapshots = fc.array(event, { maxLength: 20 }).map((events): MetricsSnapshot => {
  const metrics = new Metrics()
  for (const e of events) {
    if (e.kind === 'clients') metrics.endpoint(e.name).clients += e.n
    if (e.kind === 'closed') metrics.endpoint(e.name).closed.add(e.reason)
    if (e.kind === 'borrow') metrics.endpoint(e.name).borrow.record(e.ms)
    if (e.kind === 'evicted') metrics.node(e.name).evicted.add(e.reason)
  }
  return metrics.snapshot()
})

describe('merging snapshots', () => {
  test('is associative and commutative', () => {
    fc.assert(
      fc.property(snapshots, snapshots, snapshots, (a, b, c) => {
        expect(merge(merge(a, b), c)).toEqual(merge(a, merge(b, c)))
        expect(merge(a, b)).toEqual(merge(b, a))
      }),
    )
  })

  test('leaves a snapshot as it is when nothing was counted elsewhere', () => {
    fc.assert(
      fc.property(snapshots, (a) => {
        expect(merge(a, new Metrics().snapshot())).toEqual(a)
      }),
    )
  })

  test('adds what two workers counted of the same endpoint, reason by reason and place by place', () => {
    const one = new Metrics()
    one.endpoint('writer').clients = 3
    one.endpoint('writer').closed.add('client-left')
    one.endpoint('writer').borrow.record(0.07)
    const two = new Metrics()
    two.endpoint('writer').clients = 4
    two.endpoint('writer').closed.add('client-left', 2)
    two.endpoint('writer').closed.add('draining')
    two.endpoint('writer').borrow.record(0.08)
    two.node('node-1').evicted.add('lifetime')

    const sum = merge(one.snapshot(), two.snapshot())

    expect(sum.endpoints.writer?.clients).toBe(7)
    expect(sum.endpoints.writer?.closed).toEqual({ 'client-left': 3, draining: 1 })
    expect(sum.endpoints.writer?.borrow.counts[1]).toBe(2)
    expect(sum.endpoints.writer?.borrow.sumUs).toBe(150)
    expect(sum.nodes['node-1']?.evicted).toEqual({ lifetime: 1 })
  })

  test('survives the way through JSON, as between processes', () => {
    fc.assert(
      fc.property(snapshots, (a) => {
        expect(JSON.parse(JSON.stringify(a))).toEqual(a)
      }),
    )
  })

  test('refuses what is not a snapshot as a bug', () => {
    const broken = { ...new Metrics().snapshot(), general: 'x' } as unknown as MetricsSnapshot
    expect(() => merge(broken, new Metrics().snapshot())).toThrow(/BUG/)
  })
})
