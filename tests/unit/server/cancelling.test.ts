/** When a cancel request is sent for a server connection, and how long that connection is held. */
import { expect, it } from 'vitest'
import type { CancelTarget } from '../../../src/protocol/contract.ts'
import { Cancelling } from '../../../src/server/cancelling.ts'

/** A connection whose cancel requests the test lets land. */
function table() {
  const sent: ((landed: boolean) => void)[] = []
  let target: CancelTarget = 'client'
  const cancelling = new Cancelling(() => new Promise((resolve) => sent.push(resolve)))
  const ended: string[] = []
  return {
    cancelling,
    sent,
    ended,
    becomes: (next: CancelTarget) => {
      target = next
    },
    ask: (name: string) => {
      void cancelling.request(() => target).then(() => ended.push(name))
    },
    land: async (landed = true) => {
      sent.shift()!(landed)
      await settle()
    },
  }
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

it('one request is on its way at a time, and all that come meanwhile are one more', async () => {
  const { ask, sent, land, ended, cancelling } = table()
  for (const name of ['a', 'b', 'c']) ask(name)
  expect(sent).toHaveLength(1)
  await land()
  expect(ended).toEqual(['a'])
  expect(sent).toHaveLength(1)
  expect(cancelling.pending).toBe(true)
  await land()
  expect(ended).toEqual(['a', 'b', 'c'])
  expect(sent).toHaveLength(0)
  expect(cancelling.pending).toBe(false)
})

it('a second request is not sent when the first has done its work', async () => {
  const { ask, sent, land, becomes, ended } = table()
  ask('a')
  ask('b')
  becomes('nothing')
  await land()
  expect(sent).toHaveLength(0)
  expect(ended).toEqual(['a', 'b'])
})

it('a request waits while it would hit a query of our own', async () => {
  const { ask, sent, becomes, cancelling, land, ended } = table()
  becomes('weir')
  ask('a')
  expect(sent).toHaveLength(0)
  becomes('client')
  cancelling.look()
  expect(sent).toHaveLength(1)
  await land()
  expect(ended).toEqual(['a'])
})

it('a request for nothing is over at once', async () => {
  const { ask, sent, becomes, ended, cancelling } = table()
  becomes('nothing')
  ask('a')
  await settle()
  expect({ sent: sent.length, pending: cancelling.pending, ended }).toEqual({
    sent: 0,
    pending: false,
    ended: ['a'],
  })
})

it('whoever waits for the connection waits for every request that is sent', async () => {
  const { ask, land, cancelling } = table()
  ask('a')
  ask('b')
  let free = false
  void cancelling.settled().then(() => {
    free = true
  })
  await land()
  expect(free).toBe(false)
  await land()
  expect(free).toBe(true)
})

it('a request of which nobody knows what became spoils the connection for good', async () => {
  const { ask, land, cancelling } = table()
  ask('a')
  await land(false)
  expect(cancelling).toMatchObject({ pending: false, unsure: true })
  ask('b')
  await land(true)
  expect(cancelling.unsure).toBe(true)
})

it('what still waits when the connection goes is forgotten', async () => {
  const { ask, sent, becomes, cancelling, ended } = table()
  becomes('weir')
  ask('a')
  cancelling.end()
  await settle()
  expect(ended).toEqual(['a'])
  becomes('client')
  cancelling.look()
  expect(sent).toHaveLength(0)
})
