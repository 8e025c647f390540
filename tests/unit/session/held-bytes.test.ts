import { expect, test } from 'vitest'
import { type Held, HeldBytes } from '../../../src/session/held-bytes.ts'

class Reader implements Held {
  reads = true
  readonly link = {
    pause: () => {
      this.reads = false
    },
    resume: () => {
      this.reads = true
    },
  }
}

test('beyond the bound of all together only those who send on are no longer read from', () => {
  const held = new HeldBytes(1_000)
  const [a, b, c] = [new Reader(), new Reader(), new Reader()]
  held.note(a, 600)
  held.note(b, 400)
  expect([a.reads, b.reads]).toEqual([true, true])
  held.note(b, 500)
  held.note(c, 10)
  expect([a.reads, b.reads, c.reads]).toEqual([true, false, false])
  expect(held.total).toBe(1_110)
  held.release(b)
  expect([b.reads, held.total]).toEqual([true, 610])
})

test('one client holds no more than its own share, however much room there is', () => {
  const held = new HeldBytes(1_000_000_000)
  const greedy = new Reader()
  held.note(greedy, 262_144)
  expect(greedy.reads).toBe(true)
  held.note(greedy, 262_145)
  expect(greedy.reads).toBe(false)
})

test('whoever is gone or waits no longer holds nothing', () => {
  const held = new HeldBytes(100)
  const [a, b] = [new Reader(), new Reader()]
  held.note(a, 70)
  held.note(b, 20)
  held.forget(a)
  held.forget(a)
  held.note(b, 0)
  held.release(b)
  expect(held.total).toBe(0)
})
