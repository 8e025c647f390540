/** The turnstile in front of login work: how much in one turn, and in which order. */
import { expect, it } from 'vitest'
import { FakeClock } from '../../../src/core/clock.ts'
import { Turnstile } from '../../../src/session/turnstile.ts'

function loop(perTurn: number) {
  const turns: (() => void)[] = []
  const passed: string[] = []
  const clock = new FakeClock()
  const later = (turn: () => void) => turns.push(turn)
  const turnstile = new Turnstile(perTurn, later, () => clock.monotonic())
  return {
    turnstile,
    clock,
    passed,
    come: (...names: string[]) => {
      for (const name of names) turnstile.enter({ pass: () => passed.push(name) })
    },
    /** One more turn of the loop; false when nobody has asked for one. */
    turn: () => {
      const turn = turns.shift()
      turn?.()
      return turn !== undefined
    },
  }
}

it('who comes alone passes at once', () => {
  const { come, passed } = loop(2)
  come('a')
  expect(passed).toEqual(['a'])
})

it('of many who come at once so many pass in each turn, in the order of their coming', () => {
  const { come, passed, turn, turnstile } = loop(2)
  come('a', 'b', 'c', 'd', 'e')
  expect(passed).toEqual(['a', 'b'])
  expect(turnstile.waiting).toBe(3)
  turn()
  expect(passed).toEqual(['a', 'b', 'c', 'd'])
  turn()
  expect(passed).toEqual(['a', 'b', 'c', 'd', 'e'])
})

it('who comes later does not pass before those who wait, though the turn has room', () => {
  const { come, passed, turn } = loop(2)
  come('a', 'b', 'c')
  turn()
  come('d', 'e')
  expect(passed).toEqual(['a', 'b', 'c', 'd'])
  turn()
  expect(passed).toEqual(['a', 'b', 'c', 'd', 'e'])
})

it('somebody who comes again while passing waits behind all others', () => {
  const { turnstile, passed, come, turn } = loop(2)
  let again = true
  const twice = {
    pass: () => {
      passed.push('twice')
      if (again) turnstile.enter(twice)
      again = false
    },
  }
  come('a', 'b')
  turnstile.enter(twice)
  come('c')
  while (turn());
  expect(passed).toEqual(['a', 'b', 'twice', 'c', 'twice'])
})

it('the loop is asked for no turn when there is nothing to do', () => {
  const { come, turn } = loop(2)
  come('a', 'b', 'c')
  let turns = 0
  while (turn()) turns++
  expect(turns).toBe(2)
  expect(turn()).toBe(false)
})

it('thousands who wait pass all, each once', () => {
  const { come, passed, turn } = loop(3)
  const names = Array.from({ length: 5_000 }, (_, i) => `${i}`)
  come(...names)
  while (turn());
  expect(passed).toEqual(names)
})

it('behind a long turn more pass, for a third of the time it took, but never for long', () => {
  const { turnstile, clock, passed, turn } = loop(2)
  for (let i = 0; i < 100; i++) {
    turnstile.enter({
      pass: () => {
        clock.advance(1)
        passed.push(`${i}`)
      },
    })
  }
  expect(passed).toHaveLength(2)
  turn()
  // Two steps of a millisecond each: less than one more fits into a third of that.
  expect(passed).toHaveLength(4)
  clock.advance(12)
  turn()
  expect(passed).toHaveLength(8)
  clock.advance(10_000)
  turn()
  expect(passed).toHaveLength(13)
})
