/**
 * A local replicated Postgres for people and tests: one writer, streaming readers, and verbs to
 * hurt and heal them. This file is the room's door: it composes, the other files work.
 * Rule: all knowledge is in `cluster.json`, data directories and the process table, so any process
 * may open a lab that another one started; verbs that change it take turns through a lock.
 */
import { rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { WeirError } from '../core/errors.ts'
import { findBinaries } from './binaries.ts'
import { diskFacts } from './disk-facts.ts'
import { dataDirectory, type Lab, launch, logFile, nodeOf, stateOf, writerOf } from './lab.ts'
import { type Holder, holderOf, isAlive, type Lock, tryLock, waitForLock } from './lock.ts'
import { addReader, removeReader } from './members.ts'
import { type ClusterNode, glance, type NodeStatus, nodesOf, statusOf } from './node-status.ts'
import { claimDirectory } from './place.ts'
import { type ClusterOptions, prepare, voices } from './prepare.ts'
import { type PromoteOptions, type Promotion, promote } from './promote.ts'
import { type RejoinWay, rejoin } from './rejoin.ts'
import { chooseRunAs } from './run-as.ts'
import {
  killServer,
  lastLines,
  pauseServer,
  resumeServer,
  type StopMode,
  signalStop,
  stopServer,
} from './server-process.ts'
import { type ClusterState, stateFile } from './state-file.ts'
import { bringUp, startReader, trueState } from './up.ts'

/**
 * Creates the lab in `directory`, or starts or adopts what is there. The returned cluster owns the
 * directory until `down`, `destroy` or `detach`; a second start meanwhile throws
 * WEIR_CLUSTER_BUSY. Other errors: WEIR_PORT_TAKEN, WEIR_CLUSTER_*.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const directory = resolve(options.directory)
  claimDirectory(directory)
  const owner = tryLock(ownerLock(directory), 'runs this cluster')
  if (!('release' in owner)) throw busy(directory, owner)
  let cluster: Cluster | undefined
  let adopted: string[] = []
  try {
    cluster = new Cluster(await prepare(directory, options), owner)
    adopted = runningNames(cluster)
    await cluster.up()
    return cluster
  } catch (error) {
    // What did not run before does not run after a start that failed.
    const started = cluster === undefined ? [] : runningNames(cluster)
    for (const name of started) if (!adopted.includes(name)) await cluster?.stop(name)
    cluster?.detach()
    owner.release()
    throw error
  }
}

/** A cluster that this or another process started. Throws WEIR_CLUSTER_NONE. */
export async function openCluster(
  directory: string,
  options: Pick<ClusterOptions, 'log' | 'onProgress'> = {},
): Promise<Cluster> {
  const at = resolve(directory)
  const state = stateOf({ directory: at })
  const runAs = chooseRunAs()
  const binaries = await findBinaries(state.postgresBin, state.root, runAs)
  return new Cluster({ directory: at, binaries, runAs, ...voices(options) }, undefined)
}

export class Cluster {
  readonly #lab: Lab
  #owner: Lock | undefined
  /** The last resort when the owner exits without `down`: nothing can be awaited any more. */
  readonly #atExit = () => {
    try {
      for (const { name } of this.nodes()) signalStop(this.#data(name))
    } catch {
      // The directory is gone, and nothing runs without one.
    }
  }

  /** Use `startCluster` or `openCluster`. */
  constructor(lab: Lab, owner: Lock | undefined) {
    this.#lab = lab
    this.#owner = owner
    if (owner !== undefined) process.once('exit', this.#atExit)
  }

  get directory(): string {
    return this.#lab.directory
  }

  /** User, password and database of the lab. */
  get login(): { user: string; password: string; database: string } {
    const { user, password, database } = this.#state
    return { user, password, database }
  }

  nodes(): ClusterNode[] {
    return nodesOf(this.#state)
  }

  /** Throws WEIR_CLUSTER_NODE when there is no node of that name. */
  node(name: string): ClusterNode {
    return glance(this.#state, nodeOf(this.#state, name))
  }

  writer(): ClusterNode {
    return glance(this.#state, writerOf(this.#state))
  }

  readers(): ClusterNode[] {
    return this.nodes().filter((node) => node.role === 'reader')
  }

  /** Connection URL of a node, default the writer; holds the password. */
  url(name?: string): string {
    const state = this.#state
    const { port } = name === undefined ? writerOf(state) : nodeOf(state, name)
    const login = `${encodeURIComponent(state.user)}:${encodeURIComponent(state.password)}`
    return `postgres://${login}@127.0.0.1:${port}/${encodeURIComponent(state.database)}`
  }

  /** Asks every server; a silent one takes up to 2 s. */
  status(): Promise<NodeStatus[]> {
    return statusOf(this.#state)
  }

  /** Starts or adopts every node; `startCluster` has done it. */
  up(): Promise<void> {
    return this.#exclusively('starts nodes', () => bringUp(this.#lab))
  }

  /** SIGKILL for the whole node; `atSignal` is told just before the first signal. */
  async kill(name: string, atSignal?: () => void): Promise<void> {
    await killServer(this.#data(name), atSignal)
  }

  /** Stops one node: `fast` disconnects clients, `smart` waits for them, `immediate` is a crash. */
  async stop(name: string, mode: StopMode = 'fast'): Promise<void> {
    await stopServer(this.#data(name), mode)
  }

  /** SIGSTOP: the node keeps its port and connections and answers nobody. */
  async pause(name: string): Promise<void> {
    pauseServer(this.#data(name))
  }

  async resume(name: string): Promise<void> {
    resumeServer(this.#data(name))
  }

  /**
   * Starts a stopped or killed node: the writer as writer, any other as its reader (a former writer
   * rejoins). With `asItWas` its data directory alone decides, so a former writer comes back as a
   * second one, as after a healed network partition.
   */
  start(name: string, options: { asItWas?: boolean } = {}): Promise<void> {
    return this.#exclusively(`starts ${name}`, async () => {
      const state = trueState(this.#lab)
      const node = nodeOf(state, name)
      if (this.node(name).running) return
      const asWriter = options.asItWas && diskFacts(this.#data(name))?.claimsWriter
      if (name === state.writer || asWriter) return launch(this.#lab, state, node, undefined)
      if (this.writer().running) return startReader(this.#lab, name)
      await launch(this.#lab, state, node, writerOf(state))
    })
  }

  async restart(name: string): Promise<void> {
    await this.stop(name)
    await this.start(name)
  }

  /** Makes a reader the writer: the named one, else lowest tier first, then most advanced. */
  promote(name?: string, options?: PromoteOptions): Promise<Promotion> {
    return this.#exclusively('promotes', () => promote(this.#lab, name, options))
  }

  /** Makes a node (a former writer, a reader that fell behind) a reader of the present writer. */
  rejoin(name: string): Promise<RejoinWay> {
    return this.#exclusively(`rejoins ${name}`, () => rejoin(this.#lab, name))
  }

  /** Adds a reader; resolves with it when it streams. */
  addReader(options: { tier?: number } = {}): Promise<ClusterNode> {
    return this.#exclusively('adds a reader', async () =>
      this.node(await addReader(this.#lab, options.tier)),
    )
  }

  removeReader(name: string): Promise<void> {
    return this.#exclusively(`removes ${name}`, () => removeReader(this.#lab, name))
  }

  /** The last lines of a node's log. */
  logs(name: string, lines = 50): string {
    return lastLines(this.logFile(name), lines)
  }

  logFile(name: string): string {
    return logFile(this.#state, nodeOf(this.#state, name).name)
  }

  /** Stops every node, the writer first, so that readers receive all it wrote. */
  async down(): Promise<void> {
    await this.#exclusively('stops nodes', () => this.#stopAll('fast'))
    this.detach()
  }

  /** Stops every node and removes the data. */
  async destroy(): Promise<void> {
    await this.#exclusively('removes the data', async () => {
      const state = this.#state
      await this.#stopAll('immediate')
      rmSync(stateFile(this.directory), { force: true })
      await removeFiles(this.directory, state)
    })
    this.detach()
    for (const lock of [ownerLock(this.directory), turnLock(this.directory)]) {
      const holder = holderOf(lock)
      if (holder === undefined || !isAlive(holder)) rmSync(lock, { force: true })
    }
  }

  /** Gives up the directory and leaves the nodes running, for another process to open. */
  detach(): void {
    process.off('exit', this.#atExit)
    this.#owner?.release()
    this.#owner = undefined
  }

  async #stopAll(mode: StopMode): Promise<void> {
    const state = this.#state
    await stopServer(dataDirectory(state, state.writer), mode)
    const readers = state.nodes.filter((node) => node.name !== state.writer)
    await Promise.all(readers.map(({ name }) => stopServer(dataDirectory(state, name), mode)))
  }

  get #state(): ClusterState {
    return stateOf(this.#lab)
  }

  #data(name: string): string {
    return dataDirectory(this.#state, nodeOf(this.#state, name).name)
  }

  /** One verb at a time, over all processes. */
  async #exclusively<T>(purpose: string, work: () => Promise<T>): Promise<T> {
    const turn = await waitForLock(turnLock(this.directory), purpose, 90_000)
    if (!('release' in turn)) throw busy(this.directory, turn)
    try {
      return await work()
    } finally {
      turn.release()
    }
  }
}

const runningNames = (cluster: Cluster): string[] =>
  cluster.nodes().flatMap(({ name, running }) => (running ? [name] : []))
const ownerLock = (directory: string): string => join(directory, 'owner.lock')
const turnLock = (directory: string): string => join(directory, 'turn.lock')

async function removeFiles(directory: string, state: ClusterState): Promise<void> {
  const ours = [join(state.root, 'nodes'), join(state.root, 'run'), join(state.root, 'lib')]
  ours.push(state.socketDirectory)
  if (state.root !== directory) ours.push(state.root)
  for (const path of ours) await rm(path, { recursive: true, force: true })
}

function busy(directory: string, holder: Holder): WeirError {
  return new WeirError(
    'WEIR_CLUSTER_BUSY',
    `process ${holder.pid} ${holder.purpose} in ${directory} right now`,
    {
      hint: 'stop it first (Ctrl-C, or `weir cluster down`), or name another directory with --dir',
    },
  )
}
