import { beforeEach, describe, expect, test } from 'vitest'
import type { Occurrence } from '../../../src/admin/snapshot.ts'
import { FirstAnswers, type FirstAnswersParts } from '../../../src/app/first-answers.ts'
import { waitingSessions } from '../../../src/app/plane-figures.ts'
import { Failovers, type FailoversParts } from '../../../src/app/timeline.ts'
import { FakeClock } from '../../../src/core/clock.ts'
import { silentLog } from '../../../src/core/log.ts'
import { until } from '../../../src/core/until.ts'
import { Metrics } from '../../../src/metrics/metrics.ts'
import type { ServerConnection } from '../../../src/server/server-connection.ts'
import type { Observation } from '../../../src/topology/observed.ts'
import { TopologyStore } from '../../../src/topology/store.ts'
import { asReader, asWriter, failure, Story } from '../topology/nodes.ts'

type Router = FirstAnswersParts['router']
type Granted = NonNullable<Router['onGranted']>
type Lent = Pick<ServerConnection, 'node' | 'latency'>

let clock: FakeClock
let metrics: Metrics
let story: Story
let store: TopologyStore
let router: Pick<Router, 'onGranted'>
let sessions: { state: string }[]
let told: string[]
let promotedAt: number | undefined
let failovers: Failovers

beforeEach(() => {
  clock = new FakeClock()
  metrics = new Metrics()
  store = new TopologyStore(silentLog)
  router = { onGranted: undefined }
  sessions = []
  told = []
  promotedAt = undefined
  const firstAnswers = new FirstAnswers({ router, clock })
  const planes: FailoversParts['planes'] = {
    refresh: () => undefined,
    waitingSessions: () => waitingSessions(sessions),
    outcomes: () => metrics.outcomes(),
    lastAnswerOf: (node) => metrics.node(node).response.lastAt,
    watchGrants: (node, events) => firstAnswers.watch(node, events),
    unwatchGrants: () => firstAnswers.unwatch(),
  }
  const asks = {
    tell: ({ text }: Occurrence) => told.push(text),
    promotedAt: async () => promotedAt,
  }
  failovers = new Failovers({ store, planes, metrics, clock }, silentLog, asks)
  store.subscribe(() => failovers.acted())
  story = new Story(2)
  answers(1, 'writer')
  answers(2, 'reader')
})

function see(observation: Observation): void {
  const before = story.said.length
  story.see(observation)
  store.put(story.topology, story.said.slice(before))
}

function answers(n: number, as: 'writer' | 'reader', timeline = 1): void {
  const node = `node-${n}`
  const answer = as === 'writer' ? asWriter({ timeline }) : asReader({ timeline })
  clock.advance(10)
  failovers.heard(node, answer)
  see({ kind: 'answer', node, at: clock.wall(), answer })
}

function fails(n: number): void {
  clock.advance(10)
  see({ kind: 'failure', node: `node-${n}`, at: clock.wall(), failure: failure('refused') })
}

/** node-1 dies and node-2 takes over. */
function takesOver(): void {
  fails(1)
  fails(1)
  answers(2, 'writer', 2)
}

function lend(node: string, kind: string, purpose?: 'listen'): Lent {
  const server: Lent = { node, latency: metrics.node(node).response }
  const route = { endpoint: { rule: { kind } }, purpose }
  router.onGranted?.(server as ServerConnection, route as Parameters<Granted>[1])
  return server
}

const last = () => failovers.list().at(-1)!

describe('the byte path', () => {
  test('is not watched while no failover is open', () => {
    expect(router.onGranted).toBeUndefined()
    fails(1)
    expect(router.onGranted).toBeUndefined()
    answers(1, 'writer')
    expect(failovers.list()).toEqual([])
    clock.advance(200)
    expect(clock.pending).toBe(0)
  })

  test('is watched from the change of writer to the first reply, and not after it', () => {
    takesOver()
    clock.advance(3)
    const server = lend('node-2', 'writer')
    const own = metrics.node('node-2').response
    expect(server.latency).not.toBe(own)
    clock.advance(2)
    server.latency?.record(2, clock.monotonic())
    expect(router.onGranted).toBeUndefined()
    expect(server.latency).toBe(own)
    expect(own.snapshot().sumUs).toBe(2_000)
    const { timeline, heldMs } = last()
    expect(timeline['first-borrow']! - timeline.observed!).toBe(3)
    expect(timeline['first-reply']! - timeline['first-borrow']!).toBe(2)
    expect(heldMs).toBe(timeline['first-borrow']! - timeline.down!)
  })

  test('tells nothing of readers, of other nodes and of what listens for all', () => {
    takesOver()
    for (const [node, kind] of [
      ['node-2', 'reader'],
      ['node-1', 'writer'],
    ] as const) {
      expect(lend(node, kind).latency).toBe(metrics.node(node).response)
    }
    expect(lend('node-2', 'writer', 'listen').latency).toBe(metrics.node('node-2').response)
    expect(last().timeline['first-borrow']).toBeUndefined()
    expect(last().heldMs).toBeNull()
  })
})

describe('a failover', () => {
  test('is written down with wall-clock times in their order', () => {
    takesOver()
    const { number, from, to, timeline, promotedNotBefore, over } = last()
    expect({ number, from, to, over }).toEqual({
      number: 1,
      from: 'node-1',
      to: 'node-2',
      over: false,
    })
    expect(timeline).toEqual({
      fault: 1_700_000_000_010,
      suspected: 1_700_000_000_030,
      down: 1_700_000_000_040,
      promoted: 1_700_000_000_050,
      observed: 1_700_000_000_050,
      retired: 1_700_000_000_050,
    })
    expect(promotedNotBefore).toBe(1_700_000_000_020)
  })

  test('begins with the last answer that the writer gave to a client', () => {
    metrics.node('node-1').response.record(1, clock.monotonic() + 7)
    clock.advance(20)
    takesOver()
    expect(last().timeline.fault).toBe(1_700_000_000_027)
  })

  test.each([
    ['as the node tells it', 42.25, 42.25],
    ['not before its last answer as a reader, whatever its clock says', 3, 20],
    ['not after its first answer as a writer', 999, 50],
  ])('was promoted %s', async (_, said, taken) => {
    promotedAt = 1_700_000_000_000 + said
    takesOver()
    await until(() => last().timeline.promoted !== 1_700_000_000_050 || said > 50, 10_000)
    expect(last().timeline.promoted).toBe(1_700_000_000_000 + taken)
  })

  test('counts what clients are told on its account until it is over, and not after', () => {
    metrics.endpoint('writer').outcomes.add('retried', 5)
    fails(1)
    metrics.endpoint('writer').outcomes.add('retried')
    metrics.endpoint('other').outcomes.add('transaction', 2)
    fails(1)
    answers(2, 'writer', 2)
    expect(last().outcomes).toEqual({ retried: 1, transaction: 2 })
    lend('node-2', 'writer').latency?.record(1, clock.monotonic())
    clock.advance(4_900)
    metrics.endpoint('writer').outcomes.add('retried')
    expect(last()).toMatchObject({ over: false, outcomes: { retried: 2 } })
    clock.advance(200)
    metrics.endpoint('writer').outcomes.add('retried')
    expect(last()).toMatchObject({ over: true, outcomes: { retried: 2, transaction: 2 } })
    expect(clock.pending).toBe(0)
  })

  test('remembers how many waited at the worst moment', () => {
    fails(1)
    sessions = Object.assign(sessions, [{ state: 'waiting' }, { state: 'idle' }])
    clock.advance(100)
    sessions.push({ state: 'waiting' })
    fails(1)
    clock.advance(100)
    sessions.length = 1
    answers(2, 'writer', 2)
    expect(last().waitingPeak).toBe(2)
  })

  test('nobody asks after is over after a minute', () => {
    takesOver()
    clock.advance(60_000)
    expect(last().over).toBe(true)
    expect(router.onGranted).toBeUndefined()
    expect(clock.pending).toBe(0)
  })

  test('is over when the next trouble begins', () => {
    takesOver()
    fails(2)
    expect(last().over).toBe(true)
    fails(2)
    answers(1, 'reader', 2)
    answers(1, 'writer', 3)
    expect(failovers.list().map((f) => `${f.number} ${f.from} ${f.to} ${f.over}`)).toEqual([
      '1 node-1 node-2 true',
      '2 node-2 node-1 false',
    ])
  })

  test('is recorded once in the histogram of each arrow that it has', async () => {
    promotedAt = 1_700_000_000_047
    takesOver()
    await until(() => last().promotedTold, 10_000)
    clock.advance(4)
    lend('node-2', 'writer').latency?.record(1, clock.monotonic())
    clock.advance(70_000)
    const sums = Object.entries(metrics.snapshot().general.failovers).map(
      ([arrow, { counts, sumUs }]) => [arrow, counts.reduce((a, b) => a + b), sumUs / 1_000],
    )
    expect(sums).toEqual([
      ['fault_suspected', 1, 20],
      ['suspected_down', 1, 10],
      ['down_promoted', 1, 7],
      ['promoted_observed', 1, 3],
      ['observed_retired', 1, 0],
      ['retired_first_borrow', 1, 4],
      ['first_borrow_first_reply', 1, 0],
      ['fault_first_reply', 1, 44],
    ])
  })

  test('is told sentence by sentence', async () => {
    sessions.push({ state: 'waiting' })
    promotedAt = 1_700_000_000_042
    takesOver()
    await until(() => last().promotedTold, 10_000)
    clock.advance(3)
    lend('node-2', 'writer').latency?.record(1, clock.monotonic())
    metrics.endpoint('writer').outcomes.add('retried', 3)
    clock.advance(6_000)
    await Promise.resolve()
    expect(told).toEqual([
      'the writer node-1 gave its last sign of life 20.0 ms ago',
      'failover 1: node-2 takes over from node-1, promoted at most 30.0 ms ago',
      'failover 1: the pools of node-1 are retired; at most 1 client waited so far',
      'failover 1: node-2 lent its first server connection 3.0 ms after it was observed',
      'failover 1: node-2 gave its first answer 0.00 ms after that',
      'failover 1 from node-1 to node-2 is over: answered 43.0 ms after the last sign of life of the old one, node-2 observed 8.0 ms after its promotion, nothing was lent for 13.0 ms, at most 1 client waited, 3 retried',
    ])
  })
})

test('only the last twenty are kept', () => {
  for (let i = 0; i < 25; i++) {
    const [old, next] = i % 2 === 0 ? [1, 2] : [2, 1]
    fails(old!)
    fails(old!)
    answers(next!, 'reader', i + 1)
    answers(next!, 'reader', i + 1)
    answers(next!, 'writer', i + 2)
  }
  expect(failovers.list().map((f) => f.number)).toEqual(Array.from({ length: 20 }, (_, i) => i + 6))
})
