/**
 * Brings a lab up from whatever is in its directory: nothing, a stopped lab, one that a crashed
 * process left running, or one half made. Rule: every step asks what is there and does what is
 * missing, so doing it twice is the same as doing it once.
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { cloneFromWriter, ensureSlot } from './clone.ts'
import { createWriter, ensureRoles } from './create.ts'
import {
  changeState,
  configureNode,
  dataDirectory,
  isRunning,
  type Lab,
  launch,
  stateOf,
  writerOf,
} from './lab.ts'
import { resumeServer, runningServer, stopServer } from './server-process.ts'
import { slotName } from './server-settings.ts'
import { withNode } from './sql.ts'
import type { ClusterState, NodeEntry } from './state-file.ts'

/** The wishes of `startCluster` that shape the state. */
export interface Shape {
  nodes: number | undefined
  basePort: number
  maxConnections: number
  synchronous: boolean
  fsync: boolean
  user: string
  password: string
  database: string
  settings: Record<string, string>
  tiers: Record<string, number>
  postgresBin: string | undefined
}

/** The state to aim at: what was there, with the wishes of this start applied. */
export function shapedState(
  before: ClusterState | undefined,
  shape: Shape,
  root: string,
  socketDirectory: string,
): ClusterState {
  const { nodes: wanted, tiers, postgresBin, ...rest } = shape
  const count = Math.max(wanted ?? 3, 1)
  const names = before?.nodes.map((node) => node.name) ?? []
  for (let number = 1; names.length < count; number++) {
    if (!names.includes(`node-${number}`)) names.push(`node-${number}`)
  }
  const nodes = names.map((name): NodeEntry => {
    const old = before?.nodes.find((node) => node.name === name)
    return {
      name,
      port: portOf(name, shape.basePort),
      tier: tiers[name] ?? old?.tier ?? 1,
      ready: old?.ready ?? false,
    }
  })
  return {
    version: 1,
    root,
    socketDirectory,
    ...(postgresBin === undefined ? {} : { postgresBin }),
    ...rest,
    lab: before?.lab ?? { user: 'weir_lab', password: randomBytes(18).toString('base64url') },
    writer: before?.writer ?? 'node-1',
    nodes,
  }
}

/** `node-3` listens two above the base port. */
export const portOf = (name: string, basePort: number): number =>
  basePort + Number(name.replace('node-', '')) - 1

/** Starts what does not run and makes what is not there. */
export async function bringUp(lab: Lab): Promise<void> {
  await startWriter(lab)
  const state = stateOf(lab)
  const readers = state.nodes.filter((node) => node.name !== state.writer)
  await withNode(state, writerOf(state), async (client) => {
    for (const reader of readers) await ensureSlot(client, slotName(reader.name))
  })
  await Promise.all(readers.map((reader) => startReader(lab, reader)))
}

async function startWriter(lab: Lab): Promise<void> {
  const state = stateOf(lab)
  const writer = writerOf(state)
  const made = writer.ready && existsSync(join(dataDirectory(state, writer.name), 'PG_VERSION'))
  if (!made) {
    changeState(lab, (now) => {
      for (const node of now.nodes) node.ready = false
    })
    return createWriter(lab, stateOf(lab))
  }
  await startOrAdopt(lab, state, writer, undefined)
  await ensureRoles(state)
}

/** Starts a reader, cloning it first when it has no data. */
export async function startReader(lab: Lab, reader: NodeEntry): Promise<void> {
  const state = stateOf(lab)
  const node = state.nodes.find((entry) => entry.name === reader.name) ?? reader
  const made = node.ready && existsSync(join(dataDirectory(state, node.name), 'PG_VERSION'))
  if (!made) {
    await stopServer(dataDirectory(state, node.name), 'immediate')
    await cloneFromWriter(lab, state, node)
  }
  await startOrAdopt(lab, state, node, writerOf(state))
}

/** A running server with the wanted configuration is kept; any other is (re)started. */
async function startOrAdopt(
  lab: Lab,
  state: ClusterState,
  node: NodeEntry,
  follow: NodeEntry | undefined,
): Promise<void> {
  const data = dataDirectory(state, node.name)
  if (runningServer(data)?.paused) resumeServer(data)
  if (isRunning(state, node.name)) {
    if (!configureNode(lab, state, node, follow)) {
      lab.say(`${node.name} is running already on port ${node.port}`)
      return
    }
    await stopServer(data, 'fast')
  }
  await launch(lab, state, node, follow)
  lab.say(`${node.name} is ready on port ${node.port} (${follow ? 'reader' : 'writer'})`)
}
