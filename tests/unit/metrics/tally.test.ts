import { describe, expect, test } from 'vitest'
import {
  addTraffic,
  type CountedServer,
  type CountedSession,
  countedProbe,
  countsNow,
  WriterWatch,
} from '../../../src/app/tally.ts'
import { Metrics } from '../../../src/metrics/metrics.ts'
import type { Probe, ProbeResult } from '../../../src/topology/probe.ts'
import type { Topology } from '../../../src/topology/topology.ts'

const server = (some: Partial<CountedServer> = {}): CountedServer => ({
  node: 'node-1',
  encrypted: false,
  link: { bytesRead: 100, bytesWritten: 10 },
  conversation: { status: 'idle', injected: 1 },
  ...some,
})

const session = (some: Partial<CountedSession> = {}): CountedSession => ({
  link: { bytesRead: 5, bytesWritten: 50 },
  route: { endpoint: { rule: { name: 'writer' } }, node: undefined } as CountedSession['route'],
  pins: new Set(),
  leasedNode: undefined,
  ...some,
})

describe('countsNow', () => {
  test('counts living server connections by what they are now', () => {
    const servers = [
      server({ encrypted: true }),
      server({ conversation: { status: 'open', injected: 0 } }),
      server({ conversation: { status: 'failed', injected: 4 } }),
      server({ node: 'node-2' }),
    ]
    const { nodes } = countsNow(new Metrics(), [], servers)
    expect(nodes['node-1']).toMatchObject({
      tls: 1,
      inTransaction: 2,
      statementsInjected: 5,
      bytesToServer: 30,
      bytesFromServer: 300,
    })
    expect(nodes['node-2']).toMatchObject({ tls: 0, inTransaction: 0, bytesToServer: 10 })
  })

  test('counts a pinned session at the node it keeps a connection of, and only then', () => {
    const pins = new Set(['listen'])
    const sessions = [
      session({ pins, leasedNode: 'node-1' }),
      session({ pins }),
      session({ leasedNode: 'node-1' }),
    ]
    const { nodes, endpoints } = countsNow(new Metrics(), sessions, [])
    expect(nodes['node-1']?.pinned).toBe(1)
    expect(endpoints.writer).toMatchObject({ bytesFromClients: 15, bytesToClients: 150 })
  })

  test('stays the same when a connection ends and its totals are carried over', () => {
    const metrics = new Metrics()
    const before = countsNow(metrics, [], [server(), server()])
    addTraffic(metrics.node('node-1'), server())
    expect(countsNow(metrics, [], [server()])).toEqual(before)
  })
})

describe('countedProbe', () => {
  const node = { name: 'node-1' } as Parameters<Probe['probe']>[0]
  const probe = (answer: Promise<ProbeResult>): Probe => ({
    probe: () => answer,
    onLost: () => {},
    forget: () => {},
    close: () => Promise.resolve(),
  })
  const refused: ProbeResult = { ok: false, kind: 'refused', why: 'nobody listens' }

  test('counts an answer and a failure apart', async () => {
    const metrics = new Metrics()
    const { signal } = new AbortController()
    const answer = { ok: true } as ProbeResult
    await countedProbe(probe(Promise.resolve(answer)), metrics).probe(node, signal)
    await countedProbe(probe(Promise.resolve(refused)), metrics).probe(node, signal)
    await countedProbe(probe(Promise.resolve(refused)), metrics).probe(node, signal)
    expect(metrics.node('node-1')).toMatchObject({ probesPassed: 1, probesFailed: 2 })
  })

  test('counts one that was called off at once, and not again when it ends', async () => {
    const metrics = new Metrics()
    const abort = new AbortController()
    let end = (_: ProbeResult): void => {}
    const late = new Promise<ProbeResult>((resolve) => {
      end = resolve
    })
    const asked = countedProbe(probe(late), metrics).probe(node, abort.signal)
    abort.abort()
    expect(metrics.node('node-1').probesFailed).toBe(1)
    end(refused)
    await asked
    expect(metrics.node('node-1')).toMatchObject({ probesPassed: 0, probesFailed: 1 })
  })
})

describe('WriterWatch', () => {
  const led = (by: string | undefined): Topology =>
    ({
      nodes: ['node-1', 'node-2'].map((name) => ({
        spec: { name },
        role: name === by ? 'writer' : 'reader',
      })),
    }) as unknown as Topology

  test('counts another writer, with or without a time of none, and not the first or the same', () => {
    const metrics = new Metrics()
    const watch = new WriterWatch(metrics)
    const counts = [undefined, 'node-1', 'node-1', undefined, 'node-1', undefined, 'node-2'].map(
      (by) => {
        watch.look(led(by))
        return metrics.general.writerChanges
      },
    )
    expect(counts).toEqual([0, 0, 0, 0, 0, 0, 1])
  })
})
