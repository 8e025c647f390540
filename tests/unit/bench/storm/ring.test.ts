/** Who is asked when. */
import { describe, expect, it } from 'vitest'
import { Ring } from '../../../../src/bench/storm/ring.ts'

function walked(ring: Ring<string>, ...times: number[]): [string, number][] {
  const dues: [string, number][] = []
  for (const now of times) ring.walk(now, (client, at) => dues.push([client, at]))
  return dues
}

describe('The ring', () => {
  it('makes everybody due once a period, at the same place each time', () => {
    const ring = new Ring<string>(100, 0)
    for (let i = 0; i < 50; i++) ring.add(`c${i}`, i)
    const dues = walked(ring, 100, 200, 300)
    expect(dues).toHaveLength(150)
    const places = new Map<string, Set<number>>()
    for (const [client, at] of dues) {
      places.set(client, (places.get(client) ?? new Set()).add(at % 100))
    }
    expect([...places.values()].every((set) => set.size === 1)).toBe(true)
  })

  it('spreads clients, so that they are no drum', () => {
    const ring = new Ring<string>(1_000, 0)
    for (let i = 0; i < 1_000; i++) ring.add(`c${i}`, i)
    const tenths = new Array<number>(10).fill(0)
    for (const [, at] of walked(ring, 999)) tenths[Math.floor(at / 100)]!++
    for (const count of tenths) expect(Math.abs(count - 100)).toBeLessThan(5)
  })

  it('forgets nobody when it is walked late, and says when they were due', () => {
    const [early, late] = [new Ring<string>(50, 0), new Ring<string>(50, 0)]
    for (const ring of [early, late]) for (let i = 0; i < 7; i++) ring.add(`c${i}`, i)
    const often = Array.from({ length: 500 }, (_, i) => i)
    expect(walked(late, 499)).toEqual(walked(early, ...often))
  })

  it('leaves out who was removed', () => {
    const ring = new Ring<string>(10, 0)
    ring.add('a', 1)
    ring.add('b', 2)
    ring.remove('a', 1)
    expect(walked(ring, 10).map(([client]) => client)).toEqual(['b'])
  })
})
