import { beforeEach, describe, expect, it } from 'vitest'
import { BusyPoll } from '../../../src/net/busy-poll.ts'

const client = { name: 'client' }
const server = { name: 'server' }

let now: number
let due: (() => void)[]
let poll: BusyPoll

beforeEach(() => {
  now = 1_000
  due = []
  poll = new BusyPoll({ limitMs: 0.1, now: () => now, soon: (fn) => due.push(fn) })
})

/** One turn of the event loop. */
function turn(): void {
  for (const fn of due.splice(0)) fn()
}

/** So many reads, from the two in turn, each `gapMs` after the last. */
function reads(count: number, gapMs: number): void {
  for (let i = 0; i < count; i++) {
    now += gapMs
    poll.read(i % 2 === 0 ? client : server)
  }
}

describe('Looking for the next bytes', () => {
  it('begins when one client and one server connection have been read in time again and again', () => {
    reads(30, 0.05)
    expect(poll.looking).toBe(false)
    reads(10, 0.05)
    expect(poll.looking).toBe(true)
  })

  it('goes on turn by turn while bytes come, and sleeps when none come in time', () => {
    reads(40, 0.05)
    for (let i = 0; i < 5; i++) {
      turn()
      reads(2, 0.02)
    }
    expect(poll.looking).toBe(true)
    now += 0.11
    turn()
    expect(poll.looking).toBe(false)
    expect(due).toEqual([])
  })

  it('never begins for a client that thinks longer than that', () => {
    reads(200, 0.11)
    expect(poll.looking).toBe(false)
  })

  it('ends as soon as somebody else is read', () => {
    reads(40, 0.05)
    poll.read({ name: 'another client' })
    turn()
    expect(poll.looking).toBe(false)
  })

  it('never begins for links that nobody can tell apart', () => {
    for (let i = 0; i < 100; i++) {
      now += 0.01
      poll.read(undefined)
    }
    expect(poll.looking).toBe(false)
  })
})
