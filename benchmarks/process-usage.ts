/**
 * What a process and its children have used, from /proc. Rule: threads and child processes count
 * with their parent, so a proxy of many workers is measured as one. Off Linux there is no /proc
 * and every figure is undefined.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

export interface Usage {
  /** User and system time since the process started, in microseconds; 10 ms is one tick. */
  readonly cpuUs: number
  /** read and write system calls; recv and send of sockets are not among them. */
  readonly reads: number
  readonly writes: number
  /** Largest resident memory so far, in KiB. */
  readonly peakKib: number
}

let ticksPerSecond: number | undefined

/** Usage of `pid` and everything below it, or undefined where it cannot be read. */
export function usageOf(pid: number): Usage | undefined {
  ticksPerSecond ??= clockTicks()
  let found = false
  const sum = { cpuUs: 0, reads: 0, writes: 0, peakKib: 0 }
  for (const member of familyOf(pid)) {
    const stat = readProc(member, 'stat')
    if (stat === undefined) continue
    found = true
    const fields = statFields(stat)
    sum.cpuUs += ((Number(fields[11]) + Number(fields[12])) * 1e6) / ticksPerSecond
    sum.peakKib += number(/^VmHWM:\s+(\d+)/m, readProc(member, 'status'))
    const io = readProc(member, 'io')
    sum.reads += number(/^syscr: (\d+)/m, io)
    sum.writes += number(/^syscw: (\d+)/m, io)
  }
  return found ? sum : undefined
}

/** The fields of /proc/PID/stat after the name, which may hold blanks and parentheses itself. */
function statFields(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** `pid` and every process below it, itself first. */
export function familyOf(pid: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readNames('/proc')) {
    const stat = /^\d+$/.test(name) ? readProc(Number(name), 'stat') : undefined
    if (stat !== undefined) parents.set(Number(name), Number(statFields(stat)[1]))
  }
  const family = [pid]
  for (const member of family) {
    for (const [child, parent] of parents) if (parent === member) family.push(child)
  }
  return family
}

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return undefined
  }
}

const number = (pattern: RegExp, text = ''): number => Number(pattern.exec(text)?.[1] ?? 0)

function clockTicks(): number {
  try {
    return Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) || 100
  } catch {
    return 100
  }
}
