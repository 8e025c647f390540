import { beforeEach, expect, it } from 'vitest'
import { Cutting, HOPELESS_MS } from '../../../src/app/cutting.ts'
import { FakeClock } from '../../../src/core/clock.ts'
import { silentLog } from '../../../src/core/log.ts'
import type { FailureKind } from '../../../src/topology/probe.ts'
import { TopologyStore } from '../../../src/topology/store.ts'
import { asReader, Story } from '../topology/nodes.ts'

let clock: FakeClock
let store: TopologyStore
let cutting: Cutting
let cuts: string[]
let story: Story
let answeredAt: number | undefined

/** node-2 fails three times by `kind` (the story's rules), or answers until it is up. */
function node2(kind: FailureKind | 'well'): void {
  if (kind === 'well') for (let i = 0; i < 3; i++) story.answers(2, asReader())
  else story.fails(2, kind, 3)
  store.put(story.topology, [])
}

beforeEach(() => {
  clock = new FakeClock()
  store = new TopologyStore(silentLog)
  cuts = []
  answeredAt = undefined
  story = Story.steady(2)
  cutting = new Cutting({
    store,
    clock,
    cut: (node) => cuts.push(`${node} at ${clock.monotonic()}`),
    lastAnswerOf: () => answeredAt,
  })
  store.subscribe((now) => cutting.look(now))
})

it('cuts what hangs on a silent node exactly when it has been down for a second', () => {
  clock.advance(123)
  node2('timeout')
  clock.advance(HOPELESS_MS - 1)
  expect(cuts).toEqual([])
  clock.advance(1)
  expect(cuts).toEqual([`node-2 at ${123 + HOPELESS_MS}`])
})

it('leaves a node alone that came back in time', () => {
  node2('timeout')
  clock.advance(900)
  node2('well')
  clock.advance(5_000)
  expect(cuts).toEqual([])
  expect(clock.pending).toBe(0)
})

it('leaves a node alone that only refuses our login, until it is silent too', () => {
  node2('other')
  clock.advance(5_500)
  expect(cuts).toEqual([])
  node2('refused')
  clock.advance(500)
  expect(cuts).toEqual(['node-2 at 6000'])
})

it('leaves a node alone that still answers clients, until it does so no more', () => {
  node2('timeout')
  for (let i = 0; i < 50; i++) {
    answeredAt = clock.monotonic()
    clock.advance(100)
  }
  expect(cuts).toEqual([])
  clock.advance(2 * HOPELESS_MS)
  expect(cuts[0]).toBe('node-2 at 6000')
})

it('watches nobody any more when it is stopped, whatever the topology says', () => {
  cutting.stop()
  node2('timeout')
  expect(clock.pending).toBe(0)
})

it('leaves no timer behind when it is stopped', () => {
  node2('timeout')
  cutting.stop()
  expect(clock.pending).toBe(0)
})
