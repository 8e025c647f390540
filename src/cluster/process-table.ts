/**
 * What the operating system knows of a process: parent, state, start time, command, directory.
 * Linux is read from /proc, other systems are asked through `ps`. Rule: a pid alone proves nothing
 * (pids are reused, zombies answer signal 0), so callers compare what is found here with what they
 * expect before they signal anything.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export interface ProcessInfo {
  readonly pid: number
  readonly parent: number
  /** True when stopped by SIGSTOP. */
  readonly stopped: boolean
  /** Opaque; two processes that had the same pid differ in it. */
  readonly startedAt: string
  /** Arguments joined by blanks. */
  readonly command: string
  /** Working directory, where this user may see it. */
  readonly directory: string | undefined
}

const linux = process.platform === 'linux'

/** The living process `pid`; undefined when there is none, or only its zombie. */
export function processInfo(pid: number): ProcessInfo | undefined {
  if (!Number.isInteger(pid) || pid <= 1) return undefined
  return linux ? fromProc(pid) : fromPs(['-p', String(pid)])[0]
}

/** Every living process this user can see. */
export function allProcesses(): ProcessInfo[] {
  if (!linux) return fromPs(['-A'])
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((entry) => fromProc(Number(entry)))
    .filter((info) => info !== undefined)
}

/** Sends `signal` (0 only asks); false when the process is gone and collected by its parent. */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

/** Files of Postgres' dynamic shared memory that a process has mapped; empty where not known. */
export function sharedMemoryOf(pid: number): string[] {
  try {
    const maps = readFileSync(`/proc/${pid}/maps`, 'utf8')
    return [...new Set(maps.match(/\/dev\/shm\/PostgreSQL\.\d+$/gm) ?? [])]
  } catch {
    return []
  }
}

function fromProc(pid: number): ProcessInfo | undefined {
  let stat: string
  let command: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return undefined
  }
  // The second field is the name in parentheses and may itself hold blanks and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const state = fields[0]
  if (state === 'Z' || state === 'X') return undefined
  let directory: string | undefined
  try {
    directory = readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    directory = undefined
  }
  return {
    pid,
    parent: Number(fields[1]),
    stopped: state === 'T',
    startedAt: fields[19] ?? '',
    command,
    directory,
  }
}

function fromPs(selection: string[]): ProcessInfo[] {
  let output: string
  try {
    output = execFileSync('ps', [...selection, '-o', 'pid=,ppid=,stat=,lstart=,command='], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, LC_ALL: 'C' },
    })
  } catch {
    return []
  }
  const found: ProcessInfo[] = []
  for (const line of output.split('\n')) {
    const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(\S+\s+\S+\s+\d+\s+\S+\s+\d+)\s+(.*)$/.exec(line)
    if (match === null || match[3]?.startsWith('Z')) continue
    found.push({
      pid: Number(match[1]),
      parent: Number(match[2]),
      stopped: match[3]?.startsWith('T') ?? false,
      startedAt: match[4] ?? '',
      command: match[5] ?? '',
      directory: undefined,
    })
  }
  return found
}
