/**
 * One Postgres server as a family of processes: start, stop, kill, pause, resume, reload.
 * Rule: the truth about "is it running, and is it ours" is read afresh each time from
 * `postmaster.pid` and the process table. A pid is signalled only if that process is a Postgres
 * whose data directory is the one asked for; anything else is left alone whatever a file says.
 */
import { spawn } from 'node:child_process'
import { chownSync, closeSync, openSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf, WeirError } from '../core/errors.ts'
import { until } from '../core/until.ts'
import { type Binaries, serverEnvironment } from './binaries.ts'
import {
  allProcesses,
  type ProcessInfo,
  processInfo,
  sharedMemoryOf,
  signalProcess,
} from './process-table.ts'
import { type RunAs, spawnIdentity } from './run-as.ts'

export type StopMode = 'fast' | 'immediate' | 'smart'

/** The server that runs on a data directory. */
export interface RunningServer {
  readonly pid: number
  readonly paused: boolean
  /** Undefined while it starts. */
  readonly port: number | undefined
  /** As the server says it: `starting`, `ready`, `standby`, `stopping`. */
  readonly phase: string
}

const STOP_SIGNALS = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const

/** The server running on `data`, verified; undefined when there is none. */
export function runningServer(data: string): RunningServer | undefined {
  const lines = postmasterFile(data)
  if (lines === undefined) return undefined
  const info = processInfo(Number(lines[0]))
  if (info === undefined || !worksOn(info, data)) return undefined
  return {
    pid: info.pid,
    paused: info.stopped,
    port: Number(lines[3]) || undefined,
    phase: (lines[7] ?? 'starting').trim(),
  }
}

/**
 * Starts a server on `data` and returns when it accepts connections (a reader: when consistent).
 * The server leads its own session, so a terminal's Ctrl-C reaches only us, and we stop it in order.
 * Throws WEIR_CLUSTER_START with the last lines of its log.
 */
export async function startServer(
  data: string,
  logFile: string,
  binaries: Binaries,
  runAs: RunAs | undefined,
  withinMs = 60_000,
): Promise<number> {
  await clearRemains(data)
  const log = openSync(logFile, 'a', 0o640)
  if (runAs !== undefined) chownSync(logFile, runAs.uid, runAs.gid)
  const child = spawn(join(binaries.bin, 'postgres'), ['-D', data], {
    ...spawnIdentity(runAs),
    cwd: '/',
    env: serverEnvironment(binaries),
    detached: true,
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  let ended: string | undefined
  child.once('error', (error) => {
    ended = messageOf(error)
  })
  child.once('exit', (code, signal) => {
    ended ??= signal === null ? `exit code ${code}` : `signal ${signal}`
  })
  child.unref()
  await until(
    () => {
      if (ended !== undefined) return true
      const server = runningServer(data)
      return server !== undefined && server.pid === child.pid && server.phase === 'ready'
    },
    withinMs,
    { what: `the server on ${data} to accept connections` },
  ).catch((error: unknown) => {
    ended = messageOf(error)
  })
  if (ended !== undefined) {
    throw new WeirError('WEIR_CLUSTER_START', `the server on ${data} did not start: ${ended}`, {
      detail: lastLines(logFile, 12),
      hint: `its log is ${logFile}`,
    })
  }
  return child.pid as number
}

/**
 * Stops the server on `data` if one runs and waits until it is gone. A paused server is woken first.
 * What does not end within `withinMs` is stopped immediately (as after a crash, nothing committed
 * is lost). Returns false when nothing ran.
 */
export async function stopServer(
  data: string,
  mode: StopMode,
  withinMs = 20_000,
): Promise<boolean> {
  const server = runningServer(data)
  if (server === undefined) return false
  signalStop(data, mode)
  const gone = () => processInfo(server.pid) === undefined
  try {
    await until(gone, withinMs, { everyMs: 10 })
  } catch {
    await killServer(data)
  }
  await reaped(server.pid)
  return true
}

/** Tells the server on `data`, if one runs, to stop, and does not wait. */
export function signalStop(data: string, mode: StopMode = 'fast'): void {
  const server = runningServer(data)
  if (server === undefined) return
  if (server.paused) resumeServer(data)
  signalProcess(server.pid, STOP_SIGNALS[mode])
}

/**
 * SIGKILL for the server and all its children, as when a machine loses power.
 * @param atSignal told just before the first signal; looking for the children takes its time
 */
export async function killServer(data: string, atSignal?: () => void): Promise<boolean> {
  const server = runningServer(data)
  if (server === undefined) return false
  const family = [server.pid, ...childrenOf(server.pid, data)]
  // Nobody is left to remove these, and if the data directory goes next, nobody ever would.
  const memory = new Set(family.flatMap(sharedMemoryOf))
  atSignal?.()
  for (const pid of family) signalProcess(pid, 'SIGKILL')
  await until(() => family.every((pid) => processInfo(pid) === undefined), 10_000, { everyMs: 5 })
  for (const file of memory) rmSync(file, { force: true })
  await reaped(server.pid)
  return true
}

/** A child of ours is a zombie until Node has collected it; if we exited first, it might stay one. */
async function reaped(pid: number): Promise<void> {
  await until(() => !signalProcess(pid, 0), 300, { everyMs: 2 }).catch(() => {})
}

/** SIGSTOP for the server and all its children: it holds its port and answers nobody. */
export function pauseServer(data: string): boolean {
  const server = runningServer(data)
  if (server === undefined) return false
  signalProcess(server.pid, 'SIGSTOP')
  for (const pid of childrenOf(server.pid, data)) signalProcess(pid, 'SIGSTOP')
  return true
}

/** Undoes `pauseServer`. */
export function resumeServer(data: string): boolean {
  const server = runningServer(data)
  if (server === undefined) return false
  for (const pid of childrenOf(server.pid, data)) signalProcess(pid, 'SIGCONT')
  signalProcess(server.pid, 'SIGCONT')
  return true
}

/** Makes the server read its configuration files again. */
export function reloadServer(data: string): boolean {
  const server = runningServer(data)
  return server !== undefined && signalProcess(server.pid, 'SIGHUP')
}

/** The last `count` lines of a file; empty when it is not there. */
export function lastLines(file: string, count: number): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-count).join('\n')
  } catch {
    return ''
  }
}

/**
 * After a crash: ends children that outlived their server (paused ones never notice its death) and
 * removes a `postmaster.pid` whose pid may belong to a stranger by now, which Postgres would refuse.
 */
async function clearRemains(data: string): Promise<void> {
  if (runningServer(data) !== undefined) {
    throw new WeirError('WEIR_CLUSTER_RUNNING', `a server already runs on ${data}`)
  }
  const orphans = allProcesses().filter((info) => worksIn(info, data))
  for (const { pid } of orphans) signalProcess(pid, 'SIGKILL')
  await until(() => orphans.every(({ pid }) => processInfo(pid) === undefined), 10_000)
  rmSync(join(data, 'postmaster.pid'), { force: true })
}

function childrenOf(pid: number, data: string): number[] {
  return allProcesses()
    .filter((info) => info.parent === pid && (worksIn(info, data) || info.directory === undefined))
    .map((info) => info.pid)
}

function worksIn(info: ProcessInfo, data: string): boolean {
  return info.directory === real(data) && info.command.includes('postgres')
}

function worksOn(info: ProcessInfo, data: string): boolean {
  if (!info.command.includes('postgres')) return false
  if (info.directory !== undefined) return info.directory === real(data)
  return info.command.endsWith(`-D ${data}`)
}

function real(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

/** Lines: pid, data directory, start time, port, socket directory, address, shared memory, phase. */
function postmasterFile(data: string): string[] | undefined {
  try {
    return readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')
  } catch {
    return undefined
  }
}
