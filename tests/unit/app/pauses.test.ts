/** Pauses over paper pools: what they close, that they end, and that none ends another. */
import { beforeEach, expect, test } from 'vitest'
import { Pauses } from '../../../src/app/pauses.ts'
import { lentToSessions, sessionsInTheWay } from '../../../src/app/plane-figures.ts'
import { FakeClock } from '../../../src/core/clock.ts'
import { silentLog } from '../../../src/core/log.ts'
import { Gate } from '../../../src/endpoint/gate.ts'
import type { Session } from '../../../src/session/sessions.ts'
import { emptyTopology } from '../../../src/topology/observed.ts'
import { TopologyStore } from '../../../src/topology/store.ts'
import { topology } from '../endpoint/states.ts'
import { settle } from '../pool/fake-pool.ts'

let clock: FakeClock
let store: TopologyStore
let gates: Record<'writer' | 'reader', Gate>
let lent: Record<string, number>
let sessions: Session[]
let done: string[]
let events: string[]
let pauses: Pauses
let listening: boolean

beforeEach(() => {
  clock = new FakeClock()
  store = new TopologyStore(silentLog)
  put('W R', 1)
  gates = { writer: new Gate(), reader: new Gate() }
  lent = {}
  sessions = []
  done = []
  events = []
  listening = true
  const names = ['writer', 'reader'] as const
  pauses = new Pauses({
    clock,
    log: silentLog,
    store,
    endpoints: () => names,
    planes: {
      refresh: () => undefined,
      pauseNode: (node, whom) =>
        done.push(`pause ${node}${whom === undefined ? '' : ` to ${whom}`}`),
      resumeNode: (node) => done.push(`resume ${node}`),
      closeGates: (closed) => {
        for (const name of names) {
          if (closed.includes(name)) gates[name].close()
          else gates[name].open()
        }
      },
      lent: (target) =>
        target.node === undefined ? lentToSessions(sessions, target) : (lent[target.node] ?? 0),
      waiting: (endpoint) =>
        names
          .filter((name) => (endpoint ?? name) === name)
          .reduce((sum, name) => sum + gates[name].waiting, 0),
      inTheWay: (target, most) => sessionsInTheWay(sessions, target, most),
      listening: () => listening,
    },
    tell: (sentence) => events.push(sentence),
  })
})

function put(shorthand: string, epoch: number, timeline = 1): void {
  const { nodes } = topology(shorthand)
  const at = nodes.map((n) => ({ ...n, timeline }))
  store.put({ ...emptyTopology, nodes: at, epoch } as never, [])
}

function session(
  id: number,
  endpoint: string,
  leasedNode: string | undefined,
  pins: string[] = [],
) {
  const route = { endpoint: { rule: { name: endpoint } }, node: leasedNode }
  const who = { user: 'u', database: 'd' }
  sessions.push({ id, route, who, leasedNode, pins: new Set(pins) } as unknown as Session)
}

/** Moves the clock in small steps, letting every waiting promise run. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left--) {
    clock.advance(1)
    await settle()
  }
}

const closed = (): boolean[] => [gates.writer.closed, gates.reader.closed]

test('a pause ends by itself, and leaves no timer behind', async () => {
  const answer = await pauses.pause({ node: 'node-1', forMs: 500, waitMs: 0 })
  expect(answer).toMatchObject({ what: 'node node-1', until: answer.since + 500, lent: 0 })
  expect(done).toEqual(['pause node-1'])
  await pass(499)
  expect(pauses.list()).toHaveLength(1)
  await pass(1)
  expect(pauses.list()).toEqual([])
  expect(done).toEqual(['pause node-1', 'resume node-1'])
  expect(events.at(-1)).toMatch(/^node node-1 goes on after 0.50 s: the pause ended by itself/)
  await pass(100)
  expect(clock.pending).toBe(0)
})

test('the same pause ordered again gets another end and keeps its beginning', async () => {
  const first = await pauses.pause({ endpoint: 'writer', forMs: 100, waitMs: 0 })
  await pass(50)
  const second = await pauses.pause({ endpoint: 'writer', forMs: 1_000, waitMs: 0 })
  expect([second.since, second.until]).toEqual([first.since, first.since + 1_050])
  await pass(200)
  expect(closed()).toEqual([true, false])
  await pass(800)
  expect(closed()).toEqual([false, false])
})

test('the end of one pause opens no gate that another keeps closed', async () => {
  await pauses.pause({ forMs: 10_000, waitMs: 0 })
  await pauses.pause({ endpoint: 'reader', forMs: 10_000, waitMs: 0 })
  expect(closed()).toEqual([true, true])
  pauses.resume({ endpoint: 'reader' })
  expect(closed()).toEqual([true, true])
  await pauses.pause({ endpoint: 'reader', forMs: 10_000, waitMs: 0 })
  await pauses.pause({ node: 'node-2', forMs: 10_000, waitMs: 0 })
  expect(pauses.resume({}).ended.map((p) => p.what)).toEqual([
    'everything',
    'endpoint reader',
    'node node-2',
  ])
  expect(closed()).toEqual([false, false])
  expect(done).toEqual(['pause node-2', 'resume node-2'])
})

test('an order waits for what is lent, as long as it was told to and no longer', async () => {
  lent['node-1'] = 2
  let answer: unknown
  void pauses.pause({ node: 'node-1', forMs: 10_000, waitMs: 1_000 }).then((a) => {
    answer = a
  })
  await pass(400)
  expect(answer).toBeUndefined()
  lent['node-1'] = 0
  await pass(4)
  expect(answer).toMatchObject({ lent: 0 })
  lent['node-1'] = 1
  session(7, 'writer', 'node-1', ['temporary'])
  session(8, 'writer', undefined)
  session(9, 'reader', 'node-2')
  void pauses.pause({ node: 'node-1', forMs: 10_000, waitMs: 50 }).then((a) => {
    answer = a
  })
  await pass(60)
  expect(answer).toMatchObject({
    lent: 1,
    inTheWay: [{ id: 7, endpoint: 'writer', node: 'node-1', pins: ['temporary'] }],
  })
})

test('an order that waits is answered when its pause is ended by somebody else', async () => {
  lent['node-1'] = 1
  let answered = false
  void pauses.pause({ node: 'node-1', forMs: 10_000, waitMs: 5_000 }).then(() => {
    answered = true
  })
  await pass(10)
  pauses.resume({})
  await pass(4)
  expect(answered).toBe(true)
})

test('it remembers the most that waited at once', async () => {
  await pauses.pause({ endpoint: 'writer', forMs: 10_000, waitMs: 0 })
  const some = [1, 2, 3].map(() => ({ hold: () => {}, goOn: () => {} }))
  for (const one of some) gates.writer.enter(one)
  gates.reader.enter(some[0]!)
  await pass(30)
  for (const one of some.slice(1)) gates.writer.leave(one)
  await pass(30)
  expect(pauses.list()).toMatchObject([{ waiting: 1, mostWaiting: 3 }])
})

test('the next writer is told of as soon as it is seen: another node, or the same on a new timeline', async () => {
  expect(await pauses.writer({}, 0)).toMatchObject({ name: 'node-1', timeline: 1 })
  expect(await pauses.writer({ not: 'node-1', timeline: 1 }, 0)).toBeNull()
  const answers: unknown[] = []
  const ask = () =>
    void pauses.writer({ not: 'node-1', timeline: 1 }, 500).then((a) => answers.push(a))
  ask()
  put('W- R', 2)
  put('W- R', 3)
  await pass(100)
  expect(answers).toEqual([])
  put('R W', 4, 2)
  await settle()
  expect(answers).toMatchObject([{ name: 'node-2', timeline: 2 }])
  put('W R', 5, 1)
  ask()
  put('W R', 6, 2)
  await settle()
  expect(answers[1]).toMatchObject({ name: 'node-1', timeline: 2 })
  put('W R', 7, 1)
  ask()
  await pass(500)
  expect(answers[2]).toBeNull()
  expect(clock.pending).toBe(0)
})

test('a pause follows the writer until whoever listens is heard there', async () => {
  await pauses.pause({ node: 'node-1', follow: true, forMs: 10_000, waitMs: 0 })
  let answer: unknown
  void pauses.writer({ not: 'node-1' }, 5_000).then((a) => {
    answer = a
  })
  listening = false
  put('W- R', 2)
  put('R- R', 3)
  expect(done).toEqual(['pause node-1'])
  put('R- W', 4)
  expect(done).toEqual(['pause node-1', 'pause node-2 to clients'])
  await pass(20)
  expect([done.length, answer]).toEqual([2, undefined])
  listening = true
  await pass(4)
  expect(done.at(-1)).toBe('resume node-2')
  expect(answer).toMatchObject({ name: 'node-2' })
})

test('a pause does not follow the writer for long, nor when it was not told to', async () => {
  await pauses.pause({ node: 'node-1', follow: true, forMs: 10_000, waitMs: 0 })
  listening = false
  put('R W', 2)
  await pass(310)
  expect(done).toEqual(['pause node-1', 'pause node-2 to clients', 'resume node-2'])
  pauses.resume({})
  done = []
  await pauses.pause({ node: 'node-2', forMs: 10_000, waitMs: 0 })
  put('W R', 3)
  await pass(10)
  expect(done).toEqual(['pause node-2'])
})

test('when the proxy stops no timer is left', async () => {
  await pauses.pause({ node: 'node-1', forMs: 10_000, waitMs: 0 })
  await pauses.pause({ forMs: 10_000, waitMs: 0 })
  pauses.stop()
  expect(clock.pending).toBe(0)
  expect(pauses.list()).toEqual([])
})
