import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../../src/core/clock.ts'
import { silentLog } from '../../../src/core/log.ts'
import { defaultMonitorSettings, Monitor } from '../../../src/topology/monitor.ts'
import { defaultObserveRules } from '../../../src/topology/observe.ts'
import type { Probe, ProbeResult } from '../../../src/topology/probe.ts'
import { TopologyStore } from '../../../src/topology/store.ts'
import type { NodeSpec } from '../../../src/topology/topology.ts'
import { asReader, asWriter, failure, spec } from './nodes.ts'

type Behaviour = () => ProbeResult | 'frozen'

/** Nodes whose behaviour a test changes at will; counts probes and catches two of one node at once. */
class ScriptedProbe implements Probe {
  nodes = new Map<string, Behaviour>()
  counts = new Map<string, number>()
  forgotten: string[] = []
  collisions = 0
  closed = false
  lose: (node: string, why: string) => void = () => {}
  #running = new Set<string>()

  probe(node: NodeSpec, signal: AbortSignal): Promise<ProbeResult> {
    const { name } = node
    if (this.#running.has(name)) this.collisions++
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
    const what = this.nodes.get(name)?.() ?? failure('refused')
    if (what !== 'frozen') return Promise.resolve(what)
    this.#running.add(name)
    return new Promise((resolve) => {
      const stop = () => {
        this.#running.delete(name)
        resolve({ ok: false, kind: 'other', why: 'called off' })
      }
      signal.addEventListener('abort', stop)
      if (signal.aborted) stop()
    })
  }

  onLost(listener: (node: string, why: string) => void): void {
    this.lose = listener
  }

  forget(node: string): void {
    this.forgotten.push(node)
  }

  close(): Promise<void> {
    this.closed = true
    return Promise.resolve()
  }
}

let clock: FakeClock
let probe: ScriptedProbe
let store: TopologyStore
let monitor: Monitor
let said: string[]
let lastAnswer: number | undefined

const settle = async () => {
  for (let i = 0; i < 12; i++) await Promise.resolve()
}

/** Lets time pass in steps small enough that probes and timers take their turns. */
const pass = async (ms: number, step = 5) => {
  for (let left = ms; left > 0; left -= step) {
    clock.advance(Math.min(step, left))
    await settle()
  }
}

const is = (n: number, behaviour: ProbeResult | 'frozen') =>
  probe.nodes.set(`node-${n}`, () => behaviour)
const picture = () => store.current.nodes.map((n) => `${n.role}/${n.health}`).join(' ')
const counted = async (n: number, ms: number) => {
  const before = probe.counts.get(`node-${n}`) ?? 0
  await pass(ms)
  return probe.counts.get(`node-${n}`)! - before
}

beforeEach(async () => {
  clock = new FakeClock()
  probe = new ScriptedProbe()
  store = new TopologyStore(silentLog)
  said = []
  lastAnswer = undefined
  store.subscribe((_now, _before, sentences) => said.push(...sentences))
  monitor = new Monitor({
    probe,
    store,
    clock,
    log: silentLog,
    lastAnswerOf: (node) => (node === 'node-3' ? lastAnswer : undefined),
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
  expect(clock.pending).toBe(0)
  expect(probe.collisions).toBe(0)
})

describe('a monitor', () => {
  it('knows a healthy cluster after the first round', () => {
    expect(picture()).toBe('writer/up reader/up reader/up')
  })

  it('probes twice a second in calm', async () => {
    expect(await counted(2, 10_000)).toBe(20)
  })

  it('probes all nodes every 20 ms while one is suspect', async () => {
    is(2, 'frozen')
    await pass(500 + 250 + 20)
    expect(picture()).toBe('writer/up reader/suspect reader/up')
    expect(await counted(1, 200)).toBe(10)
  })

  it('is calm again when the suspect node is well', async () => {
    is(2, 'frozen')
    await pass(500 + 250 + 20)
    is(2, asReader())
    await pass(1_000)
    expect(picture()).toBe('writer/up reader/up reader/up')
    expect(await counted(1, 5_000)).toBeLessThanOrEqual(10)
  })

  it('without a writer asks those that may be next every 5 ms, later 10, and the dead every 40', async () => {
    is(1, failure('refused'))
    await pass(1_000)
    expect(picture()).toBe('writer/down reader/up reader/up')
    expect(await counted(2, 1_000)).toBe(200)
    expect(await counted(1, 1_000)).toBe(25)
    await pass(4_000)
    expect(await counted(2, 1_000)).toBe(100)
    expect(await counted(1, 1_000)).toBe(25)
  })

  it('asks a writer that restarts in place as often as one that may be next', async () => {
    is(1, failure('other'))
    await pass(1_000)
    expect(picture()).toBe('writer/down reader/up reader/up')
    expect(await counted(1, 1_000)).toBe(200)
  })

  it('uses a writer that restarted in place within 5 ms of its being ready', async () => {
    is(1, failure('other'))
    await pass(1_000)
    expect(picture()).toBe('writer/down reader/up reader/up')
    is(1, asWriter())
    await pass(5)
    expect(picture()).toBe('writer/up reader/up reader/up')
  })

  it('asks a node that will not have us four times a second, and is not alarmed by it', async () => {
    for (const n of [1, 2, 3]) is(n, failure('busy'))
    await pass(1_000)
    expect(picture()).toBe('writer/suspect reader/suspect reader/suspect')
    for (const n of [1, 2, 3]) expect(await counted(n, 1_000)).toBe(4)
  })

  it('relaxes an alarm that lasts', async () => {
    is(1, failure('refused'))
    await pass(60_600)
    expect(await counted(2, 1_000)).toBe(4)
  })

  it('sees a killed node within 100 ms of the lost control connection', async () => {
    await pass(500)
    is(1, failure('refused'))
    probe.lose('node-1', '57P01')
    await pass(100)
    expect(picture()).toBe('writer/down reader/up reader/up')
    expect(said.slice(-2)).toEqual([
      'node-1 is suspect: a connection was lost (57P01)',
      'node-1 is down: connection refused (2 probes failed in 20 ms)',
    ])
  })

  it('sees a promotion at the next fast probe while there is no writer', async () => {
    is(1, failure('refused'))
    await pass(1_200)
    is(2, asWriter({ timeline: 2 }))
    await pass(20)
    expect(picture()).toBe('unknown/down writer/up reader/up')
  })

  it('asks the readers again as soon as there is a new writer', async () => {
    await pass(500)
    const before = probe.counts.get('node-3')!
    is(2, asWriter({ timeline: 2 }))
    monitor.hint({ node: 'node-2', kind: 'reset', sign: 'ECONNRESET' })
    await settle()
    expect(picture()).toBe('unknown/down writer/up reader/up')
    expect(probe.counts.get('node-3')! - before).toBeGreaterThanOrEqual(1)
  })

  it('suspects a frozen node before its probe times out and takes it down after the second', async () => {
    await pass(499)
    is(3, 'frozen')
    await pass(260)
    expect(picture()).toBe('writer/up reader/up reader/suspect')
    await pass(780)
    expect(picture()).toBe('writer/up reader/up reader/down')
    expect(said.at(-1)).toBe('node-3 is down: no answer in 500 ms (2 probes failed in 520 ms)')
    is(3, asReader())
    await pass(2_100)
    expect(picture()).toBe('writer/up reader/up reader/up')
  })

  it('finds any node that freezes within 2 s, whatever the moment', async () => {
    for (let after = 0; after < 500; after += 45) {
      await pass(5_000 + after)
      is(3, 'frozen')
      await pass(1_600)
      expect(picture()).toBe('writer/up reader/up reader/down')
      is(3, asReader())
      // Out for long enough that the falls of this loop are forgiven.
      await pass(61_000)
      expect(picture()).toBe('writer/up reader/up reader/up')
    }
  })

  it('does not take a node for dead that answers clients while it hangs our probes', async () => {
    is(3, 'frozen')
    for (let i = 0; i < 500; i++) {
      lastAnswer = clock.monotonic()
      await pass(20, 20)
    }
    expect(picture()).toBe('writer/up reader/up reader/suspect')
    // Now it is frozen for good.
    await pass(1_600)
    expect(picture()).toBe('writer/up reader/up reader/down')
  })

  it('gives a node that is far away the time its round trips take', async () => {
    for (let i = 0; i < 30; i++) {
      is(3, asReader({ responseMs: 100 }))
      await pass(500)
    }
    is(3, 'frozen')
    await pass(1_000)
    is(3, asReader({ responseMs: 100 }))
    await pass(600)
    expect(said.at(-1)).toMatch(/^node-3 is suspect/)
    await pass(700)
    expect(said.at(-1)).toMatch(/^node-3 is up again/)
  })

  it('does not let a flapping reader serve', async () => {
    is(3, failure('refused'))
    await pass(1_200)
    let turn = 0
    probe.nodes.set('node-3', () => (turn++ % 2 === 0 ? asReader() : failure('other')))
    await pass(10_000)
    expect(picture()).toBe('writer/up reader/up reader/down')
  })

  it('fences the old writer that comes back on its old timeline', async () => {
    is(1, 'frozen')
    await pass(3_000)
    is(2, asWriter({ timeline: 2 }))
    await pass(100)
    is(1, asWriter({ timeline: 1 }))
    await pass(5_000)
    expect(picture()).toBe('unknown/down writer/up reader/up')
    expect(said.at(-1)).toMatch(/^node-1 is fenced/)
  })

  it('is not driven to a storm of probes by hints, whoever makes them', async () => {
    await pass(500)
    const before = new Map(probe.counts)
    // A client may make its server refuse writes as often as it likes.
    for (let i = 0; i < 1_000; i++) {
      monitor.hint({ node: 'node-1', kind: 'read-only', sign: '25006' })
      await pass(1, 1)
    }
    for (const n of [1, 2, 3]) {
      const more = probe.counts.get(`node-${n}`)! - before.get(`node-${n}`)!
      expect(more).toBeGreaterThan(10)
      expect(more).toBeLessThanOrEqual(1_000 / 20 + 8)
    }
    expect(picture()).toBe('writer/up reader/up reader/up')
  })

  it('probes only the hinted reader, but all nodes for the writer', async () => {
    await pass(500)
    const before = new Map(probe.counts)
    const more = () =>
      [1, 2, 3].map((n) => probe.counts.get(`node-${n}`)! - before.get(`node-${n}`)!)
    monitor.hint({ node: 'node-3', kind: 'read-only', sign: '25006' })
    await settle()
    expect(more()).toEqual([0, 0, 1])
    monitor.hint({ node: 'node-1', kind: 'read-only', sign: '25006' })
    await settle()
    expect(more()).toEqual([1, 1, 2])
  })

  it('makes one more probe, not a thousand, of a thousand hints during a probe', async () => {
    await pass(500)
    is(3, 'frozen')
    const before = probe.counts.get('node-3')!
    const hint = { node: 'node-3', kind: 'reset', sign: 'ECONNRESET' } as const
    for (let i = 0; i < 1_000; i++) monitor.hint(hint)
    is(3, asReader())
    await pass(500)
    expect(probe.counts.get('node-3')! - before).toBe(2)
    expect(picture()).toBe('writer/up reader/up reader/up')
  })

  it('ignores hints about nodes it does not watch', () => {
    const { epoch } = store.current
    monitor.hint({ node: 'node-9', kind: 'reset', sign: 'ECONNRESET' })
    expect(store.current.epoch).toBe(epoch)
  })

  it('watches another set of nodes when told to', async () => {
    is(4, asReader())
    monitor.watch([spec(1), spec(4)])
    await settle()
    expect(picture()).toBe('writer/up reader/up')
    expect(probe.forgotten).toEqual(['node-2', 'node-3'])
    expect(await counted(2, 3_000)).toBe(0)
  })

  it('answers probeNow with a probe begun after the call', async () => {
    is(2, 'frozen')
    await pass(600)
    is(2, asReader({ lsn: 4242n }))
    let done = false
    const now = monitor.probeNow().then(() => {
      done = true
    })
    await pass(300)
    expect(done).toBe(false)
    await pass(200)
    await now
    expect(store.current.nodes[1]!.lsn).toBe(4242n)
  })

  it('stops in the middle of a probe and observes nothing afterwards', async () => {
    is(2, 'frozen')
    await pass(1_100)
    await monitor.stop()
    const { epoch } = store.current
    expect(probe.closed).toBe(true)
    monitor.hint({ node: 'node-1', kind: 'reset', sign: 'ECONNRESET' })
    await pass(5_000)
    expect(store.current.epoch).toBe(epoch)
  })

  it('takes a probe that breaks its word and throws as a failure', async () => {
    probe.nodes.set('node-2', () => {
      throw new Error('a mistake')
    })
    await pass(1_200)
    expect(picture()).toBe('writer/up reader/down reader/up')
  })
})
