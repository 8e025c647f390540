/**
 * Brings a lab up from whatever is in its directory: nothing, a stopped lab, one that a crashed
 * process left running, or one half made. Rule: every step asks what is there and does what is
 * missing, so doing it twice is the same as doing it once.
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { WeirError } from '../core/errors.ts'
import { ensureSlot } from './clone.ts'
import { createWriter, ensureRoles } from './create.ts'
import { diskFacts } from './disk-facts.ts'
import {
  allDone,
  changeState,
  configureNode,
  dataDirectory,
  isRunning,
  type Lab,
  launch,
  nodeOf,
  requireFreePort,
  stateOf,
  writerOf,
} from './lab.ts'
import { promote } from './promote.ts'
import { copyAndStart, ensureFollowing, rejoin } from './rejoin.ts'
import { reloadServer, resumeServer, runningServer, stopServer } from './server-process.ts'
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
  walSegment?: number | undefined
}

/** The state to aim at: what was there, with the wishes of this start applied. */
export function shapedState(
  before: ClusterState | undefined,
  shape: Shape,
  root: string,
  socketDirectory: string,
): ClusterState {
  const { nodes: wanted, tiers, postgresBin, walSegment, ...rest } = shape
  const count = Math.max(wanted ?? before?.nodes.length ?? 3, 1)
  const names = before?.nodes.map((node) => node.name) ?? []
  while (names.length < count) names.push(nextName(names))
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
    ...(walSegment === undefined ? {} : { walSegment }),
    ...rest,
    lab: before?.lab ?? { user: 'weir_lab', password: randomBytes(18).toString('base64url') },
    writer: before?.writer ?? 'node-1',
    nodes,
  }
}

/** `node-3` listens two above the base port. */
export const portOf = (name: string, basePort: number): number =>
  basePort + Number(name.replace('node-', '')) - 1

/** The lowest free number's name. */
export function nextName(taken: readonly string[]): string {
  for (let number = 1; ; number++) {
    if (!taken.includes(`node-${number}`)) return `node-${number}`
  }
}

/** Starts what does not run and makes what is not there; returns when every reader streams. */
export async function bringUp(lab: Lab): Promise<void> {
  const before = stateOf(lab)
  const running = before.nodes.map(({ name }) => runningServer(dataDirectory(before, name)))
  if (running.some((server, i) => server && server.port !== before.nodes[i]?.port)) {
    // The ports of a lab that moves a little overlap those it had.
    for (const { name } of before.nodes) await stopServer(dataDirectory(before, name), 'fast')
  }
  for (const node of before.nodes) {
    // Told now rather than after half of the work.
    if (!isRunning(before, node.name)) await requireFreePort(before, node)
  }
  const state = await startWriter(lab)
  const readers = state.nodes.filter((node) => node.name !== state.writer)
  await withNode(state, writerOf(state), async (client) => {
    for (const reader of readers) await ensureSlot(client, slotName(reader.name))
  })
  await allDone(readers.map((reader) => startReader(lab, reader.name)))
  // Here ends the haste of `createWriter`.
  const now = stateOf(lab)
  if (configureNode(lab, now, writerOf(now), undefined)) {
    reloadServer(dataDirectory(now, now.writer))
  }
}

/**
 * The state with the writer that the data directories prove: of the nodes that would start as a
 * writer the one on the newest timeline. It differs from the record when a process ended between
 * a promotion and writing it down, or when someone promoted a node over SQL.
 */
export function trueState(lab: Lab): ClusterState {
  const state = stateOf(lab)
  const claims = state.nodes
    .filter((node) => node.ready)
    .map((node) => ({ name: node.name, facts: diskFacts(dataDirectory(state, node.name)) }))
    .filter(({ facts }) => facts?.claimsWriter)
    .sort((a, b) => (b.facts?.newestTimeline ?? 0) - (a.facts?.newestTimeline ?? 0))
  const newest = claims[0]?.facts?.newestTimeline
  const proven = claims.filter(({ facts }) => facts?.newestTimeline === newest)
  const writer = proven.find(({ name }) => name === state.writer) ?? proven[0]
  if (writer === undefined || writer.name === state.writer) return state
  lab.say(`${writer.name} is the writer: it is on timeline ${newest}, newer than ${state.writer}'s`)
  return changeState(lab, (now) => {
    now.writer = writer.name
  })
}

async function startWriter(lab: Lab): Promise<ClusterState> {
  const state = trueState(lab)
  const writer = writerOf(state)
  if (hasData(state, writer)) {
    await startOrAdopt(lab, state, writer, undefined)
    await ensureRoles(state)
    return state
  }
  const heirs = state.nodes.filter((node) => node.name !== writer.name && hasData(state, node))
  if (heirs.length > 0) {
    lab.say(`the data of ${writer.name} are gone; a reader takes over`)
    await allDone(heirs.map((heir) => startOrAdopt(lab, state, heir, writer)))
    await promote(lab, undefined)
    return stateOf(lab)
  }
  changeState(lab, (now) => {
    for (const node of now.nodes) node.ready = false
  })
  await createWriter(lab, stateOf(lab))
  return stateOf(lab)
}

/** Starts a node as a reader of the present writer, by whatever way is needed. */
export async function startReader(lab: Lab, name: string): Promise<void> {
  const state = stateOf(lab)
  const node = nodeOf(state, name)
  const data = dataDirectory(state, name)
  if (!hasData(state, node)) await copyAndStart(lab, node)
  else if (diskFacts(data)?.claimsWriter) await rejoin(lab, name)
  else if (await startsAsItIs(lab, state, node)) await ensureFollowing(lab, node)
  else await copyAndStart(lab, node)
  lab.say(`${name} is ready on port ${node.port} (reader)`)
}

/**
 * False when the server refuses its own data directory: damaged by a crash, or it remembers that its
 * writer had more connections than it may have now.
 */
async function startsAsItIs(lab: Lab, state: ClusterState, node: NodeEntry): Promise<boolean> {
  try {
    await startOrAdopt(lab, state, node, writerOf(state))
    return true
  } catch (error) {
    if (!(error instanceof WeirError) || error.code !== 'WEIR_CLUSTER_START') throw error
    lab.log.warn({ node: node.name, error: error.detail }, 'reader does not start as it is')
    return false
  }
}

function hasData(state: ClusterState, node: NodeEntry): boolean {
  return node.ready && existsSync(join(dataDirectory(state, node.name), 'PG_VERSION'))
}

/** A running server with the wanted configuration is kept; any other is (re)started. */
async function startOrAdopt(
  lab: Lab,
  state: ClusterState,
  node: NodeEntry,
  follow: NodeEntry | undefined,
): Promise<void> {
  const data = dataDirectory(state, node.name)
  resumeServer(data)
  if (isRunning(state, node.name)) {
    if (!configureNode(lab, state, node, follow)) {
      lab.say(`${node.name} runs already`)
      return
    }
    await stopServer(data, 'fast')
  }
  await launch(lab, state, node, follow)
  if (follow === undefined) lab.say(`${node.name} is ready on port ${node.port} (writer)`)
}
