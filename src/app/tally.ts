/**
 * What is counted where the rooms meet: probes, evictions, changes of writer, and at each scrape
 * what living sessions and server connections say of themselves. Rule: what has ended is added to
 * the counters in the same turn in which it leaves the living, so no counter ever goes backwards.
 */
import type { Settings } from '../config/settings.ts'
import type { NodeCounters } from '../metrics/counters.ts'
import { Metrics } from '../metrics/metrics.ts'
import { type MetricsSnapshot, merge } from '../metrics/snapshot.ts'
import { EVICT_REASONS } from '../pool/member.ts'
import type { PoolObserver } from '../pool/settings.ts'
import { LOST_OUTCOMES, PIN_REASONS } from '../protocol/contract.ts'
import type { ServerConnection } from '../server/server-connection.ts'
import { CLOSE_REASONS } from '../session/close-reason.ts'
import { PUT_BACK } from '../session/rider.ts'
import type { Session } from '../session/sessions.ts'
import type { Probe, ProbeAnswer } from '../topology/probe.ts'
import { ARROWS } from '../topology/timeline.ts'
import { HINT_KINDS, type Topology } from '../topology/topology.ts'

/** A session, as far as it is counted. */
export type CountedSession = Pick<Session, 'link' | 'route' | 'pins' | 'leasedNode'>

/** A server connection, as far as it is counted. */
export interface CountedServer {
  readonly node: string
  readonly encrypted: boolean
  readonly link: { readonly bytesRead: number; readonly bytesWritten: number }
  readonly conversation: Pick<ServerConnection['conversation'], 'status' | 'injected'>
}

/** Makes every series that the configuration promises, so that a first event is seen as a change. */
export function countFromZero(metrics: Metrics, { nodes, endpoints }: Settings): void {
  for (const arrow of ARROWS) metrics.general.failovers.begin(arrow)
  for (const { name } of endpoints) {
    const { closed, outcomes, pins, ridesPutBack } = metrics.endpoint(name)
    for (const reason of CLOSE_REASONS) closed.add(reason, 0)
    for (const reason of PIN_REASONS) pins.add(reason, 0)
    for (const outcome of LOST_OUTCOMES) outcomes.add(outcome, 0)
    for (const why of PUT_BACK) ridesPutBack.add(why, 0)
  }
  countNodesFromZero(metrics, nodes)
}

/** The same for nodes that are found later. */
export function countNodesFromZero(
  metrics: Metrics,
  nodes: readonly { readonly name: string }[],
): void {
  for (const { name } of nodes) {
    const { evicted, hints } = metrics.node(name)
    for (const reason of EVICT_REASONS) evicted.add(reason, 0)
    for (const kind of HINT_KINDS) hints.add(kind, 0)
  }
}

/** Everything counted so far, and what is alive now. */
export function countsNow(
  metrics: Metrics,
  sessions: Iterable<CountedSession>,
  servers: Iterable<CountedServer>,
): MetricsSnapshot {
  const alive = new Metrics()
  for (const session of sessions) {
    const counters = alive.endpoint(session.route.endpoint.rule.name)
    counters.bytesFromClients += session.link.bytesRead
    counters.bytesToClients += session.link.bytesWritten
    if (session.leasedNode !== undefined && session.pins.size > 0) {
      alive.node(session.leasedNode).pinned++
    }
  }
  for (const server of servers) {
    const counters = alive.node(server.node)
    addTraffic(counters, server)
    if (server.encrypted) counters.tls++
    if (server.conversation.status !== 'idle') counters.inTransaction++
  }
  return merge(metrics.snapshot(), alive.snapshot())
}

/** Adds what went over one server connection in its whole life so far. */
export function addTraffic(counters: NodeCounters, { link, conversation }: CountedServer): void {
  counters.bytesToServer += link.bytesWritten
  counters.bytesFromServer += link.bytesRead
  counters.statementsInjected += conversation.injected
}

/**
 * The same probe, its answers and failures counted; one called off by its time limit has failed.
 *
 * @param heard told of each answer that came in time
 */
export function countedProbe(
  probe: Probe,
  metrics: Metrics,
  heard: (node: string, answer: Pick<ProbeAnswer, 'inRecovery'>) => void = () => {},
): Probe {
  const { promotionWait } = probe
  const heardWaiting: NonNullable<Probe['promotionWait']> = (node, signal) => {
    const wait = promotionWait!.call(probe, node, signal)
    return async (stepMs) => {
      const answer = await wait(stepMs)
      if (answer?.promoted && !signal.aborted) heard(node.name, { inRecovery: false })
      return answer
    }
  }
  return {
    probe: async (node, signal) => {
      const counters = metrics.node(node.name)
      let open = true
      const conclude = (ok: boolean): boolean => {
        if (!open) return false
        open = false
        if (ok) counters.probesPassed++
        else counters.probesFailed++
        return ok
      }
      signal.addEventListener('abort', () => conclude(false), { once: true })
      const result = await probe.probe(node, signal)
      if (conclude(result.ok) && result.ok) heard(node.name, result)
      return result
    },
    ...(promotionWait === undefined ? {} : { promotionWait: heardWaiting }),
    onLost: (listener) => probe.onLost(listener),
    forget: (node) => probe.forget(node),
    close: () => probe.close(),
  }
}

/** What the pools tell of themselves; they log it on their own. */
export function poolObserver(metrics: Metrics): PoolObserver {
  return {
    waited: () => {},
    refused: () => {},
    opened: () => {},
    openFailed: () => {},
    evicted: (pool, reason) => {
      metrics.node(pool.slice(0, pool.indexOf('/'))).evicted.add(reason)
    },
  }
}

/** Counts each time another node is the writer than the last one there was. */
export class WriterWatch {
  #metrics: Metrics
  #last: string | undefined

  constructor(metrics: Metrics) {
    this.#metrics = metrics
  }

  look(topology: Topology): void {
    const writer = topology.nodes.find((n) => n.role === 'writer')?.spec.name
    if (writer === undefined || writer === this.#last) return
    if (this.#last !== undefined) this.#metrics.general.writerChanges++
    this.#last = writer
  }
}
