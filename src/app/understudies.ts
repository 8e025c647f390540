/**
 * Understudies: while the writer is away, every reader that may be the next one has a few connections
 * for each of its pools, logged in and idle, so that the first borrow after a promotion need not wait
 * for a login. Rule: they are opened out of places that lie free, never more than one burst of
 * openings, and are ordinary members of the reader's pool: unused ones are trimmed like all others.
 */
import type { Member } from '../pool/member.ts'
import type { PoolKey, PoolSet } from '../pool/pools.ts'
import type { Topology } from '../topology/topology.ts'

export interface UnderstudiesParts<M extends Member> {
  readonly pools: PoolSet<M>
  /** As many are opened for each pool, if its writer had so many. */
  readonly most: number
}

interface Cast {
  readonly key: PoolKey
  count: number
}

export class Understudies<M extends Member> {
  #parts: UnderstudiesParts<M>
  #writer: string | undefined
  /** What the writer's pools had when it became suspect: by the time it is down all may be lost. */
  #cast = new Map<string, Cast>()

  constructor(parts: UnderstudiesParts<M>) {
    this.#parts = parts
  }

  /** For each new topology, before its pools are retired: they tell who will want to write. */
  look(now: Topology, before: Topology): void {
    const writer = before.nodes.find((n) => n.role === 'writer' && n.health !== 'down')?.spec.name
    if (writer === undefined) return
    const node = now.nodes.find((n) => n.spec.name === writer)
    if (node === undefined || node.health === 'up') return
    if (node.health === 'suspect' || this.#writer !== writer) this.#cast.clear()
    this.#writer = writer
    this.#count(writer)
    const replaced = now.nodes.some((n) => n.role === 'writer' && n.health !== 'down')
    if (node.health !== 'down' || replaced) return
    for (const { spec, role, health } of now.nodes) {
      if (role === 'reader' && health !== 'down') this.#prepare(spec.name)
    }
  }

  #count(writer: string): void {
    this.#parts.pools.forEach((pool, key) => {
      if (key?.node !== writer || key.purpose !== undefined) return
      const { total, opening, waiting } = pool.stats()
      const count = Math.max(total + opening, waiting)
      const cast = this.#cast.get(pool.name)
      if (cast !== undefined) cast.count = Math.max(cast.count, count)
      else if (count > 0) this.#cast.set(pool.name, { key, count })
    })
  }

  #prepare(node: string): void {
    const { pools, most } = this.#parts
    for (const { key, count } of this.#cast.values()) {
      const pool = pools.get({ ...key, node })
      const { idle, opening } = pool.stats()
      pool.stock(Math.min(most, count) - idle - opening)
    }
  }
}
