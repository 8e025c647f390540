import { describe, expect, it } from 'vitest'
import type { Clock } from '../../../src/core/clock.ts'
import { beginPatience } from '../../../src/topology/patience.ts'

/** A clock whose process can be busy: time goes on, and what fell due meanwhile fires late. */
class BusyClock implements Clock {
  now = 0
  #timers: { at: number; fn: () => void }[] = []

  monotonic(): number {
    return this.now
  }

  wall(): number {
    return this.now
  }

  after(ms: number, fn: () => void) {
    const timer = { at: this.now + ms, fn }
    this.#timers.push(timer)
    return { cancel: () => this.#drop(timer) }
  }

  get pending(): number {
    return this.#timers.length
  }

  /** Blocks for `ms`, then fires what is due: one turn of a loop, timers before sockets. */
  block(ms: number): void {
    this.now += ms
    const due = this.#timers.filter((t) => t.at <= this.now).sort((a, b) => a.at - b.at)
    for (const timer of due) {
      if (!this.#timers.includes(timer)) continue
      this.#drop(timer)
      timer.fn()
    }
  }

  /** Time during which nothing blocks. */
  pass(ms: number): void {
    for (let i = 0; i < ms; i++) this.block(1)
  }

  #drop(timer: { at: number; fn: () => void }): void {
    this.#timers = this.#timers.filter((t) => t !== timer)
  }
}

function waiting(slowMs = 250, limitMs = 500) {
  const clock = new BusyClock()
  const said: string[] = []
  const timer = beginPatience({
    clock,
    slowMs,
    limitMs,
    slow: () => said.push(`slow at ${clock.now}`),
    over: () => said.push(`over at ${clock.now}`),
  })
  return { clock, said, timer }
}

describe('patience', () => {
  it('says when an answer is slow and when it is over, to the millisecond', () => {
    const { clock, said } = waiting()
    clock.pass(2_000)
    expect(said).toEqual(['slow at 250', 'over at 500'])
    expect(clock.pending).toBe(0)
  })

  it('says nothing once it was cancelled', () => {
    const { clock, said, timer } = waiting()
    clock.pass(100)
    timer.cancel()
    clock.pass(2_000)
    expect(said).toEqual([])
  })

  it('never calls slow what may not take that long', () => {
    const { clock, said } = waiting(250, 250)
    clock.pass(2_000)
    expect(said).toEqual(['over at 250'])
  })

  it('lets a block count as one step, so that an answer that came meanwhile is read first', () => {
    const { clock, said } = waiting()
    clock.pass(10)
    clock.block(480)
    expect(said).toEqual([])
    clock.pass(300)
    expect(said).toEqual(['slow at 640'])
    clock.pass(300)
    expect(said).toEqual(['slow at 640', 'over at 890'])
  })

  it('gives one more look when the last step itself was late', () => {
    const { clock, said } = waiting()
    clock.pass(460)
    clock.block(600)
    expect(said).toEqual(['slow at 250'])
    clock.pass(200)
    expect(said).toEqual(['slow at 250', 'over at 1160'])
  })

  it('ends, late, when the process is busy all the time', () => {
    const { clock, said } = waiting()
    while (clock.now < 4_000) clock.block(300)
    expect(said.at(-1)).toMatch(/^over at (1[0-9]|2[0-1])00$/)
  })
})
