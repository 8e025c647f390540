import { describe, expect, it } from 'vitest'
import { silentLog } from '../../../src/core/log.ts'
import { TopologyStore } from '../../../src/topology/store.ts'
import { asReader, Story } from './nodes.ts'

const turn = () => new Promise<void>((resolve) => queueMicrotask(resolve))

function filled() {
  const store = new TopologyStore(silentLog)
  const story = Story.steady(2)
  store.put(story.topology, [])
  const put = () => store.put(story.topology, story.said.splice(0))
  return { store, story, put }
}

describe('a topology store', () => {
  it('tells subscribers of epochs, not of every position', () => {
    const { store, story, put } = filled()
    const told: string[] = []
    const leave = store.subscribe((now, before, said) =>
      told.push(`${before.epoch}>${now.epoch} ${said.join()}`),
    )
    const { epoch } = store.current
    story.answers(2, asReader({ lsn: 5n }))
    put()
    expect(told).toEqual([])
    story.fails(2, 'refused')
    put()
    expect(told).toEqual([`${epoch}>${epoch + 1} node-2 is suspect: connection refused`])
    leave()
    story.fails(2, 'refused')
    put()
    expect(told).toHaveLength(1)
  })

  it('wakes who waits for an epoch once, and not for news', () => {
    const { store, story, put } = filled()
    const woken: number[] = []
    store.changed(store.current, (now) => woken.push(now.epoch))
    story.answers(2, asReader({ lsn: 7n }))
    put()
    expect(woken).toEqual([])
    story.fails(2, 'refused')
    put()
    story.fails(2, 'refused')
    put()
    expect(woken).toEqual([story.topology.epoch - 1])
    expect(store.waiting).toBe(0)
  })

  it('does not even look at who waits for an epoch when only positions move', () => {
    const { store, story, put } = filled()
    let looks = 0
    const { current } = store
    const seen = Object.defineProperty({ ...current }, 'epoch', {
      get: () => {
        looks++
        return current.epoch
      },
    })
    store.changed(seen, () => {})
    looks = 0
    for (let lsn = 10n; lsn < 60n; lsn++) {
      story.answers(2, asReader({ lsn }))
      put()
    }
    expect(looks).toBe(0)
    expect(store.waiting).toBe(1)
  })

  it('wakes who waits for news at the next position', () => {
    const { store, story, put } = filled()
    let woken = 0
    store.changed(store.current, () => woken++, 'news')
    story.answers(2, asReader({ lsn: 7n }))
    put()
    expect(woken).toBe(1)
  })

  it('wakes at the end of the turn who has seen an older topology, never inside the call', async () => {
    const { store, story, put } = filled()
    const seen = store.current
    story.fails(2, 'refused')
    put()
    let woken = 0
    store.changed(seen, () => woken++)
    expect(woken).toBe(0)
    await turn()
    expect(woken).toBe(1)
  })

  it('never wakes who cancelled', async () => {
    const { store, story, put } = filled()
    const seen = store.current
    store.changed(seen, () => expect.unreachable()).cancel()
    story.fails(2, 'refused')
    put()
    store.changed(seen, () => expect.unreachable()).cancel()
    await turn()
    expect(store.waiting).toBe(0)
  })

  it('goes on telling others when one of them throws', () => {
    const { store, story, put } = filled()
    let told = 0
    store.subscribe(() => {
      throw new Error('a mistake')
    })
    store.subscribe(() => told++)
    story.fails(2, 'refused')
    put()
    expect(told).toBe(1)
  })

  it('tells epochs in order, even when a subscriber causes the next', () => {
    const { store, story, put } = filled()
    const told: number[] = []
    const first = store.current.epoch + 1
    store.subscribe((now) => {
      if (now.epoch !== first) return
      story.fails(2, 'refused')
      put()
    })
    store.subscribe((now) => told.push(now.epoch))
    story.fails(2, 'refused')
    put()
    expect(told).toEqual([first, first + 1])
  })
})
