import { describe, expect, test } from 'vitest'
import { shareOf, workerCount } from '../../../../src/app/workers/share.ts'
import { schema } from '../../../../src/config/schema.ts'
import { type Settings, settle } from '../../../../src/config/settings.ts'

function settings(some: Readonly<Record<string, unknown>> = {}): Settings {
  const file = schema.parse({ nodes: [{ name: 'a', host: 'h' }], ...some })
  return settle(file, '/weir.yaml')
}

describe('the number of workers', () => {
  test.each([
    [1, 1],
    [2, 1],
    [3, 1],
    [4, 2],
    [8, 4],
    [16, 8],
    [64, 8],
  ])('by itself is, on %i cores, %i', (cores, workers) => {
    expect(workerCount(settings(), cores)).toBe(workers)
  })

  test('is what was asked for, whatever the machine', () => {
    expect(workerCount(settings({ workers: 3 }), 1)).toBe(3)
  })

  test('is no more than the connections of a pool, of which each needs one', () => {
    expect(workerCount(settings({ workers: 8, pool: { maxConnections: 3 } }), 16)).toBe(3)
  })
})

describe('the shares of all workers', () => {
  const whole = settings({
    limits: {
      heldBytes: '5MiB',
      unsentBytes: '7MiB',
      unfinishedBytes: '8MiB',
      maxWaitingClients: 1_001,
      maxLoginsInFlight: 100,
      connectRate: '90/s',
      connectBurst: 31,
    },
    pool: { maxConnections: 20, minIdle: 2 },
  })
  const shares = [0, 1, 2].map((seat) => shareOf(whole, seat, 3))
  const sum = (of: (s: Settings) => unknown): number =>
    shares.reduce((all, s) => all + Number(of(s)), 0)

  test('are the whole', () => {
    expect(shares.map((s) => s.pool.maxConnections)).toEqual([7, 7, 6])
    expect(shares.map((s) => s.pool.minIdle)).toEqual([1, 1, 0])
    expect(sum((s) => s.limits.heldBytes)).toBe(whole.limits.heldBytes)
    expect(sum((s) => s.limits.unsentBytes)).toBe(whole.limits.unsentBytes)
    expect(sum((s) => s.limits.unfinishedBytes)).toBe(whole.limits.unfinishedBytes)
    expect(sum((s) => s.limits.maxWaitingClients)).toBe(1_001)
    expect(sum((s) => s.limits.maxLoginsInFlight)).toBe(100)
    expect(sum((s) => s.limits.connectRate)).toBeCloseTo(Number(whole.limits.connectRate))
    expect(sum((s) => s.limits.connectBurst)).toBe(31)
  })

  test('leave alone what is not shared out', () => {
    expect(shares[1]!.limits.maxClientConnections).toBe(whole.limits.maxClientConnections)
    expect(shares[1]!.pool.maxConnectionsPercent).toBe(whole.pool.maxConnectionsPercent)
    expect(shareOf(whole, 0, 1)).toBe(whole)
  })
})
