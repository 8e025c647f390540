/** When a client gets its notifications, in what order, and how many may wait for it. */
import { expect, it } from 'vitest'
import { NotificationQueue } from '../../../src/session/notification-queue.ts'

function table(limit = 10_000) {
  const delivered: string[] = []
  const overflows: number[] = []
  const channels = new Set(['a', 'b'])
  const client = {
    listens: true,
    wants: (channel: string) => channels.has(channel),
    deliver: (message: Buffer) => delivered.push(message.toString()),
    overflowed: (bytes: number) => overflows.push(bytes),
  }
  return { client, channels, delivered, overflows, queue: new NotificationQueue(client, limit) }
}

it('an idle client gets them at once', () => {
  const { queue, delivered } = table()
  queue.push('a', Buffer.from('1'))
  expect(delivered).toEqual(['1'])
  expect(queue.bytes).toBe(0)
})

it('a client in a transaction gets them afterwards, in order', () => {
  const { queue, client, delivered } = table()
  client.listens = false
  queue.push('a', Buffer.from('1'))
  queue.push('b', Buffer.from('2'))
  queue.flush()
  expect(delivered).toEqual([])
  client.listens = true
  // One that comes now may not overtake those that wait.
  queue.push('a', Buffer.from('3'))
  expect(delivered).toEqual([])
  queue.flush()
  expect(delivered).toEqual(['1', '2', '3'])
  expect(queue.bytes).toBe(0)
})

it('whether a client listens to a channel counts when it is delivered', () => {
  const { queue, client, channels, delivered } = table()
  client.listens = false
  channels.delete('a')
  queue.push('a', Buffer.from('1'))
  queue.push('b', Buffer.from('2'))
  channels.delete('b')
  channels.add('a')
  client.listens = true
  queue.flush()
  expect(delivered).toEqual(['1'])
  queue.push('b', Buffer.from('3'))
  expect(delivered).toEqual(['1'])
})

it('what nobody knows yet whether it is wanted waits, and all behind it', () => {
  const { queue, client, channels, delivered } = table()
  const known = client.wants
  client.wants = (channel) => (channel === 'c' ? undefined : known(channel)) as boolean
  queue.push('c', Buffer.from('1'))
  queue.push('a', Buffer.from('2'))
  queue.flush()
  expect(delivered).toEqual([])
  client.wants = known
  channels.add('c')
  queue.flush()
  expect(delivered).toEqual(['1', '2'])
})

it('delivery stops when the client no longer reads, and goes on where it stopped', () => {
  const { queue, client, delivered } = table()
  client.listens = false
  for (const n of ['1', '2', '3', '4']) queue.push('a', Buffer.from(n))
  client.deliver = (message) => {
    client.listens = message.toString() !== '2'
    return delivered.push(message.toString())
  }
  client.listens = true
  queue.flush()
  expect(delivered).toEqual(['1', '2'])
  client.listens = true
  queue.flush()
  expect(delivered).toEqual(['1', '2', '3', '4'])
})

it('more than may wait is said once, and then nothing waits any more', () => {
  const { queue, client, overflows, delivered } = table(1_000)
  client.listens = false
  for (let i = 0; i < 20; i++) queue.push('a', Buffer.alloc(100, 0x61))
  expect(overflows).toEqual([7 * 164])
  expect(queue.bytes).toBe(0)
  client.listens = true
  queue.flush()
  expect(delivered).toEqual([])
})

it('the bound counts what waits now, not what has ever waited', () => {
  const { queue, client, overflows, delivered } = table(1_000)
  for (let round = 0; round < 10; round++) {
    client.listens = false
    for (let i = 0; i < 5; i++) queue.push('a', Buffer.alloc(100, 0x61))
    client.listens = true
    queue.flush()
  }
  expect(overflows).toEqual([])
  expect(delivered).toHaveLength(50)
})
