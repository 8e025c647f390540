/**
 * Which node may serve a session of an endpoint right now. Rule: no waiting and no I/O; the only
 * thing that moves is the memory of picks in `view.turns`. The answer is a node, or why there is
 * none and whether waiting can help; whoever asked waits and asks again.
 *
 * A suspect node still serves until it is down, because one lost packet is no failover; but a new
 * pick among readers prefers those that are up.
 */
import type { NodeState, Topology } from '../topology/topology.ts'
import { type Load, pick, type Turns } from './balance.ts'
import { isFresh, isPast, isServing, withRole } from './eligible.ts'
import type { EndpointRule } from './endpoint.ts'

export interface ChoiceView extends Load {
  /** The node this session was given last; kept while it stays eligible. */
  readonly sticky?: string | undefined
  /** A log position the session may have seen the effect of; another reader must be past it. */
  readonly seenLsn?: bigint | undefined
  readonly turns: Turns
}

/** Why a node was chosen; logs and metrics use these words. */
export type ChosenWhy = 'writer' | 'sticky' | 'balanced' | 'only-one' | 'no-reader' | 'instance'

/**
 * - `unknown`: nodes are still being probed for the first time.
 * - `no-writer`: nobody is writer. `writer-down`: it is known, and away.
 * - `no-reader`: no reader is up. `lagging`: all are further behind than `maxLagMs`.
 * - `behind`: all have yet to replay what this session has seen.
 * - `fenced`: the one node of an instance endpoint takes writes though another is the writer; what
 *   a client wrote there would be lost.
 * - `no-members`: no node in the list of a custom endpoint has a role that fits.
 * - `members-down`: some do, and are away. `node-down`: the one node of an instance endpoint is.
 * - `no-such-node`: the endpoint names a node that is not watched.
 */
export type NoneReason =
  | 'unknown'
  | 'no-writer'
  | 'writer-down'
  | 'no-reader'
  | 'lagging'
  | 'behind'
  | 'no-members'
  | 'members-down'
  | 'node-down'
  | 'fenced'
  | 'no-such-node'

export interface Chosen {
  readonly node: string
  readonly why: ChosenWhy
}

export interface NoneChosen {
  readonly none: NoneReason
  /** Whether to wait for the topology to change, within the borrow timeout, or to refuse now. */
  readonly wait: boolean
  /** What to wait for: a new epoch, or any news of positions and lag. */
  readonly wakeOn: 'epoch' | 'news'
  /** For the client's error and the log. */
  readonly sentence: string
}

export type Choice = Chosen | NoneChosen

export function choose(rule: EndpointRule, topology: Topology, view: ChoiceView): Choice {
  switch (rule.kind) {
    case 'writer':
      return writer(rule, topology, 'writer')
    case 'reader':
      return reader(rule, topology, view)
    case 'custom':
      return custom(rule, topology, view)
    case 'instance':
      return instance(rule, topology)
    default:
      return rule.kind satisfies never
  }
}

function writer(rule: EndpointRule, topology: Topology, why: ChosenWhy): Choice {
  const node = topology.nodes.find((n) => n.role === 'writer')
  if (node === undefined) return none(rule, topology, 'no-writer', 'no node is the writer')
  if (isServing(node)) return { node: node.spec.name, why }
  return none(rule, topology, 'writer-down', `the writer is away (${node.because})`)
}

function reader(rule: EndpointRule, topology: Topology, view: ChoiceView): Choice {
  const readers = withRole(topology, 'READER').filter(({ spec }) => spec.noReads !== true)
  const found = among(rule, readers, view)
  if ('node' in found) return found
  if (rule.noReader === 'writer') {
    const instead = writer(rule, topology, 'no-reader')
    if ('node' in instead) return instead
    return none(rule, topology, found.reason, `${found.text}, and ${instead.sentence}`)
  }
  return none(rule, topology, found.reason, found.text)
}

/** Never leaves its list: `noReader: writer` means waiting here. */
function custom(rule: EndpointRule, topology: Topology, view: ChoiceView): Choice {
  const { staticMembers, excludedMembers, customType } = rule
  const members = withRole(topology, customType).filter(({ spec }) =>
    staticMembers !== undefined
      ? staticMembers.includes(spec.name)
      : excludedMembers?.includes(spec.name) !== true,
  )
  if (members.length === 0) {
    const wanted = customType === 'ANY' ? 'known node' : customType.toLowerCase()
    return none(rule, topology, 'no-members', `none of its members is a ${wanted}`)
  }
  const found = among(rule, members, view)
  if ('node' in found) return found
  const reason = found.reason === 'no-reader' ? 'members-down' : found.reason
  const text = found.reason === 'no-reader' ? 'all its members are down' : found.text
  return none(rule, topology, reason, text)
}

function instance(rule: EndpointRule, topology: Topology): Choice {
  const node = topology.nodes.find((n) => n.spec.name === rule.node)
  if (node === undefined) {
    return none(rule, topology, 'no-such-node', `there is no node ${rule.node ?? '(none named)'}`)
  }
  if (node.fenced) return none(rule, topology, 'fenced', node.because)
  if (isServing(node)) return { node: node.spec.name, why: 'instance' }
  return none(rule, topology, 'node-down', node.because)
}

interface Missing {
  readonly reason: 'no-reader' | 'lagging' | 'behind'
  readonly text: string
}

function among(
  rule: EndpointRule,
  candidates: readonly NodeState[],
  view: ChoiceView,
): Chosen | Missing {
  const serving = candidates.filter(isServing)
  if (serving.length === 0) return { reason: 'no-reader', text: 'no reader is up' }
  const fresh = serving.filter((n) => isFresh(n, rule.maxLagMs))
  if (fresh.length === 0) {
    return { reason: 'lagging', text: `all readers are more than ${rule.maxLagMs} ms behind` }
  }
  if (fresh.some((n) => n.spec.name === view.sticky)) return { node: view.sticky!, why: 'sticky' }
  const past = fresh.filter((n) => isPast(n, view.seenLsn))
  if (past.length === 0) {
    return { reason: 'behind', text: 'no reader has replayed yet what this session has seen' }
  }
  const up = past.filter((n) => n.health === 'up')
  const pool = up.length > 0 ? up : past
  const node = pick(rule.balance, pool, view, view.turns)
  return { node: node.spec.name, why: pool.length === 1 ? 'only-one' : 'balanced' }
}

/** Waiting helps while a change of the topology could; `noReader: error` says not to. */
function none(
  rule: EndpointRule,
  topology: Topology,
  reason: NoneReason,
  text: string,
): NoneChosen {
  const sentence = `endpoint ${rule.name}: ${text}`
  if (topology.nodes.length === 0) {
    const early = `endpoint ${rule.name}: no node is known yet`
    return { none: 'unknown', wait: true, wakeOn: 'epoch', sentence: early }
  }
  if (
    topology.nodes.some((n) => n.health === 'unknown') &&
    reason !== 'no-such-node' &&
    reason !== 'fenced'
  ) {
    const starting = `endpoint ${rule.name}: the nodes are still being probed for the first time`
    return { none: 'unknown', wait: true, wakeOn: 'epoch', sentence: starting }
  }
  switch (reason) {
    case 'no-such-node':
    case 'fenced':
      return { none: reason, wait: false, wakeOn: 'epoch', sentence }
    case 'no-reader':
    case 'no-members':
    case 'members-down':
      return { none: reason, wait: rule.noReader !== 'error', wakeOn: 'epoch', sentence }
    case 'lagging':
      return { none: reason, wait: rule.noReader !== 'error', wakeOn: 'news', sentence }
    case 'behind':
      // Passes by itself, usually within a probe or two, so even `error` waits for it.
      return { none: reason, wait: true, wakeOn: 'news', sentence }
    case 'unknown':
    case 'no-writer':
    case 'writer-down':
    case 'node-down':
      return { none: reason, wait: true, wakeOn: 'epoch', sentence }
    default:
      return reason satisfies never
  }
}
