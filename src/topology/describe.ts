/**
 * Puts changes into words. Rule: this is the one place that decides whether something changed: the
 * epoch, `since`, `because` and the sentences are all derived from the same comparison, so they
 * cannot disagree.
 */

import type { Observation, Observed, ObservedNode, ObservedTopology } from './observed.ts'
import type { Hint } from './topology.ts'

/** Compares two topologies; counts the epoch up when they differ in what others act on. */
export function describe(
  before: ObservedTopology,
  after: ObservedTopology,
  observation: Observation,
): Observed {
  const sentences: string[] = []
  const nodes = after.nodes.map((node) => {
    const old = before.nodes.find((n) => n.spec.name === node.spec.name)
    const sentence = old === undefined ? joined(node) : changed(old, node, after, observation)
    if (sentence === undefined) return node
    sentences.push(sentence)
    return { ...node, because: sentence, since: observation.at }
  })
  for (const old of before.nodes) {
    if (!after.nodes.some((n) => n.spec.name === old.spec.name)) {
      sentences.push(`${old.spec.name} left the topology`)
    }
  }
  const epoch = sentences.length === 0 ? before.epoch : before.epoch + 1
  return { topology: { ...after, nodes, epoch }, sentences }
}

function joined(node: ObservedNode): string {
  return `${node.spec.name} joined the topology (${node.spec.host}:${node.spec.port})`
}

function changed(
  old: ObservedNode,
  node: ObservedNode,
  topology: ObservedTopology,
  observation: Observation,
): string | undefined {
  const name = node.spec.name
  if (node.fenced && !old.fenced) return fenced(node, topology)
  if (node.role !== old.role) {
    if (node.role === 'writer') return `${name} became the writer (${timeline(node)}${was(old)})`
    if (node.role === 'reader')
      return `${name} is ${health(node)} a reader (${timeline(node)}${was(old)})`
    return `${name} is no longer the writer: ${outvoted(topology)}`
  }
  // An answer never makes a node down by itself: that is what was made of its claim.
  if (node.health === 'down' && old.health !== 'down' && observation.kind === 'answer') {
    return `${name} is down: it was heard as a writer, but ${outvoted(topology)}`
  }
  if (node.health !== old.health) return healthChanged(old, node, observation)
  // It was suspected for another reason, and nothing will change until somebody mends this one.
  if (node.health === 'suspect' && node.failedBy === 'busy' && old.failedBy !== 'busy') {
    return `${name} stays suspect: ${sign(observation)}`
  }
  const moved = old.spec.host !== node.spec.host || old.spec.port !== node.spec.port
  return moved ? `${name} is now at ${node.spec.host}:${node.spec.port}` : undefined
}

function healthChanged(old: ObservedNode, node: ObservedNode, observation: Observation): string {
  const name = node.spec.name
  switch (node.health) {
    case 'down':
      return `${name} is down: ${sign(observation)}${tries(node, observation.at)}`
    case 'suspect':
      return `${name} is suspect: ${sign(observation)}`
    case 'up':
      if (old.health === 'unknown') return `${name} is up`
      return `${name} is up again (${timeline(node)}, was ${old.health} for ${observation.at - old.since} ms)`
    case 'unknown':
      return `${name} starts anew at ${node.spec.host}:${node.spec.port}`
    default:
      return node.health satisfies never
  }
}

function fenced(node: ObservedNode, topology: ObservedTopology): string {
  const rival = topology.nodes.find((n) => n.role === 'writer')
  const on = rival === undefined ? '' : ` the writer on ${timeline(rival)}`
  return `${node.spec.name} is fenced: it takes writes on ${timeline(node)} while ${outvoted(topology)}${on}`
}

function timeline(node: ObservedNode): string {
  return node.timeline === undefined ? 'timeline unknown' : `timeline ${node.timeline}`
}

function was(old: ObservedNode): string {
  if (old.fenced) return ', was fenced'
  return old.role === 'unknown' ? '' : `, was ${old.role}`
}

function health(node: ObservedNode): string {
  return node.health === 'up' ? 'up as' : `still ${node.health}, but`
}

function outvoted(topology: ObservedTopology): string {
  const rival = topology.nodes.find((n) => n.role === 'writer')?.spec.name
  return rival === undefined ? 'a higher timeline has been seen' : `${rival} is`
}

function tries(node: ObservedNode, at: number): string {
  const probes = node.failures === 1 ? '1 probe' : `${node.failures} probes`
  const falls = node.falls.length
  const again = falls > 1 ? `; ${falls} falls within a minute` : ''
  return ` (${probes} failed in ${at - (node.failingSince ?? at)} ms${again})`
}

function sign(observation: Observation): string {
  switch (observation.kind) {
    case 'failure':
      return observation.failure.why
    case 'slow':
      return `no answer for ${observation.ms} ms`
    case 'hint':
      return `${HINTS[observation.hint.kind]} (${observation.hint.sign})`
    case 'answer':
    case 'nodes':
      return 'see the other nodes'
    default:
      return observation satisfies never
  }
}

const HINTS: Readonly<Record<Hint['kind'], string>> = {
  refused: 'a connection was refused',
  reset: 'a connection was lost',
  timeout: 'a connection did not answer',
  shutdown: 'it said that it is shutting down',
  'read-only': 'it refused a write',
}
