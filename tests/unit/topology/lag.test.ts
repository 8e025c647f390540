import { describe, expect, it } from 'vitest'
import { extendTrail, lagOf } from '../../../src/topology/lag.ts'
import type { TrailPoint } from '../../../src/topology/observed.ts'
import { asReader } from './nodes.ts'

const TRAIL: TrailPoint[] = [
  { at: 0, lsn: 100n },
  { at: 1_000, lsn: 180n },
  { at: 2_000, lsn: 300n },
]

describe('lag', () => {
  const cases: [string, Parameters<typeof asReader>[0], number, number | undefined][] = [
    ['is 0 for a reader that has all', { lsn: 300n }, 5_000, 0],
    [
      'stays 0 on an idle cluster, whatever the replay timestamp says',
      { lsn: 300n, replayAgeMs: 9e6 },
      1e7,
      0,
    ],
    ['is the age of the first byte lacking', { lsn: 200n }, 5_000, 3_833],
    ['grows while the reader stands still', { lsn: 200n }, 6_000, 4_833],
    ['believes a lower replay age', { lsn: 200n, replayAgeMs: 3_100 }, 5_000, 3_100],
    [
      'but never less than the age of the point lacking',
      { lsn: 200n, replayAgeMs: 5 },
      5_000,
      3_000,
    ],
    ['of a reader before the trail is at least its length', { lsn: 50n }, 5_000, 5_000],
    [
      'of a reader before the trail believes a higher replay age',
      { lsn: 50n, replayAgeMs: 9_000 },
      5_000,
      9_000,
    ],
    [
      'ignores the position of one left on an old timeline',
      { lsn: 900n, timeline: 1, streaming: false },
      5_000,
      5_000,
    ],
    [
      'trusts the position of one that streams the new timeline',
      { lsn: 900n, timeline: 1, streaming: true },
      5_000,
      0,
    ],
  ]
  it.each(cases)('%s', (_name, reader, at, lag) => {
    expect(lagOf(asReader(reader), at, TRAIL, 2)).toBe(lag)
  })

  const blind: [string, Parameters<typeof asReader>[0], number | undefined][] = [
    ['is 0 when all received is replayed and more can come', { replayAgeMs: 700 }, 0],
    ['is the replay age when nothing is received', { replayAgeMs: 700, streaming: false }, 700],
    ['is the replay age when replay is behind', { replayAgeMs: 700, receivedLsn: 2000n }, 700],
    ['is never negative when clocks differ', { replayAgeMs: -20, streaming: false }, 0],
    ['is not known when nothing tells', { streaming: undefined }, undefined],
  ]
  it.each(blind)('without a writer to compare with %s', (_name, reader, lag) => {
    expect(lagOf(asReader(reader), 5_000, [], undefined)).toBe(lag)
  })
})

describe('the trail', () => {
  it('moves its last point on while the writer is idle', () => {
    expect(extendTrail(TRAIL, 9_000, 300n).at(-1)).toEqual({ at: 9_000, lsn: 300n })
    expect(extendTrail(TRAIL, 9_000, 300n)).toHaveLength(3)
  })

  it('does not fill up with the points of a fast alarm', () => {
    let trail: readonly TrailPoint[] = []
    for (let i = 0; i < 100; i++) trail = extendTrail(trail, i * 50, BigInt(i))
    expect(trail.length).toBeLessThan(40)
    expect(trail.at(-1)).toEqual({ at: 99 * 50, lsn: 99n })
  })

  it('is bounded', () => {
    let trail: readonly TrailPoint[] = []
    for (let i = 0; i < 2_000; i++) trail = extendTrail(trail, i * 1_000, BigInt(i))
    expect(trail).toHaveLength(512)
    expect(trail[0]).toEqual({ at: 1_488_000, lsn: 1488n })
  })

  it('begins anew when the position goes back', () => {
    expect(extendTrail(TRAIL, 3_000, 10n)).toEqual([{ at: 3_000, lsn: 10n }])
  })
})
