import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { choose } from '../../../src/cluster/candidate.ts'

const node = (name: string, tier: number, received: number) => ({
  name,
  tier,
  received: BigInt(received),
})

describe('who is promoted', () => {
  test('the lowest tier, even when another reader has more, from which it catches up', () => {
    const choice = choose([node('node-2', 1, 900), node('node-3', 0, 100)])
    expect(choice?.chosen.name).toBe('node-3')
    expect(choice?.catchUpFrom?.name).toBe('node-2')
    expect(choice?.because).toBe('node-3 has the lowest tier (0)')
  })

  test('among equal tiers the one that received most', () => {
    const choice = choose([node('node-2', 1, 100), node('node-3', 1, 101)])
    expect(choice?.chosen.name).toBe('node-3')
    expect(choice?.catchUpFrom).toBeUndefined()
  })

  test('with all equal the lowest number, and node-2 is lower than node-10', () => {
    expect(choose([node('node-10', 1, 5), node('node-2', 1, 5)])?.chosen.name).toBe('node-2')
  })

  test('the named one whatever its tier', () => {
    const choice = choose([node('node-2', 0, 5), node('node-3', 15, 5)], 'node-3')
    expect(choice?.chosen.name).toBe('node-3')
    expect(choice?.catchUpFrom).toBeUndefined()
  })

  test('nobody when there is no candidate, or not the named one', () => {
    expect(choose([])).toBeUndefined()
    expect(choose([node('node-2', 1, 5)], 'node-3')).toBeUndefined()
  })

  test('never one that would lose records another candidate has', () => {
    const candidate = fc.record({
      name: fc.integer({ min: 1, max: 99 }).map((n) => `node-${n}`),
      tier: fc.integer({ min: 0, max: 15 }),
      received: fc.bigInt({ min: 0n, max: 1n << 63n }),
    })
    fc.assert(
      fc.property(
        fc.uniqueArray(candidate, { minLength: 1, maxLength: 8, selector: (c) => c.name }),
        (all) => {
          const choice = choose(all)
          const held = (choice?.catchUpFrom ?? choice?.chosen)?.received ?? -1n
          expect(all.every((c) => c.received <= held)).toBe(true)
          expect(all.every((c) => c.tier >= (choice?.chosen.tier ?? 16))).toBe(true)
        },
      ),
    )
  })
})
