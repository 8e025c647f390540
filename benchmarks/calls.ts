/**
 * System calls and instructions of a proxy for each transaction. Rule: two runs of different
 * length, and the difference of their counts divided by the difference of their transactions, so
 * that logins and all that happens once cancel out; and never while time is measured.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Mode } from './options.ts'
import { type Load, runPgbench } from './pgbench.ts'
import { familyOf } from './process-usage.ts'
import { end, own } from './programs.ts'

/** Per transaction. */
export interface Calls {
  /** read, readv, recvfrom, recvmsg. */
  readonly reads: number
  /** write, writev, sendto, sendmsg. */
  readonly writes: number
  /** epoll_wait and its kind, poll, select: how often the process asked what there is to do. */
  readonly waits: number
  /** Instructions in user mode and in the kernel; undefined where the processor does not count. */
  readonly userInstructions: number | undefined
  readonly kernelInstructions: number | undefined
}

/** What counts calls on this machine; perf hardly disturbs, strace slows what it watches. */
export type CallTool = 'perf' | 'strace'

const KINDS = {
  reads: ['read', 'readv', 'recvfrom', 'recvmsg'],
  writes: ['write', 'writev', 'sendto', 'sendmsg'],
  waits: ['epoll_wait', 'epoll_pwait', 'epoll_pwait2', 'poll', 'ppoll', 'select', 'pselect6'],
} as const

/** The better tool that works here; undefined when there is none. */
export function findCallTool(): CallTool | undefined {
  const works = (command: string, args: readonly string[]): boolean => {
    try {
      execFileSync(command, [...args, 'true'], { stdio: 'ignore', timeout: 10_000 })
      return true
    } catch {
      return false
    }
  }
  if (works('perf', ['stat', '-e', 'syscalls:sys_enter_read'])) return 'perf'
  return works('strace', ['-c', '-f', '-o', '/dev/null']) ? 'strace' : undefined
}

/** Transactions of each client in the short run, and how many more in the long one. */
export function lengths(mode: Mode, clients: number): { short: number; more: number } {
  const all = mode === 'connect' ? 400 : mode === 'tpcb' ? 1_500 : 20_000
  const more = Math.max(5, Math.ceil(all / clients))
  return { short: Math.max(2, Math.ceil(more / 20)), more }
}

/** Counts what `pid` and its children do for `load`. Rejects when a run fails. */
export async function countCalls(
  tool: CallTool,
  pid: number,
  load: Pick<Load, 'target' | 'mode' | 'clients'>,
  around: { readonly directory: string; readonly pgbench: string; readonly stop: AbortSignal },
): Promise<Calls> {
  const { short, more } = lengths(load.mode, load.clients)
  const count = tool === 'perf' ? withPerf : withStrace
  const run = (transactions: number) => count(pid, { ...load, length: { transactions } }, around)
  const before = await run(short)
  const after = await run(short + more)
  return perTransaction(before, after, more * load.clients)
}

/** The difference of two counts, for each of the `transactions` that lie between them. */
export function perTransaction(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  transactions: number,
): Calls {
  const each = (name: string): number | undefined => {
    const more = after.get(name)
    return more === undefined ? undefined : (more - (before.get(name) ?? 0)) / transactions
  }
  const sum = (names: readonly string[]): number =>
    names.reduce((total, name) => total + (each(name) ?? 0), 0)
  return {
    reads: sum(KINDS.reads),
    writes: sum(KINDS.writes),
    waits: sum(KINDS.waits),
    userInstructions: each('instructions:u'),
    kernelInstructions: each('instructions:k'),
  }
}

type Around = Parameters<typeof countCalls>[3]

async function withPerf(pid: number, load: Load, around: Around): Promise<Map<string, number>> {
  const file = join(around.directory, 'perf.csv')
  const calls = Object.values(KINDS).flat()
  const events = [...calls.map((call) => `syscalls:sys_enter_${call}`)]
  const under = [
    ...['perf', 'stat', '-x', ',', '-o', file, '-p', familyOf(pid).join(',')],
    ...['-e', [...events, 'instructions:u', 'instructions:k'].join(','), '--'],
  ]
  try {
    await runPgbench(around.pgbench, load, { stop: around.stop, under })
    return parsePerf(readFileSync(file, 'utf8'))
  } finally {
    rmSync(file, { force: true })
  }
}

/** Reads `perf stat -x ,`: value, unit, event. What was not counted is left out. */
export function parsePerf(text: string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [value = '', , event = ''] = line.split(',')
    if (/^\d+$/.test(value)) counts.set(event.replace('syscalls:sys_enter_', ''), Number(value))
  }
  return counts
}

async function withStrace(pid: number, load: Load, around: Around): Promise<Map<string, number>> {
  const file = join(around.directory, 'strace.txt')
  const pids = familyOf(pid).flatMap((id) => ['-p', String(id)])
  const child = own(spawn('strace', ['-c', '-f', '-q', '-o', file, ...pids], { stdio: 'ignore' }))
  try {
    await once(child, 'spawn')
    // It says nothing when it has attached; the two runs differ by what it counts after that.
    await pause(500)
    await runPgbench(around.pgbench, load, { stop: around.stop })
    await end(child, 'SIGINT')
    return parseStrace(readFileSync(file, 'utf8'))
  } finally {
    await end(child, 'SIGKILL')
    rmSync(file, { force: true })
  }
}

/** Reads the table of `strace -c`: the fourth word is the number of calls, the last the name. */
export function parseStrace(text: string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/)
    const calls = Number(words[3])
    const name = words.at(-1) ?? ''
    if (/^[\d.]+$/.test(words[0] ?? '') && Number.isInteger(calls) && name !== 'total') {
      counts.set(name, calls)
    }
  }
  return counts
}
