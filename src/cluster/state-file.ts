/**
 * `cluster.json`: what a lab consists of and where its parts are. Rule: it is the only memory
 * between commands; every operation reads it afresh and replaces it as a whole (write aside, then
 * rename), so a crash leaves either the old state or the new one. It holds passwords: mode 0600.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { messageOf, WeirError } from '../core/errors.ts'

const nodeSchema = z.object({
  name: z.string().regex(/^node-\d+$/),
  port: z.int().min(1).max(65535),
  /** Who is promoted first, 0-15, lowest first. */
  tier: z.int().min(0).max(15),
  /** False until its data directory is complete; an incomplete one is made anew. */
  ready: z.boolean(),
})

const stateSchema = z.object({
  version: z.literal(1),
  /** Data directories, logs, sockets and caches are below it. */
  root: z.string(),
  socketDirectory: z.string(),
  postgresBin: z.string().optional(),
  basePort: z.int(),
  user: z.string(),
  password: z.string(),
  database: z.string(),
  /** The lab's own role: replication and status. */
  lab: z.object({ user: z.string(), password: z.string() }),
  maxConnections: z.int(),
  synchronous: z.boolean(),
  fsync: z.boolean(),
  /** Size of a WAL file in MiB, fixed when the writer is made; Postgres's default when absent. */
  walSegment: z.int().optional(),
  settings: z.record(z.string(), z.string()),
  /** Name of the node that is, or was last, the writer. */
  writer: z.string(),
  nodes: z.array(nodeSchema),
})

export type ClusterState = z.infer<typeof stateSchema>
export type NodeEntry = z.infer<typeof nodeSchema>

export const stateFile = (directory: string): string => join(directory, 'cluster.json')

/** The state below `directory`, undefined when there is none. Throws WEIR_CLUSTER_STATE. */
export function readState(directory: string): ClusterState | undefined {
  const file = stateFile(directory)
  if (!existsSync(file)) return undefined
  try {
    return stateSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (error) {
    throw new WeirError('WEIR_CLUSTER_STATE', `${file} cannot be read: ${messageOf(error)}`, {
      hint: 'remove the directory to start afresh; the data in it are lost then',
      cause: error,
    })
  }
}

/** Throws WEIR_CLUSTER_OPTION for values that cannot be: a tier above 15, a port above 65535. */
export function writeState(directory: string, state: ClusterState): void {
  const { error } = stateSchema.safeParse(state)
  if (error !== undefined) {
    const wrong = error.issues.map(({ path, message }) => `${namedPath(state, path)}: ${message}`)
    throw new WeirError('WEIR_CLUSTER_OPTION', wrong.join('; '))
  }
  const file = stateFile(directory)
  const aside = `${file}.${process.pid}.new`
  writeFileSync(aside, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 })
  renameSync(aside, file)
}

/** `nodes.2.tier` as a person would say it: `tier of node-3`. */
function namedPath(state: ClusterState, path: readonly PropertyKey[]): string {
  const [list, index, field] = path
  if (list !== 'nodes' || field === undefined) return path.map(String).join('.')
  return `${String(field)} of ${state.nodes[Number(index)]?.name}`
}
