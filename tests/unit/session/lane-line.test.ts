/** Those who wait for a place on a shared server connection. */
import { expect, it } from 'vitest'
import type { Ride } from '../../../src/protocol/ride.ts'
import { LaneLine } from '../../../src/session/lane-line.ts'
import { type Passer, SHARING } from '../../../src/session/rider.ts'

interface Somebody {
  readonly passer: Passer
  readonly ride: Ride
}

function somebody(name: string, putBack: string[] = []): Somebody {
  return {
    passer: { name, putBack: () => putBack.push(name) } as never,
    ride: { name } as never,
  }
}

const nameOf = (thing: unknown): string => (thing as { name: string }).name

/** Joins and takes out at random beside a plain list, which must agree. */
it('is a line, whoever leaves it from the middle and however long it stands', () => {
  const line = new LaneLine()
  const model: Somebody[] = []
  let random = 7
  const next = (below: number): number => {
    random = (random * 48_271) % 2_147_483_647
    return random % below
  }
  for (let i = 0; i < 20_000; i++) {
    const what = next(10)
    if (what < 5 || model.length === 0) {
      const one = somebody(`c${i}`)
      line.join(one.passer, one.ride)
      model.push(one)
    } else if (what < 8) {
      const first = model.shift()!
      expect(line.first).toBe(first.passer)
      expect(line.shift()).toBe(first.ride)
    } else if (what === 8) {
      const [gone] = model.splice(next(model.length), 1)
      line.leave(gone!.passer)
      // Who has left cannot leave again.
      line.leave(gone!.passer)
    } else line.tick({ ...SHARING, slowTicks: Number.POSITIVE_INFINITY })
    expect(line.length).toBe(model.length)
    expect(line.first).toBe(model[0]?.passer)
  }
})

it('sends all on, in order, when the first has stood there for some ticks', () => {
  const putBack: string[] = []
  const line = new LaneLine()
  const all = ['a', 'b', 'c', 'd'].map((name) => somebody(name, putBack))
  for (const { passer, ride } of all) line.join(passer, ride)
  const rules = { ...SHARING, slowTicks: 2 }
  line.tick(rules)
  expect(nameOf(line.shift())).toBe('a')
  line.leave(all[2]!.passer)
  line.tick(rules)
  line.tick(rules)
  expect(putBack).toEqual([])
  line.tick(rules)
  expect(putBack).toEqual(['b', 'd'])
  expect(line.length).toBe(0)
  expect(() => line.shift()).toThrow('nobody waits')
})
