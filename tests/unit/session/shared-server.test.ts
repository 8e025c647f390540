/** Clients whose requests ride on one server connection, one behind the other. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { SharingRules } from '../../../src/session/rider.ts'
import {
  commandComplete,
  dataRow,
  errorResponse,
  readyForQuery,
} from '../../../src/wire/postgres/backend.ts'
import { query } from '../../../src/wire/postgres/frontend.ts'
import {
  answerTo,
  type PaperClient,
  type PaperNode,
  SharingTable,
} from '../../support/sharing-table.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const ticks = (count: number): void => {
  vi.advanceTimersByTime(10 * count)
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

interface Scene {
  readonly table: SharingTable
  readonly node: PaperNode
  readonly clients: readonly PaperClient[]
}

/** So many clients, and a kind of request that is known to be quick. */
function scene(count: number, rules: Partial<SharingRules> = {}, nodes = 1): Scene {
  const table = new SharingTable(rules)
  const node = table.node()
  const clients = Array.from({ length: count }, () => table.client())
  for (const client of clients) {
    client.ask("select 'w'")
    node.answer(9)
  }
  for (let i = 0; i < 3; i++) {
    clients[0]!.ask("select 'w'")
    node.answer(9)
  }
  expect(table.house.counters.rides).toBeGreaterThan(0)
  for (let i = 1; i < nodes; i++) table.node()
  for (const client of clients) client.got.length = 0
  table.notes.length = 0
  return { table, node, clients }
}

async function board({ clients }: Scene, from = 0): Promise<void> {
  for (let i = from; i < clients.length; i++) clients[i]!.ask(`select 'c${i}'`)
  await turn()
}

const answers = ({ clients }: Scene): string[][] => clients.map(({ got }) => [...got])
const every = (count: number): string[][] => Array.from({ length: count }, (_, i) => [`c${i}`, 'Z'])

it('all ride on one server connection, and each gets its own answer', async () => {
  const at = scene(5)
  await board(at)
  expect(at.node.asked).toEqual(['c0', 'c1', 'c2', 'c3', 'c4'])
  at.node.answer(2)
  at.node.answer(3)
  expect(answers(at)).toEqual(every(5))
  expect(at.table.notes).toEqual([])
})

it('whoever sends on meanwhile is answered in order', async () => {
  const at = scene(2)
  await board(at)
  at.clients[0]!.link.deliver(Buffer.concat([query("select 'more'"), query("select 'last'")]))
  at.node.answer(2)
  await turn()
  while (at.node.asked.length > 0) at.node.answer(1)
  expect(answers(at)).toEqual([
    ['c0', 'Z', 'more', 'Z', 'last', 'Z'],
    ['c1', 'Z'],
  ])
})

it('nobody waits behind one that takes long; late answers reach nobody', async () => {
  const at = scene(3, {}, 2)
  await board(at)
  const other = at.table.nodes[1]!
  ticks(5)
  await turn()
  expect(other.asked).toEqual(['c1'])
  other.answer(1)
  other.answer(1)
  expect(answers(at)).toEqual([[], ['c1', 'Z'], ['c2', 'Z']])
  at.node.answer(3)
  expect(answers(at)).toEqual(every(3))
  expect(at.table.house.counters.ridesPutBack.snapshot()).toEqual({ slow: 2 })
})

it('nobody waits behind a large answer', async () => {
  const at = scene(2, { largeBytes: 1_000 }, 2)
  await board(at)
  at.node.asked.shift()
  at.node.link.deliver(dataRow(['x'.repeat(2_000)]))
  const other = at.table.nodes[1]!
  expect(other.asked).toEqual(['c1'])
  other.answer(1)
  expect(at.clients[1]!.got).toEqual(['c1', 'Z'])
  at.node.link.deliver(Buffer.concat([commandComplete('SELECT 1'), readyForQuery('I')]))
  at.node.answer(1)
  expect(at.clients[0]!.got).toEqual(['x'.repeat(2_000), 'Z'])
  expect(at.clients[1]!.got).toEqual(['c1', 'Z'])
})

it('a client that does not read holds up itself alone', async () => {
  const at = scene(2, {}, 2)
  await board(at)
  at.clients[0]!.link.congested = true
  at.node.link.deliver(dataRow(['half']))
  expect(at.node.link.paused).toBe(true)
  const other = at.table.nodes[1]!
  other.answer(1)
  expect(at.clients[1]!.got).toEqual(['c1', 'Z'])
  at.clients[0]!.link.congested = false
  at.clients[0]!.link.receiver.drained()
  expect(at.node.link.paused).toBe(false)
})

it('a cancelled request behind others is not carried out for its client; the others are', async () => {
  const at = scene(3)
  await board(at)
  void at.clients[1]!.session.cancel()
  at.table.house.turn.flush()
  expect(at.clients[1]!.got).toEqual(['57014', 'Z'])
  at.node.answer(3)
  expect(answers(at)).toEqual([
    ['c0', 'Z'],
    ['57014', 'Z'],
    ['c2', 'Z'],
  ])
  expect(at.table.notes).toEqual([])
})

it('a cancel request goes out when nobody else can be hit by it', async () => {
  const at = scene(3, {}, 2)
  await board(at)
  void at.clients[0]!.session.cancel()
  await turn()
  expect(at.table.notes).toContain('cancel request for S1')
  const other = at.table.nodes[1]!
  other.answer(1)
  other.answer(1)
  const cancelled = errorResponse({ severity: 'ERROR', code: '57014', message: 'no' } as never)
  at.node.asked.shift()
  at.node.link.deliver(Buffer.concat([cancelled, readyForQuery('I')]))
  at.node.answer(2)
  expect(answers(at)).toEqual([
    ['57014', 'Z'],
    ['c1', 'Z'],
    ['c2', 'Z'],
  ])
})

it.each([0, 1, 2])('when client %i leaves the others get their own answers', async (who) => {
  const at = scene(3)
  await board(at)
  at.clients[who]!.link.hangUp()
  at.node.answer(3)
  expect(answers(at)).toEqual(every(3).map((told, i) => (i === who ? [] : told)))
  expect(at.table.notes).toEqual([])
})

it('what takes long is cancelled when its client has left, also later', async () => {
  const at = scene(1)
  await board(at)
  ticks(8)
  expect(at.table.notes).toEqual([])
  at.clients[0]!.link.hangUp()
  ticks(1)
  expect(at.table.notes).toEqual(['cancel request for S1'])
  ticks(20)
  expect(at.table.notes).toEqual(['cancel request for S1'])
})

it('what does not let itself be cancelled costs its server connection in the end', async () => {
  const at = scene(1, { unwantedTicks: 50 })
  await board(at)
  at.clients[0]!.link.hangUp()
  ticks(60)
  expect(at.table.notes).toEqual(['cancel request for S1', 'S1 is given up'])
})

it.each([0, 1, 2, 3])(
  'a lost server connection costs only whoever has half of its answer; %i were answered',
  async (answered) => {
    const at = scene(3, {}, 2)
    await board(at)
    at.node.answer(answered)
    at.node.link.hangUp(new Error('reset'))
    await turn()
    const other = at.table.nodes[1]!
    while (other.asked.length > 0) other.answer(1)
    expect(answers(at)).toEqual(every(3))
    const { retried = 0 } = at.table.house.counters.outcomes.snapshot()
    expect(retried).toBe(3 - answered)
  },
)

it('whoever was given a row is told that the rest is lost, whoever was given half a row is closed', async () => {
  for (const cut of [0, 3]) {
    const at = scene(2, {}, 2)
    await board(at)
    const row = dataRow(['row'])
    at.node.link.deliver(Buffer.concat([row, row.subarray(0, cut === 0 ? 0 : 6)]))
    at.node.link.hangUp(new Error('reset'))
    await turn()
    at.table.nodes[1]!.answer(1)
    const [first, second] = answers(at)
    expect(first).toEqual(cut === 0 ? ['row', '40001', 'Z'] : ['row'])
    expect(at.clients[0]!.link.closed).toBe(cut !== 0)
    expect(second).toEqual(['c1', 'Z'])
  }
})

it('a server found to be lost while riders leave it is no reason to ask twice', async () => {
  const at = scene(3, {}, 2)
  at.clients[0]!.ask("select 'c0'")
  // Not sent yet: they leave with the next flush, which finds that nobody is there.
  at.clients[1]!.ask("select 'c1'")
  at.clients[2]!.ask("select 'c2'")
  at.node.link.flush = () => at.node.link.hangUp(new Error('EPIPE'))
  void at.clients[0]!.session.cancel()
  await turn()
  const other = at.table.nodes[1]!
  for (let i = 0; i < 9; i++) other.answer(1)
  expect(answers(at)).toEqual(every(3))
})

it('a client found to be lost while it is answered is no matter for others', async () => {
  const at = scene(3)
  await board(at)
  const { link } = at.clients[1]!
  link.flush = () => link.hangUp(new Error('EPIPE'))
  at.node.answer(3)
  expect(answers(at)).toEqual([['c0', 'Z'], [], ['c2', 'Z']])
  expect(at.table.notes).toEqual([])
  expect(at.table.house.counters.clients).toBe(2)
})

it('a server connection that nobody uses goes back to its pool', async () => {
  const at = scene(1)
  ticks(10)
  expect(at.table.notes).toEqual(['S1 comes back clean'])
})

it('what is recalled goes back when who rides has been answered, and nobody boards any more', async () => {
  const at = scene(2)
  at.clients[0]!.ask("select 'c0'")
  at.table.recall(true)
  at.clients[1]!.ask("select 'c1'")
  await turn()
  expect(at.node.asked).toEqual(['c0'])
  at.node.answer(1)
  expect(at.table.notes).toEqual(['S1 comes back clean', 'client takes S1'])
  at.node.answer(1)
  expect(answers(at)).toEqual(every(2))
})

it('who is told to go while it rides is answered first', async () => {
  const at = scene(2)
  await board(at)
  at.clients[0]!.session.shutDown('shutdown' as never)
  expect(at.clients[0]!.link.closed).toBe(false)
  at.node.answer(2)
  expect(at.clients[0]!.got).toEqual(['c0', 'Z', '57P01'])
  expect(at.clients[0]!.link.closed).toBe(true)
  expect(at.clients[1]!.got).toEqual(['c1', 'Z'])
})

it('counts each request once, whatever becomes of it', async () => {
  const at = scene(3, {}, 2)
  const before = at.table.house.counters.queries
  await board(at)
  at.node.link.deliver(dataRow(['row']))
  at.node.link.hangUp(new Error('reset'))
  await turn()
  const other = at.table.nodes[1]!
  while (other.asked.length > 0) other.answer(1)
  expect(at.table.house.counters.queries - before).toBe(3)
})

it('an error of one is nobody else’s', async () => {
  const at = scene(3)
  await board(at)
  const failed = errorResponse({ severity: 'ERROR', code: '22012', message: 'no' } as never)
  at.node.asked.length = 0
  at.node.link.deliver(Buffer.concat([answerTo('c0'), failed, readyForQuery('I'), answerTo('c2')]))
  expect(answers(at)).toEqual([
    ['c0', 'Z'],
    ['22012', 'Z'],
    ['c2', 'Z'],
  ])
})

it('a server connection is given so many at a time, and the rest as those are answered', async () => {
  const at = scene(7, { depth: 2 })
  await board(at)
  expect(at.node.asked).toEqual(['c0', 'c1'])
  at.node.answer(1)
  await turn()
  expect(at.node.asked).toEqual(['c1', 'c2'])
  at.node.answer(2)
  await turn()
  expect(at.node.asked).toEqual(['c3', 'c4'])
  while (at.node.asked.length > 0) {
    at.node.answer(1)
    await turn()
  }
  expect(answers(at)).toEqual(every(7))
  expect(at.table.notes).toEqual([])
})

it('who comes while others wait does not go before them', async () => {
  const at = scene(3, { depth: 1 })
  await board(at)
  const asked: string[] = []
  for (let i = 0; i < 3; i++) {
    asked.push(...at.node.asked)
    at.node.answer(1)
    if (i === 0) at.clients[0]!.ask("select 'again'")
    await turn()
  }
  expect([...asked, ...at.node.asked]).toEqual(['c0', 'c1', 'c2', 'again'])
})

it('whoever waits for a place may leave, or be cancelled, and is not asked for', async () => {
  const at = scene(4, { depth: 1 })
  await board(at)
  at.clients[1]!.link.hangUp()
  void at.clients[2]!.session.cancel()
  at.table.house.turn.flush()
  expect(at.clients[2]!.got).toEqual(['57014', 'Z'])
  at.node.answer(1)
  await turn()
  expect(at.node.asked).toEqual(['c3'])
  at.node.answer(1)
  expect(answers(at)).toEqual([['c0', 'Z'], [], ['57014', 'Z'], ['c3', 'Z']])
})

it('nobody waits for a place behind one that takes long', async () => {
  const at = scene(4, { depth: 2 }, 2)
  await board(at)
  const other = at.table.nodes[1]!
  ticks(8)
  for (let i = 0; i < 3; i++) {
    await turn()
    other.answer(1)
  }
  expect(answers(at)).toEqual([[], ['c1', 'Z'], ['c2', 'Z'], ['c3', 'Z']])
  at.node.answer(2)
  expect(answers(at)).toEqual(every(4))
})

it('who waits for a place on a server connection that is lost takes the ordinary way', async () => {
  const at = scene(4, { depth: 1 }, 2)
  await board(at)
  at.node.link.hangUp(new Error('reset'))
  for (let i = 0; i < 6; i++) {
    await turn()
    at.table.nodes[1]!.answer(1)
  }
  expect(answers(at)).toEqual(every(4))
})

it('who waits for a place is no longer kept waiting when the pool wants all of it back', async () => {
  const at = scene(3, { depth: 1 }, 2)
  await board(at)
  at.table.serves = false
  at.table.recall(true)
  for (let i = 0; i < 4; i++) {
    await turn()
    at.table.nodes[1]!.answer(1)
  }
  at.node.answer(1)
  expect(answers(at)).toEqual(every(3))
})

it.each([5, 8])('after %i rides another is taken, and who waits rides on that', async (most) => {
  const at = scene(9, { depth: 2, mostRides: most })
  await board(at)
  for (let i = 0; i < 12; i++) {
    at.node.answer(1)
    await turn()
  }
  expect(answers(at)).toEqual(every(9))
  expect(at.table.house.counters.ridesPutBack.snapshot()).toEqual({})
  expect(at.table.notes).toContain('lane takes S1')
})
