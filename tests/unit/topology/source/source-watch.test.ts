/** The watch over a source: what it hands on, what it says, and what it keeps when nobody answers. */
import { expect, test } from 'vitest'
import { FakeClock } from '../../../../src/core/clock.ts'
import type { Listing, Source } from '../../../../src/topology/source/source.ts'
import { SourceWatch } from '../../../../src/topology/source/source-watch.ts'
import { spec } from '../nodes.ts'

/** Answers come when the test gives them. */
function scene() {
  const clock = new FakeClock()
  const asked: { resolve(l: Listing): void; reject(e: Error): void; signal: AbortSignal }[] = []
  const nodes: string[] = []
  const leaders: string[] = []
  const said: string[] = []
  let closed = 0
  const source: Source = {
    kind: 'patroni',
    place: 'http://h:8008',
    list: (signal) =>
      new Promise((resolve, reject) => {
        asked.push({ resolve, reject, signal })
      }),
    close: () => {
      closed++
      return Promise.resolve()
    },
  }
  const watch = new SourceWatch({
    ...{ source, clock, periodMs: 1_000, limitMs: 500 },
    onNodes: (specs) => nodes.push(specs.map((s) => `${s.name}@${s.host}`).join(' ')),
    onLeader: (name) => leaders.push(name),
    say: (sentence, bad) => said.push(`${bad ? 'bad' : 'good'}: ${sentence}`),
  })
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  return {
    ...{ clock, watch, asked, nodes, leaders, said, turn },
    closed: () => closed,
    answer: async (leader?: string, specs = [spec(1), spec(2)]) => {
      asked.at(-1)!.resolve({ nodes: specs, leader, from: 'http://h:8008' })
      await turn()
    },
    fail: async (why: string) => {
      asked.at(-1)!.reject(new Error(why))
      await turn()
    },
  }
}

test('nodes are handed on when they differ, and only then', async () => {
  const s = scene()
  s.watch.start()
  await s.answer()
  s.clock.advance(1_000)
  await s.answer()
  s.clock.advance(1_000)
  await s.answer(undefined, [spec(1), spec(2, { host: '10.0.0.2' })])
  s.clock.advance(1_000)
  await s.answer(undefined, [spec(1)])
  expect(s.nodes).toEqual([
    'node-1@127.0.0.1 node-2@127.0.0.1',
    'node-1@127.0.0.1 node-2@10.0.0.2',
    'node-1@127.0.0.1',
  ])
  expect(s.said).toEqual([
    'good: the source of nodes (patroni) answers: http://h:8008 names 2 nodes',
  ])
  expect(s.watch.state).toMatchObject({ ok: true, because: 'http://h:8008 names 1 node' })
})

test('a source that fails changes nothing, and is spoken of once', async () => {
  const s = scene()
  s.watch.start()
  await s.answer()
  for (const why of ['connection refused', 'connection refused', 'no route']) {
    s.clock.advance(1_000)
    await s.fail(why)
  }
  expect(s.watch.state).toMatchObject({ ok: false, because: 'no route' })
  s.clock.advance(1_000)
  await s.answer()
  expect(s.nodes).toHaveLength(1)
  expect(s.said.slice(1)).toEqual([
    'bad: the source of nodes (patroni) does not answer: connection refused; the last list of 2 stays',
    'good: the source of nodes (patroni) answers again, after 3000 ms: http://h:8008 names 2 nodes',
  ])
})

test('a source that was never there says that nothing is known, and is asked on', async () => {
  const s = scene()
  s.watch.start()
  await s.fail('no such name')
  expect(s.said).toEqual([
    'bad: the source of nodes (patroni) does not answer: no such name; no node is known yet',
  ])
  s.clock.advance(1_000)
  await s.answer()
  expect(s.nodes).toHaveLength(1)
})

test('an answer that takes too long is a failure, even where the source does not heed the signal', async () => {
  const s = scene()
  s.watch.start()
  s.clock.advance(500)
  await s.turn()
  await s.turn()
  expect(s.asked[0]!.signal.aborted).toBe(true)
  expect(s.watch.state).toMatchObject({ ok: false, because: 'no answer in 500 ms' })
  // Too late: the next question counts.
  await s.answer()
  expect(s.nodes).toEqual([])
})

test('another leader is a reason to look, the first one and the same one are none', async () => {
  const s = scene()
  s.watch.start()
  await s.answer('node-1')
  for (const leader of ['node-1', 'node-2', 'node-2', undefined, 'node-2']) {
    s.clock.advance(1_000)
    await s.answer(leader)
  }
  expect(s.leaders).toEqual(['node-2'])
})

test('it is asked at once when something happened elsewhere, but never twice at a time', async () => {
  const s = scene()
  s.watch.hurry()
  expect(s.asked).toHaveLength(0)
  s.watch.start()
  s.watch.hurry()
  await s.answer()
  expect(s.asked).toHaveLength(1)
  s.watch.hurry()
  s.watch.hurry()
  expect(s.asked).toHaveLength(2)
  await s.answer()
  s.clock.advance(999)
  expect(s.asked).toHaveLength(2)
  s.clock.advance(1)
  expect(s.asked).toHaveLength(3)
})

test('after the stop nothing is asked, said or handed on', async () => {
  const s = scene()
  s.watch.start()
  await s.watch.stop()
  await s.answer()
  s.clock.advance(10_000)
  expect(s.closed()).toBe(1)
  expect(s.asked).toHaveLength(1)
  expect(s.asked[0]!.signal.aborted).toBe(true)
  expect([s.nodes, s.said]).toEqual([[], []])
  expect(s.clock.pending).toBe(0)
})
