/** Long messages of which half is here: what all of them may hold, and who goes when it is too much. */
import { expect, it } from 'vitest'
import { HalfMessages } from '../../../src/session/half-messages.ts'

function client() {
  const one = {
    state: 'idle',
    why: '',
    cut: (reason: string) => {
      one.why = reason
      one.state = 'closed'
    },
  }
  return one
}

it('those that began first go first when too much is held', () => {
  const halves = new HalfMessages(300_000)
  const [first, second, third] = [client(), client(), client()]
  halves.note(first, 100_000)
  halves.note(second, 100_000)
  halves.note(first, 200_000)
  expect([halves.total, first.why]).toEqual([300_000, ''])
  halves.note(third, 100_000)
  expect([first.why, second.why, third.why]).toEqual(['half-messages', '', ''])
  expect(halves.total).toBe(200_000)
})

it('who has sent its message, or is gone, holds nothing', () => {
  const halves = new HalfMessages(300_000)
  const [sent, gone, short] = [client(), client(), client()]
  halves.note(sent, 100_000)
  halves.note(gone, 100_000)
  halves.note(short, 60_000)
  halves.note(sent, 0)
  halves.forget(gone)
  gone.state = 'closed'
  halves.note(gone, 100_000)
  expect(halves.total).toBe(0)
})

it('a single message that is more than all may hold is cut itself', () => {
  const halves = new HalfMessages(300_000)
  const one = client()
  halves.note(one, 300_001)
  expect([one.why, halves.total]).toEqual(['half-messages', 0])
})
