import { describe, expect, test } from 'vitest'
import type { PoolStatus } from '../../../../src/admin/snapshot.ts'
import type { PlaneReport } from '../../../../src/app/planes.ts'
import { mergeCounted, mergeReports, outlasting } from '../../../../src/app/workers/merge.ts'
import { Metrics } from '../../../../src/metrics/metrics.ts'

const pool = (some: Partial<PoolStatus>): PoolStatus => ({
  node: 'a',
  database: 'd',
  user: 'u',
  state: 'serving',
  total: 2,
  idle: 1,
  active: 1,
  waiting: 3,
  opening: 1,
  maximum: 4,
  longestWaitMs: 10,
  ...some,
})

const report = (pools: PoolStatus[], clients: number): PlaneReport => ({
  pools,
  dedicated: { a: 1 },
  budgets: { a: 5 },
  endpoints: { writer: { clients, address: '127.0.0.1:1' } },
  clients: {
    total: clients,
    active: 1,
    waiting: 1,
    heldBytes: 10,
    pinned: 1,
    byState: { idle: clients - 2, waiting: 1, leased: 1 },
  },
  pins: { copy: 1 },
  certificates: { 'a.crt': 1_000 * clients, [`${clients}.crt`]: 1 },
})

test('the reports of two workers are one: sums, and the longest wait', () => {
  const one = mergeReports([
    report([pool({}), pool({ state: 'retired', total: 1 })], 3),
    report([pool({ longestWaitMs: 90 }), pool({ user: 'v' })], 4),
  ])
  expect(
    one.pools.map((p) => [p.user, p.state, p.total, p.waiting, p.maximum, p.longestWaitMs]),
  ).toEqual([
    ['u', 'serving', 4, 6, 8, 90],
    ['u', 'retired', 1, 3, 4, 10],
    ['v', 'serving', 2, 3, 4, 10],
  ])
  expect(one.endpoints).toEqual({ writer: { clients: 7, address: '127.0.0.1:1' } })
  expect(one.certificates).toEqual({ 'a.crt': 3_000, '3.crt': 1, '4.crt': 1 })
  expect(one.clients).toEqual({
    total: 7,
    active: 2,
    waiting: 2,
    heldBytes: 20,
    pinned: 2,
    byState: { idle: 3, waiting: 2, leased: 2 },
  })
  expect([one.dedicated, one.pins]).toEqual([{ a: 2 }, { copy: 2 }])
})

describe('of a worker that is gone', () => {
  test('stays what it counted, and nothing that it had', () => {
    const gone = new Metrics()
    Object.assign(gone.endpoint('writer'), { clients: 3, clientsTls: 1, queries: 9, listening: 2 })
    Object.assign(gone.node('a'), { opened: 4, tls: 2, inTransaction: 1, pinned: 1 })
    Object.assign(gone.general, { listeners: 1, listenedChannels: 2, notificationsReceived: 5 })
    gone.endpoint('writer').borrow.record(3)
    const left = outlasting(gone.snapshot())
    expect(left.endpoints.writer).toMatchObject({
      clients: 0,
      clientsTls: 0,
      queries: 9,
      listening: 0,
    })
    expect(left.nodes.a).toMatchObject({ opened: 4, tls: 0, inTransaction: 0, pinned: 0 })
    expect(left.general).toMatchObject({
      listeners: 0,
      listenedChannels: 0,
      notificationsReceived: 5,
    })
    const alive = new Metrics()
    alive.endpoint('writer').queries = 1
    alive.endpoint('writer').borrow.record(3)
    const { writer } = mergeCounted([alive.snapshot(), left]).endpoints
    expect(writer!.queries).toBe(10)
    expect(writer!.borrow.counts.reduce((a, b) => a + b)).toBe(2)
  })
})
