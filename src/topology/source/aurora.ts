/**
 * The instances of an Aurora cluster, as `aurora_replica_status()` lists them. Rule: any instance
 * may be asked and each tells only what it knows itself, so its word on who writes is a hint; their
 * addresses come from their names, by a template, as no function tells them.
 */
import type { Clock } from '../../core/clock.ts'
import type { NodeSpec } from '../topology.ts'
import { inOrder, plainName } from './naming.ts'
import type { Listing, Source } from './source.ts'
import { staggered } from './staggered.ts'

export interface AuroraPlace {
  readonly host: string
  readonly port: number
}

/** One row of `aurora_replica_status()`. */
export interface AuroraRow {
  readonly serverId: string
  /** `MASTER_SESSION_ID` on the writer, else something unique. */
  readonly sessionId: string
  /** Milliseconds since the instance was heard of; undefined for the one that was asked. */
  readonly ageMs: number | undefined
}

export interface AuroraOptions {
  /** Where to ask first: the cluster endpoint, an instance or two. */
  readonly hosts: readonly AuroraPlace[]
  /** `?.abc123.eu-central-1.rds.amazonaws.com`, with the instance's name for the `?`. */
  readonly template: string
  readonly port: number
  readonly ask: (place: AuroraPlace, signal: AbortSignal) => Promise<readonly AuroraRow[]>
  readonly close: () => Promise<void>
  readonly clock: Clock
  readonly staggerMs: number
}

/** An instance nobody has heard of for so long is gone, whatever the list says. */
const FORGOTTEN_MS = 300_000

export function auroraSource(options: AuroraOptions): Source {
  const { hosts, template, port, ask, close, clock, staggerMs } = options
  let last: AuroraPlace | undefined
  let told: readonly AuroraPlace[] = []
  return {
    kind: 'aurora',
    place: hosts.map(printed).join(', '),
    list: async (signal) => {
      const places = new Map(
        [...(last === undefined ? [] : [last]), ...hosts, ...told].map((p) => [printed(p), p]),
      )
      const { answer, place } = await staggered(
        [...places.values()],
        async (at, off) => readStatus(await ask(at, off), { template, port, from: printed(at) }),
        { clock, staggerMs, signal },
      )
      last = place
      told = answer.nodes.map((node) => ({ host: node.host, port: node.port }))
      return answer
    },
    close,
  }
}

/** @throws Error when no instance is left */
export function readStatus(
  rows: readonly AuroraRow[],
  { template, port, from }: { template: string; port: number; from: string },
): Listing {
  const isWriter = ({ sessionId }: AuroraRow): boolean => sessionId === 'MASTER_SESSION_ID'
  const present = rows.filter(
    (row) => isWriter(row) || row.ageMs === undefined || row.ageMs <= FORGOTTEN_MS,
  )
  if (present.length === 0) throw new Error(`${from} lists no instance`)
  const nodes = present.map(({ serverId }): NodeSpec => {
    const [host, own] = template.replace('?', serverId).split(':')
    const at = { host: host!, port: own === undefined ? port : Number(own) }
    return { name: plainName(serverId), ...at, weight: 1 }
  })
  // While a writer is replaced two rows may claim to be it; the one heard of last is asked first.
  const writer = present
    .filter(isWriter)
    .reduce<AuroraRow | undefined>(
      (a, b) => (a === undefined || (b.ageMs ?? 0) < (a.ageMs ?? 0) ? b : a),
      undefined,
    )
  const leader = writer === undefined ? undefined : plainName(writer.serverId)
  return { nodes: inOrder(nodes), leader, from }
}

function printed({ host, port }: AuroraPlace): string {
  return `${host}:${port}`
}
