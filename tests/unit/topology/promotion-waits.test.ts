/** Waits for a promotion, driven by the monitor against nodes of paper. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../../src/core/clock.ts'
import { silentLog } from '../../../src/core/log.ts'
import { defaultMonitorSettings, Monitor } from '../../../src/topology/monitor.ts'
import { defaultObserveRules } from '../../../src/topology/observe.ts'
import type { Probe, ProbeResult, PromotionAnswer } from '../../../src/topology/probe.ts'
import { TopologyStore } from '../../../src/topology/store.ts'
import type { NodeSpec } from '../../../src/topology/topology.ts'
import { asReader, asWriter, failure, spec } from './nodes.ts'

type Wait = ReturnType<NonNullable<Probe['promotionWait']>>

/** A wait that stands on a node now; the test ends it. */
interface Standing {
  readonly stepMs: number
  readonly end: (answer: PromotionAnswer | undefined) => void
}

class WaitingProbe implements Probe {
  nodes = new Map<string, ProbeResult>()
  probes = new Map<string, number>()
  waits = new Map<string, Standing>()
  /** How many waits were begun on each node. */
  begun = new Map<string, number>()
  /** Names of nodes whose waits were called off. */
  left: string[] = []
  collisions = 0

  /** Ends the probe under way of the node that answers only when it is told to. */
  answer: (result: ProbeResult) => void = () => {}
  slow: string | undefined

  probe({ name }: NodeSpec): Promise<ProbeResult> {
    this.probes.set(name, (this.probes.get(name) ?? 0) + 1)
    if (name !== this.slow) return Promise.resolve(this.nodes.get(name) ?? failure('refused'))
    return new Promise((resolve) => {
      this.answer = resolve
    })
  }

  promotionWait({ name }: NodeSpec, signal: AbortSignal): Wait {
    signal.addEventListener('abort', () => {
      this.left.push(name)
      this.waits.get(name)?.end(undefined)
    })
    return (stepMs) =>
      new Promise((resolve) => {
        if (this.waits.has(name)) this.collisions++
        this.begun.set(name, (this.begun.get(name) ?? 0) + 1)
        const end = (answer: PromotionAnswer | undefined) => {
          this.waits.delete(name)
          resolve(answer)
        }
        this.waits.set(name, { stepMs, end })
      })
  }

  onLost(): void {}
  forget(): void {}
  close(): Promise<void> {
    return Promise.resolve()
  }
}

let clock: FakeClock
let probe: WaitingProbe
let store: TopologyStore
let monitor: Monitor

const settle = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

const pass = async (ms: number, step = 5) => {
  for (let left = ms; left > 0; left -= step) {
    clock.advance(Math.min(step, left))
    await settle()
  }
}

const is = (n: number, result: ProbeResult) => probe.nodes.set(`node-${n}`, result)
const picture = () => store.current.nodes.map((n) => `${n.role}/${n.health}`).join(' ')
const waitedOn = () => [...probe.waits.keys()].sort()
const probed = (n: number) => probe.probes.get(`node-${n}`) ?? 0
const counted = async (n: number, ms: number) => {
  const before = probed(n)
  await pass(ms)
  return probed(n) - before
}
const promoted = (timeline: number) =>
  ({ promoted: true, timeline, lsn: 2_000n, positionMs: 80 }) as const

/** Ends the wait on a node as its server would: promoted, not promoted in time, or unable. */
const end = async (n: number, how: 'promoted' | 'over' | 'unable') => {
  if (how === 'promoted') is(n, asWriter({ timeline: 2 }))
  const answers = { promoted: promoted(2), over: { promoted: false as const }, unable: undefined }
  probe.waits.get(`node-${n}`)!.end(answers[how])
  await settle()
}

beforeEach(async () => {
  clock = new FakeClock()
  probe = new WaitingProbe()
  store = new TopologyStore(silentLog)
  monitor = new Monitor({
    ...{ probe, store, clock, log: silentLog },
    rules: defaultObserveRules,
    settings: defaultMonitorSettings,
  })
  is(1, asWriter())
  is(2, asReader())
  is(3, asReader())
  monitor.watch([spec(1), spec(2), spec(3)])
  await settle()
})

afterEach(async () => {
  await monitor.stop()
  await settle()
  expect(waitedOn()).toEqual([])
  expect(clock.pending).toBe(0)
  expect(probe.collisions).toBe(0)
})

const loseWriter = async () => {
  is(1, failure('refused'))
  await pass(1_000)
  expect(picture()).toBe('writer/down reader/up reader/up')
}

describe('waits for a promotion', () => {
  it('are begun on no node while there is a writer, or before there was one', async () => {
    await pass(2_000)
    expect(probe.begun.size).toBe(0)
    await monitor.stop()

    is(1, failure('refused'))
    store = new TopologyStore(silentLog)
    monitor = new Monitor({
      ...{ probe, store, clock, log: silentLog },
      rules: defaultObserveRules,
      settings: defaultMonitorSettings,
    })
    monitor.watch([spec(1), spec(2)])
    await pass(2_000)
    expect(picture()).toBe('unknown/down reader/up')
    expect(probe.begun.size).toBe(0)
  })

  it('stand on every reader that may be next, and on no other, while the writer is down', async () => {
    is(3, failure('other'))
    await pass(1_000)
    await loseOnlyWriter()
    expect(waitedOn()).toEqual(['node-2'])
    is(3, asReader())
    await pass(1_000)
    expect(waitedOn()).toEqual(['node-2', 'node-3'])
  })

  it('make the new writer known at once, and have all nodes asked about it', async () => {
    await loseWriter()
    const before = [probed(2), probed(3)]
    await end(2, 'promoted')
    expect(picture()).toBe('unknown/down writer/up reader/up')
    expect([probed(2), probed(3)]).toEqual(before.map((n) => n + 1))
  })

  it('take the position that came with it for as old as it may be', async () => {
    await loseWriter()
    probe.slow = 'node-2'
    await pass(5)
    const known = store.current.nodes[1]!
    await end(2, 'promoted')
    expect(store.current.nodes[1]).toMatchObject({
      lsn: 2_000n,
      positionAt: clock.wall() - 80,
      timeline: 2,
      connectionLimit: known.connectionLimit,
      responseMs: known.responseMs,
    })
    probe.answer(asWriter({ timeline: 2 }))
    await settle()
  })

  it('outdo the answer of a probe that was asked before, however late it comes', async () => {
    await loseWriter()
    probe.slow = 'node-2'
    await pass(5)
    const before = probed(2)
    await end(2, 'promoted')
    expect(picture()).toBe('unknown/down writer/up reader/up')
    probe.slow = undefined
    probe.answer(asReader())
    await settle()
    expect(picture()).toBe('unknown/down writer/up reader/up')
    expect(probed(2)).toBe(before + 1)
  })

  it('do not hide that a probe asked before found the node gone', async () => {
    await loseWriter()
    probe.slow = 'node-2'
    await pass(5)
    await end(2, 'promoted')
    probe.answer(failure('other'))
    await settle()
    expect(picture()).toBe('unknown/down writer/suspect reader/up')
    probe.slow = undefined
    probe.answer(asWriter({ timeline: 2 }))
    await settle()
  })

  it('change nothing when they end without a promotion', async () => {
    await loseWriter()
    const before = store.current
    await end(2, 'over')
    expect(store.current).toBe(before)
    expect(waitedOn()).toEqual(['node-2', 'node-3'])
  })

  it('make nobody writer who is on an older timeline than the last one', async () => {
    await loseWriter()
    await end(3, 'promoted')
    is(3, failure('refused'))
    await pass(1_000)
    expect(picture()).toBe('unknown/down reader/up writer/down')
    is(2, asWriter())
    probe.waits.get('node-2')!.end(promoted(1))
    await settle()
    expect(picture()).toBe('unknown/down unknown/down writer/down')
    expect(store.current.nodes[1]!.fenced).toBe(true)
  })

  it('are called off as soon as there is a writer', async () => {
    await loseWriter()
    await end(3, 'promoted')
    expect(probe.left.sort()).toEqual(['node-2', 'node-3'])
    expect(waitedOn()).toEqual([])
    const begun = probe.begun.get('node-2')
    await pass(2_000)
    expect(probe.begun.get('node-2')).toBe(begun)
  })

  it('are given up on a node that cannot, which is probed as before', async () => {
    await loseWriter()
    await end(2, 'unable')
    expect(waitedOn()).toEqual(['node-3'])
    expect(await counted(2, 1_000)).toBe(200)
    is(2, asWriter({ timeline: 2 }))
    await pass(5)
    expect(picture()).toBe('unknown/down writer/up reader/up')
  })

  it('are tried again at the next loss of a writer', async () => {
    await loseWriter()
    await end(2, 'unable')
    is(1, asWriter())
    await pass(1_000)
    await loseWriter()
    expect(waitedOn()).toEqual(['node-2', 'node-3'])
  })

  it('are given up on a node that does not wait', async () => {
    await loseWriter()
    await end(2, 'over')
    const begun = probe.begun.get('node-2')!
    for (let i = 0; i < 3; i++) await end(2, 'over')
    expect(waitedOn()).toEqual(['node-3'])
    expect(probe.begun.get('node-2')).toBe(begun + 2)
  })

  it('go on for as long as each takes its time, with few probes beside them', async () => {
    await loseWriter()
    for (let i = 0; i < 10; i++) {
      await pass(80)
      await end(2, 'over')
    }
    expect(waitedOn()).toEqual(['node-2', 'node-3'])
    expect(await counted(2, 1_000)).toBe(50)
    // The other has not proved yet that waiting works there.
    expect(await counted(3, 1_000)).toBe(200)
  })

  it('look every millisecond for five seconds, then every five, and end after a minute', async () => {
    await loseWriter()
    expect(probe.waits.get('node-2')!.stepMs).toBe(1)
    await pass(5_000)
    await end(2, 'over')
    expect(probe.waits.get('node-2')!.stepMs).toBe(5)
    await pass(60_000, 50)
    expect(waitedOn()).toEqual([])
    expect(picture()).toBe('writer/down reader/up reader/up')
  })

  it('leave a node that fails itself, or is watched no more', async () => {
    await loseWriter()
    is(2, failure('timeout'))
    await pass(10)
    expect(probe.left).toEqual(['node-2'])
    monitor.watch([spec(1), spec(2)])
    await settle()
    expect(probe.left).toEqual(['node-2', 'node-3'])
  })

  it('follow a node that has moved to another address', async () => {
    await loseWriter()
    monitor.watch([spec(1), { ...spec(2), port: 6000 }, spec(3)])
    await settle()
    expect(probe.left).toEqual(['node-2'])
    await pass(2_000)
    expect(waitedOn()).toEqual(['node-2', 'node-3'])
  })
})

const loseOnlyWriter = async () => {
  is(1, failure('refused'))
  await pass(1_000)
  expect(store.current.nodes[0]!.health).toBe('down')
}
