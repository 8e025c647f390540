import { describe, expect, it } from 'vitest'
import { Deadline, TimerWheel } from '../../../src/core/timer-wheel.ts'

function wheel() {
  let now = 0
  const made = new TimerWheel(100, () => now)
  return {
    wheel: made,
    at(ms: number) {
      now = ms
      made.turn()
    },
  }
}

describe('the timer wheel', () => {
  it('fires at most one tick late and never early', () => {
    const { wheel: w, at } = wheel()
    const fired: number[] = []
    w.arm(new Deadline(() => fired.push(1)), 250)
    at(200)
    expect(fired).toEqual([])
    at(300)
    expect(fired).toEqual([1])
    expect(w.armed).toBe(0)
  })

  it('keeps a deadline further away than one lap in its slot until its own tick', () => {
    const { wheel: w, at } = wheel()
    let fired = false
    w.arm(new Deadline(() => (fired = true)), 30_000)
    at(26_000)
    expect(fired).toBe(false)
    at(30_000)
    expect(fired).toBe(true)
  })

  it('keeps time for a deadline that the last one armed while firing', () => {
    const { wheel: w, at } = wheel()
    const fired: string[] = []
    const second = new Deadline(() => fired.push('second'))
    w.arm(
      new Deadline(() => {
        fired.push('first')
        w.arm(second, 500)
      }),
      1_000,
    )
    at(1_000)
    expect(fired).toEqual(['first'])
    at(1_400)
    expect(fired).toEqual(['first'])
    at(1_500)
    expect(fired).toEqual(['first', 'second'])
  })

  it('forgets a cancelled deadline and never arms one for ever', () => {
    const { wheel: w, at } = wheel()
    let fired = 0
    const deadline = new Deadline(() => fired++)
    w.arm(deadline, 100)
    w.cancel(deadline)
    w.arm(deadline, Infinity)
    expect(w.armed).toBe(0)
    at(10_000)
    expect(fired).toBe(0)
  })
})
