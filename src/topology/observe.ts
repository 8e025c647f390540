/**
 * The reducer: a topology and one observation make the next topology and a sentence for each
 * change. Rule: pure; no clock, no socket, no log. The epoch grows by exactly one when any role,
 * health, membership or address changed, and not otherwise; positions and lag move without it.
 *
 * A writer that goes down keeps its role until another writer is seen: the role says what it was
 * last known to be, the health whether to use it. Whoever chooses a node looks at both.
 */
import { describe } from './describe.ts'
import { elect } from './elect.ts'
import { extendTrail, lagOf } from './lag.ts'
import type { Observation, Observed, ObservedNode, ObservedTopology } from './observed.ts'
import { newNode } from './observed.ts'
import type { FailureKind, ProbeAnswer, ProbeFailure } from './probe.ts'
import type { Hint, NodeSpec } from './topology.ts'

export interface ObserveRules {
  /** Failed probes in a row that make a node down. Two refusals always do: nobody listens. */
  readonly downAfter: number
  /**
   * Answered probes in a row after which a node that was down serves again as a reader; twice as
   * many at each further fall within a minute.
   */
  readonly rise: number
}

export const defaultObserveRules: ObserveRules = { downAfter: 2, rise: 2 }

/** What is known after one more observation; observations of unknown nodes change nothing. */
export function observe(
  before: ObservedTopology,
  observation: Observation,
  rules: ObserveRules,
): Observed {
  const heard = observation.kind === 'answer' ? observation.node : undefined
  const after = elect(apply(before, observation, rules), observation.at, heard)
  return describe(before, after, observation)
}

function apply(
  topology: ObservedTopology,
  observation: Observation,
  rules: ObserveRules,
): ObservedTopology {
  switch (observation.kind) {
    case 'answer': {
      const { node, answer, at } = observation
      return answered(topology, node, answer, at, rules)
    }
    case 'failure': {
      const { failure, at } = observation
      return change(topology, observation.node, (node) => failed(node, failure, at, rules))
    }
    case 'slow':
      return change(topology, observation.node, suspected)
    case 'hint':
      return change(topology, observation.hint.node, (node) =>
        doubtful(observation.hint) ? suspected(node) : node,
      )
    case 'nodes':
      return replaced(topology, observation.specs, observation.at)
    default:
      return observation satisfies never
  }
}

function change(
  topology: ObservedTopology,
  name: string,
  next: (node: ObservedNode) => ObservedNode,
): ObservedTopology {
  const nodes = topology.nodes.map((node) => (node.spec.name === name ? next(node) : node))
  return { ...topology, nodes }
}

function answered(
  topology: ObservedTopology,
  name: string,
  answer: ProbeAnswer,
  at: number,
  rules: ObserveRules,
): ObservedTopology {
  const writer = topology.nodes.find((n) => n.role === 'writer')
  const isWriter = !answer.inRecovery && writer?.spec.name === name
  const sameLog = isWriter && answer.timeline === writer.timeline
  const trail =
    isWriter && answer.lsn !== undefined
      ? extendTrail(sameLog ? topology.trail : [], at, answer.lsn)
      : topology.trail
  const lagMs = answer.inRecovery ? lagOf(answer, at, trail, writer?.timeline) : 0
  const positionAgeMs = answer.positionMs ?? answer.responseMs
  const alone = !topology.nodes.some(
    (n) => n.spec.name !== name && n.role === 'reader' && n.health !== 'down',
  )
  return change({ ...topology, trail }, name, (node) => {
    const goods = node.health !== 'down' ? 0 : tooSoon(node, at) ? node.goods : node.goods + 1
    // A writer counts at once, every moment without one is felt; a reader that flaps must wait.
    const wanted = goodsNeeded(node, rules, alone)
    const back = node.health !== 'down' || !answer.inRecovery || goods >= wanted
    // A node that took writes until now and follows at last has lost the role, not its health.
    const role = answer.inRecovery
      ? ('reader' as const)
      : node.role === 'writer'
        ? 'writer'
        : 'unknown'
    return {
      ...node,
      role,
      health: back ? ('up' as const) : ('down' as const),
      lagMs,
      lsn: answer.lsn,
      positionAt: answer.lsn === undefined ? undefined : Math.floor(at - positionAgeMs),
      timeline: answer.timeline ?? node.timeline,
      connectionLimit: answer.connectionLimit ?? node.connectionLimit,
      responseMs: moving(node.responseMs, answer.responseMs),
      versionNum: answer.versionNum ?? node.versionNum,
      claim: answer.inRecovery ? ('reader' as const) : ('writer' as const),
      answering: true,
      failures: 0,
      failingSince: undefined,
      failedBy: undefined,
      goods: back ? 0 : goods,
      goodAt: back ? undefined : goods > node.goods ? at : node.goodAt,
      fenced: node.fenced && !answer.inRecovery,
    }
  })
}

function failed(
  node: ObservedNode,
  failure: ProbeFailure,
  at: number,
  rules: ObserveRules,
): ObservedNode {
  // Alive: what follows has its whole patience again.
  const alive = failure.kind === 'busy'
  const failures = alive ? 0 : node.failures + 1
  const enough = failures >= patience(failure.kind, rules)
  // A writer that goes does not flap: what comes back is a reader with a clean record.
  const fell = enough && node.health !== 'down' && node.role === 'reader'
  return {
    ...node,
    health: node.health === 'down' || enough ? 'down' : 'suspect',
    falls: fell
      ? [...node.falls.filter((fall) => Math.abs(at - fall) < FALLS_KEPT_MS), at]
      : node.falls,
    answering: false,
    failures,
    failingSince: alive ? undefined : (node.failingSince ?? at),
    failedBy: failure.kind,
    goods: 0,
    goodAt: undefined,
  }
}

/** Falls longer ago than this are forgiven. */
const FALLS_KEPT_MS = 60_000
/** A flapping reader is out for at most `rise` times this many good probes. */
const MOST_RISES = 16
/** The only reader is missed more: where `noReader` does not say `writer`, nobody reads until it is back. */
const MOST_RISES_ALONE = 4
/** The good probes of one that flaps are counted at most so often: in an alarm they come in dozens. */
const FLAPPING_GAP_MS = 250

function goodsNeeded({ falls }: ObservedNode, { rise }: ObserveRules, alone: boolean): number {
  const most = alone ? MOST_RISES_ALONE : MOST_RISES
  return rise * Math.min(2 ** Math.max(0, falls.length - 1), most)
}

function tooSoon({ falls, goodAt }: ObservedNode, at: number): boolean {
  // A wall clock that was set back must not keep a reader out until it has caught up.
  return falls.length > 1 && goodAt !== undefined && Math.abs(at - goodAt) < FLAPPING_GAP_MS
}

/** How many failures in a row it takes; a node that will not have us is alive, however often it says so. */
function patience(kind: FailureKind, { downAfter }: ObserveRules): number {
  switch (kind) {
    case 'busy':
      return Infinity
    case 'refused':
      return Math.min(2, downAfter)
    case 'timeout':
    case 'other':
      return downAfter
    default:
      return kind satisfies never
  }
}

function suspected(node: ObservedNode): ObservedNode {
  return node.health === 'up' ? { ...node, health: 'suspect' } : node
}

/** A node that calls itself read-only is well; only its role is in doubt, and a probe settles that. */
function doubtful(hint: Hint): boolean {
  return hint.kind !== 'read-only'
}

function replaced(
  topology: ObservedTopology,
  specs: readonly NodeSpec[],
  at: number,
): ObservedTopology {
  const nodes = specs.map((spec) => {
    const old = topology.nodes.find((n) => sameServer(n.spec, spec))
    return old === undefined ? newNode(spec, at) : { ...old, spec }
  })
  const kept = nodes.some((n) => n.health !== 'unknown')
  const writerKept = nodes.some((n) => n.role === 'writer')
  return {
    ...topology,
    nodes,
    trail: writerKept ? topology.trail : [],
    // With nobody left who took part, this is another cluster: its timelines start from scratch.
    writerTimeline: kept ? topology.writerTimeline : undefined,
  }
}

function sameServer(a: NodeSpec, b: NodeSpec): boolean {
  return a.name === b.name && a.host === b.host && a.port === b.port
}

/** Three parts of what was, one of what is: one slow answer does not repel everybody. */
function moving(before: number | undefined, now: number): number {
  return before === undefined ? now : before * 0.75 + now * 0.25
}
