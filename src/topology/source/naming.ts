/**
 * Names of nodes that others have named. Rule: the same server gets the same name at every answer,
 * no two of one answer share one, and none holds a character that logs, metrics or the keys of pools
 * would stumble over.
 */
import type { NodeSpec } from '../topology.ts'

/** Characters a name may have. */
const MOST = 63

/** As it is wherever that can be; everything else becomes a dash. */
export function plainName(text: string): string {
  const plain = text.replace(/[^A-Za-z0-9._:-]+/g, '-').slice(0, MOST)
  return plain === '' ? 'node' : plain
}

/**
 * In a lasting order (by name, numbers by size), each server once, each name once: servers that
 * share a name get their ports behind it, or their addresses.
 */
export function inOrder(specs: readonly NodeSpec[]): readonly NodeSpec[] {
  const byPlace = new Map<string, NodeSpec>()
  for (const spec of specs) {
    const place = `${spec.host} ${spec.port}`
    if (!byPlace.has(place)) byPlace.set(place, spec)
  }
  // By place first, so that who gets which name does not hang on the order of the answer.
  const once = [...byPlace].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, spec]) => spec)
  const alone = ({ name }: NodeSpec) => once.filter((other) => other.name === name).length === 1
  const taken = new Set(once.filter(alone).map(({ name }) => name))
  return once
    .map((spec) => {
      if (alone(spec)) return spec
      const marks = [`${spec.port}`, `${spec.host}-${spec.port}`]
      const twins = once.filter(({ name, port }) => name === spec.name && port === spec.port)
      const name = [...(twins.length === 1 ? marks : marks.slice(1)), ...COUNTED]
        .map((mark) => marked(spec.name, mark))
        .find((one) => !taken.has(one))!
      taken.add(name)
      return { ...spec, name }
    })
    .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }) || compare(a, b))
}

/** For the server whose every other name somebody else has already. */
const COUNTED = Array.from({ length: 100 }, (_, i) => `other-${i + 1}`)

function marked(name: string, mark: string): string {
  return `${name.slice(0, Math.max(1, MOST - 1 - mark.length))}-${plainName(mark)}`.slice(0, MOST)
}

function compare(a: NodeSpec, b: NodeSpec): number {
  return a.name < b.name ? -1 : 1
}
