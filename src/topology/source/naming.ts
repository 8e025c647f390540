/**
 * Names of nodes that others have named. Rule: the same server gets the same name at every answer,
 * no two of one answer share one, and none holds a character that logs, metrics or the keys of pools
 * would stumble over.
 */
import type { NodeSpec } from '../topology.ts'

/** As it is wherever that can be; everything else becomes a dash. 63 characters at most. */
export function plainName(text: string): string {
  const plain = text.replace(/[^A-Za-z0-9._:-]+/g, '-').slice(0, 63)
  return plain === '' ? 'node' : plain
}

/**
 * In a lasting order (by name, numbers by size), each server once, each name once: a second server
 * of the same name gets its port, or its address, behind it.
 */
export function inOrder(specs: readonly NodeSpec[]): readonly NodeSpec[] {
  const places = new Set<string>()
  const once = specs.filter(({ host, port }) => {
    const place = `${host} ${port}`
    if (places.has(place)) return false
    places.add(place)
    return true
  })
  const shared = new Map<string, NodeSpec[]>()
  for (const spec of once) shared.set(spec.name, [...(shared.get(spec.name) ?? []), spec])
  return once
    .map((spec) => {
      const others = shared.get(spec.name)!.filter((other) => other !== spec)
      if (others.length === 0) return spec
      const byPort = others.every(({ port }) => port !== spec.port)
      const mark = byPort ? `${spec.port}` : `${spec.host}-${spec.port}`
      return { ...spec, name: plainName(`${spec.name}-${mark}`) }
    })
    .sort(
      (a, b) =>
        a.name.localeCompare(b.name, 'en', { numeric: true }) ||
        (`${a.host} ${a.port}` < `${b.host} ${b.port}` ? -1 : 1),
    )
}
