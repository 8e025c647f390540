/** Budgets shared out among paper workers whose messages take their time. */
import { describe, expect, test } from 'vitest'
import { Broker } from '../../../../src/app/workers/broker.ts'
import type { Need } from '../../../../src/app/workers/messages.ts'
import { FakeClock } from '../../../../src/core/clock.ts'

/** Numbers that come the same each time. */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** A worker with a line in both directions; nothing arrives before `deliver`. */
class PaperWorker {
  limit = 0
  order = -1
  /** Lent ones, idle ones, and those who wait for one. */
  busy = 0
  idle = 0
  waiting = 0
  served = 0
  alive = true
  readonly down: (() => void)[] = []
  readonly up: Need[] = []
  readonly number: number

  constructor(broker: Broker, number: number) {
    this.number = number
    broker.join(number, {
      allow: ({ order, limit }) => {
        this.down.push(() => {
          this.order = order
          this.limit = limit
          this.#fit()
        })
      },
      yield: (_, order, most) => {
        this.down.push(() => {
          this.order = order
          for (let left = most; left > 0 && this.waiting === 0; left--) {
            if (this.taken >= this.limit && this.idle === 0) break
            if (this.taken >= this.limit) this.idle--
            this.limit--
          }
          this.tell()
        })
      },
      denied: () => {
        this.down.push(() => this.tell())
      },
    })
  }

  get taken(): number {
    return this.busy + this.idle
  }

  #fit(): void {
    while (this.taken > this.limit && this.idle > 0) this.idle--
    this.tell()
  }

  /** Whoever waits is served from what is idle, or by one more. */
  tell(): void {
    while (this.waiting > 0 && (this.idle > 0 || this.taken < this.limit)) {
      if (this.idle > 0) this.idle--
      this.busy++
      this.waiting--
      this.served++
    }
    const { order, limit, taken, waiting } = this
    if (order < 0) return
    this.up.push({ kind: 'need', node: 'n', order, limit, taken, wants: waiting })
  }

  ask(): void {
    this.waiting++
    this.tell()
  }

  /** A connection comes back: it goes when there are too many, and is idle otherwise. */
  release(): void {
    if (this.busy === 0) return
    this.busy--
    if (this.taken < this.limit) this.idle++
    this.tell()
  }
}

function deliver(broker: Broker, worker: PaperWorker): void {
  worker.down.shift()?.()
  const need = worker.up.shift()
  if (need !== undefined && worker.alive) broker.heard(worker.number, need)
}

function settle(broker: Broker, workers: readonly PaperWorker[]): void {
  for (let i = 0; i < 1_000; i++) {
    if (workers.every((w) => w.down.length + w.up.length === 0)) return
    for (const worker of workers) deliver(broker, worker)
  }
  throw new Error('they talk for ever')
}

function house(limit: number, count: number) {
  const clock = new FakeClock()
  const broker = new Broker('n', clock, count)
  broker.setLimit(limit)
  const workers = Array.from({ length: count }, (_, i) => new PaperWorker(broker, i + 1))
  settle(broker, workers)
  const pass = (ms: number): void => {
    for (let t = 0; t < ms; t += 10) {
      clock.advance(10)
      settle(broker, workers)
    }
  }
  return { clock, broker, workers, pass }
}

describe('what all workers have together', () => {
  test.each(Array.from({ length: 40 }, (_, i) => i + 1))(
    'is never more than the budget, however messages cross, seed %i',
    (seed) => {
      const random = numbers(seed)
      const clock = new FakeClock()
      const limit = 1 + Math.floor(random() * 12)
      const count = 2 + Math.floor(random() * 4)
      const broker = new Broker('n', clock, count)
      broker.setLimit(limit)
      let workers = Array.from({ length: count }, (_, i) => new PaperWorker(broker, i + 1))
      const ghosts = new Map<PaperWorker, number>()
      let next = count
      const held = (): number => [...workers, ...ghosts.keys()].reduce((sum, w) => sum + w.taken, 0)
      for (let step = 0; step < 3_000; step++) {
        const worker = workers[Math.floor(random() * workers.length)]!
        const what = random()
        if (what < 0.5) deliver(broker, worker)
        else if (what < 0.7) worker.ask()
        else if (what < 0.9) worker.release()
        else if (what < 0.97) clock.advance(10)
        else if (what < 0.98) {
          // Killed: its backends stay for a while.
          worker.alive = false
          broker.leave(worker.number)
          ghosts.set(worker, step)
          workers = [...workers.filter((w) => w !== worker), new PaperWorker(broker, ++next)]
        } else {
          for (const [ghost] of ghosts) {
            ghost.busy = 0
            ghost.idle = 0
            ghosts.delete(ghost)
            broker.release(ghost.number)
            break
          }
        }
        expect(held()).toBeLessThanOrEqual(limit)
        expect(broker.held).toBeLessThanOrEqual(limit)
      }
      // And when all comes back, everybody who waits is served.
      for (const [ghost] of ghosts) broker.release(ghost.number)
      for (let round = 0; round < 20_000 && workers.some((w) => w.waiting > 0); round++) {
        for (const worker of workers) {
          worker.release()
          deliver(broker, worker)
        }
        clock.advance(10)
      }
      expect(workers.map((w) => w.waiting)).toEqual(workers.map(() => 0))
    },
  )
})

describe('a place', () => {
  test('that lies free elsewhere comes at once', () => {
    const { broker, workers } = house(10, 2)
    expect(workers.map((w) => w.limit)).toEqual([5, 5])
    for (let i = 0; i < 10; i++) workers[0]!.ask()
    settle(broker, workers)
    expect(workers.map((w) => w.busy)).toEqual([10, 0])
  })

  test('of an idle connection elsewhere comes at once', () => {
    const { broker, workers } = house(4, 2)
    const [a, b] = workers as [PaperWorker, PaperWorker]
    for (let i = 0; i < 4; i++) a.ask()
    settle(broker, workers)
    for (let i = 0; i < 4; i++) a.release()
    settle(broker, workers)
    expect([a.idle, b.taken]).toEqual([4, 0])
    b.ask()
    settle(broker, workers)
    expect([a.idle, b.busy]).toEqual([3, 1])
  })

  test('is given up by whoever has more as soon as one comes back, and not before', () => {
    const { broker, workers, pass } = house(4, 2)
    const [a, b] = workers as [PaperWorker, PaperWorker]
    for (let i = 0; i < 9; i++) a.ask()
    settle(broker, workers)
    expect([a.busy, a.waiting]).toEqual([4, 5])
    b.ask()
    settle(broker, workers)
    pass(500)
    expect([a.busy, b.busy]).toEqual([4, 0])
    a.release()
    settle(broker, workers)
    pass(50)
    expect([a.busy, b.busy]).toEqual([3, 1])
    for (let i = 0; i < 3; i++) b.ask()
    for (let i = 0; i < 6; i++) {
      a.release()
      pass(50)
    }
    // Alike, and there it stays: nobody takes from the other what both need.
    expect([a.busy, b.busy]).toEqual([2, 2])
  })

  test('of one for two goes to and fro, so that nobody starves', () => {
    const { broker, workers, pass } = house(1, 2)
    const [a, b] = workers as [PaperWorker, PaperWorker]
    // More than can be served here: neither ever has an idle one to spare.
    for (let i = 0; i < 500; i++) {
      a.ask()
      b.ask()
    }
    settle(broker, workers)
    for (let i = 0; i < 60; i++) {
      a.release()
      b.release()
      pass(100)
      expect(a.taken + b.taken).toBeLessThanOrEqual(1)
    }
    expect(a.served).toBeGreaterThan(5)
    expect(b.served).toBeGreaterThan(5)
  })

  test('of a killed worker is given to nobody until its connections are gone', () => {
    const { broker, workers, pass } = house(4, 2)
    const [a, b] = workers as [PaperWorker, PaperWorker]
    a.ask()
    a.ask()
    for (let i = 0; i < 6; i++) b.ask()
    settle(broker, workers)
    expect([a.busy, b.busy]).toEqual([2, 2])
    a.alive = false
    broker.leave(a.number)
    pass(5_000)
    expect(b.busy).toBe(2)
    expect(broker.haunts(a.number)).toBe(true)
    broker.release(a.number)
    settle(broker, workers)
    expect(b.busy).toBe(4)
  })

  test('is taken back when the node gives fewer', () => {
    const { broker, workers, pass } = house(8, 2)
    const [a, b] = workers as [PaperWorker, PaperWorker]
    for (let i = 0; i < 4; i++) {
      a.ask()
      b.ask()
    }
    settle(broker, workers)
    for (let i = 0; i < 4; i++) a.release()
    broker.setLimit(4)
    settle(broker, workers)
    pass(100)
    expect(a.limit + b.limit).toBeLessThanOrEqual(4)
    for (let i = 0; i < 4; i++) b.release()
    pass(100)
    expect(a.taken + b.taken).toBeLessThanOrEqual(4)
    expect(broker.held).toBeLessThanOrEqual(4)
  })
})

test('nobody is asked for anything while nobody wants anything', () => {
  const { broker, workers, clock } = house(10, 3)
  workers[0]!.ask()
  settle(broker, workers)
  expect(workers.every((w) => w.down.length === 0)).toBe(true)
  expect(clock.pending).toBe(0)
})
