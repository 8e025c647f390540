/**
 * What the verbs of this room share: where a node's files are, how its configuration is written,
 * how it is started. Rule: a `Lab` holds no state of the cluster; that is read from `cluster.json`
 * each time, because another process may have changed it.
 */
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { WeirError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Binaries } from './binaries.ts'
import type { RunAs } from './run-as.ts'
import { reloadServer, runningServer, startServer } from './server-process.ts'
import { ACCESS_RULES, serverSettings } from './server-settings.ts'
import { type ClusterState, type NodeEntry, readState, writeState } from './state-file.ts'

export interface Lab {
  readonly directory: string
  readonly binaries: Binaries
  readonly runAs: RunAs | undefined
  readonly log: Log
  /** Says a sentence to the person who waits. */
  readonly say: (sentence: string) => void
}

export const nodesDirectory = (state: ClusterState): string => join(state.root, 'nodes')
export const nodeDirectory = (state: ClusterState, name: string): string =>
  join(nodesDirectory(state), name)
export const dataDirectory = (state: ClusterState, name: string): string =>
  join(nodeDirectory(state, name), 'data')
export const logFile = (state: ClusterState, name: string): string =>
  join(nodeDirectory(state, name), 'log')

/** The state, which must be there. Throws WEIR_CLUSTER_NONE. */
export function stateOf(lab: Pick<Lab, 'directory'>): ClusterState {
  const state = readState(lab.directory)
  if (state === undefined) {
    throw new WeirError('WEIR_CLUSTER_NONE', `there is no cluster in ${lab.directory}`, {
      hint: 'create one with `weir cluster up`, or name its directory with --dir',
    })
  }
  return state
}

/** The node of that name. Throws WEIR_CLUSTER_NODE. */
export function nodeOf(state: ClusterState, name: string): NodeEntry {
  const node = state.nodes.find((entry) => entry.name === name)
  if (node === undefined) {
    const names = state.nodes.map((entry) => entry.name).join(', ')
    throw new WeirError('WEIR_CLUSTER_NODE', `there is no ${name}; there are ${names}`)
  }
  return node
}

export const writerOf = (state: ClusterState): NodeEntry => nodeOf(state, state.writer)

/** Reads the state, changes it, writes it. Only under the operation lock. */
export function changeState(lab: Lab, change: (state: ClusterState) => void): ClusterState {
  const state = stateOf(lab)
  change(state)
  writeState(lab.directory, state)
  return state
}

export function isRunning(state: ClusterState, name: string): boolean {
  return runningServer(dataDirectory(state, name)) !== undefined
}

/** A directory that the user who runs servers may write to. */
export function makeDirectory(path: string, runAs: RunAs | undefined, mode = 0o755): void {
  mkdirSync(path, { recursive: true, mode })
  if (runAs !== undefined) chownSync(path, runAs.uid, runAs.gid)
}

/** Writes a file as that user's. */
export function writeOwned(lab: Lab, path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 })
  if (lab.runAs !== undefined) chownSync(path, lab.runAs.uid, lab.runAs.gid)
}

/**
 * Writes a node's configuration; true if that changed it.
 * @param follow the node to stream from; undefined for the writer
 */
export function configureNode(
  lab: Lab,
  state: ClusterState,
  node: NodeEntry,
  follow: NodeEntry | undefined,
  options: { slot?: boolean } = {},
): boolean {
  const data = dataDirectory(state, node.name)
  const main = join(data, 'postgresql.conf')
  const include = "include 'weir.conf'"
  const mainText = readFileSync(main, 'utf8')
  if (!mainText.includes(include)) writeOwned(lab, main, `${mainText}\n${include}\n`)
  writeOwned(lab, join(data, 'pg_hba.conf'), ACCESS_RULES)

  const signal = join(data, 'standby.signal')
  if (follow === undefined) rmSync(signal, { force: true })
  else if (!existsSync(signal)) writeOwned(lab, signal, '')

  const file = join(data, 'weir.conf')
  const text = serverSettings(state, node, follow, options)
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return false
  writeOwned(lab, file, text)
  return true
}

/** Lets a running reader follow another node, without a restart. */
export function repoint(
  lab: Lab,
  state: ClusterState,
  node: NodeEntry,
  follow: NodeEntry,
  options: { slot?: boolean } = {},
): void {
  configureNode(lab, state, node, follow, options)
  reloadServer(dataDirectory(state, node.name))
}

/** Configures and starts a node that does not run. Throws WEIR_PORT_TAKEN, WEIR_CLUSTER_START. */
export async function launch(
  lab: Lab,
  state: ClusterState,
  node: NodeEntry,
  follow: NodeEntry | undefined,
): Promise<void> {
  configureNode(lab, state, node, follow)
  await requireFreePort(state, node)
  // Left by a crash, and its pid may belong to a stranger by now.
  rmSync(join(state.socketDirectory, `.s.PGSQL.${node.port}.lock`), { force: true })
  const data = dataDirectory(state, node.name)
  const pid = await startServer(data, logFile(state, node.name), lab.binaries, lab.runAs)
  lab.log.info({ node: node.name, port: node.port, pid }, 'node started')
}

/** Throws WEIR_PORT_TAKEN. */
export async function requireFreePort(state: ClusterState, node: NodeEntry): Promise<void> {
  const failure = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    const probe = createServer()
    probe.once('error', resolve)
    probe.listen(node.port, '127.0.0.1', () => probe.close(() => resolve(undefined)))
  })
  if (failure === undefined) return
  throw new WeirError(
    'WEIR_PORT_TAKEN',
    `port ${node.port} for ${node.name} cannot be used: ${failure.code === 'EADDRINUSE' ? 'another process listens on it' : failure.message}`,
    {
      hint: `nodes start at port ${state.basePort} (setting cluster.basePort); move all of them with --port-offset N`,
    },
  )
}

/** Waits for all, then throws the first failure: nothing goes on behind the caller's back. */
export async function allDone(works: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(works)
  for (const result of results) if (result.status === 'rejected') throw result.reason
}
