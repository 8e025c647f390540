/** Clients that do not read: who is cut, and who is only slow. */
import { expect, it } from 'vitest'
import { FakeClock } from '../../../src/core/clock.ts'
import { SlowReaders } from '../../../src/session/slow-readers.ts'

function readers(mostBytes = Infinity) {
  const clock = new FakeClock()
  const slow = new SlowReaders({ sendTimeoutMs: 10_000, mostBytes, now: () => clock.monotonic() })
  const reader = (unsent: number) => {
    const one = {
      link: {
        ...{ bytesWritten: unsent + 1_000, unsent, congested: true },
        destroy: () => {
          one.dropped = one.why
        },
      },
      why: '',
      /** Why, when what waited for it was given up with it. */
      dropped: '',
      cut: (reason: string) => {
        one.why = reason
      },
    }
    slow.lags(one)
    return one
  }
  const pass = (seconds: number, each = () => {}): void => {
    for (let i = 0; i < seconds; i++) {
      clock.advance(1_000)
      each()
      slow.look()
    }
  }
  return { slow, reader, pass }
}

it('one that takes nothing for so long is cut, one that takes a byte now and then is not', () => {
  const { slow, reader, pass } = readers()
  const [stuck, slowly] = [reader(500), reader(500)]
  pass(9, () => {
    slowly.link.unsent -= 1
  })
  expect([stuck.why, slowly.why]).toEqual(['', ''])
  pass(2)
  expect([stuck.why, slowly.why]).toEqual(['send-timeout', ''])
  expect(slow.size).toBe(1)
})

it('who has read all is looked at no more', () => {
  const { slow, reader, pass } = readers()
  const one = reader(500)
  slow.forget(one)
  pass(30)
  expect([one.why, slow.size, slow.bytes]).toEqual(['', 0, 0])
  one.link.congested = false
  expect(slow.lags(one)).toBe(false)
  expect(slow.size).toBe(0)
})

it('when too much waits for all, those go first that have taken nothing for longest', () => {
  const { reader, pass } = readers(1_000)
  const first = reader(600)
  pass(1)
  const second = reader(300)
  pass(1)
  const third = reader(300)
  expect(first.why).toBe('')
  pass(1)
  expect([first.why, second.why, third.why]).toEqual(['send-overflow', '', ''])
  // It is memory that is short.
  expect([first.dropped, second.dropped]).toEqual(['send-overflow', ''])
})
