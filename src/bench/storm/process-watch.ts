/**
 * CPU and memory of a process with all its children, and of the whole machine, as Linux tells them in
 * /proc. Rule: what is gone is zero and never an error; where there is no /proc nothing is known.
 * A parent's figures hold those of children that ended and that it has waited for.
 */
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import type { Usage } from './result.ts'

/** Of the clock in which /proc counts; the same on every Linux that Node.js runs on. */
const TICKS_A_SECOND = 100

/**
 * Undefined when the process is not there. CPU is counted from the process's own beginning.
 * @param known memory; undefined: is looked up; else taken for it, because the kernel goes through all pages
 */
export function usageOf(pid: number, known?: number): Usage | undefined {
  let cpu = 0
  let memory = 0
  const family = familyOf(pid)
  for (const [i, member] of family.entries()) {
    const own = timesOf(member)
    if (own === undefined) {
      if (i === 0) return undefined
      continue
    }
    cpu += own
    if (known === undefined) memory += memoryOf(member)
  }
  return { cpu, memory: known ?? memory }
}

/** Itself first. Children of a process's main thread only: whom else does a server start? */
function familyOf(pid: number): number[] {
  const found = [pid]
  for (const parent of found) {
    const text = read(`/proc/${parent}/task/${parent}/children`) ?? ''
    for (const word of text.split(' ')) if (word !== '') found.push(Number(word))
  }
  return found
}

/** Seconds of its own and of the children it has waited for. */
function timesOf(pid: number): number | undefined {
  const text = read(`/proc/${pid}/stat`)
  if (text === undefined) return undefined
  // The name, in parentheses, may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [user, system, childUser, childSystem] = fields.slice(11, 15).map(Number)
  return ((user ?? 0) + (system ?? 0) + (childUser ?? 0) + (childSystem ?? 0)) / TICKS_A_SECOND
}

/** Bytes; memory that several processes share is divided among them where the kernel tells. */
function memoryOf(pid: number): number {
  const shared = /^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`) ?? '')
  if (shared !== null) return Number(shared[1]) * 1024
  const resident = /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`) ?? '')
  return resident === null ? 0 : Number(resident[1]) * 1024
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** Connections the kernel threw away so far because a listener did not accept in time. */
export function listenOverflows(): number | undefined {
  const rows = (read('/proc/net/netstat') ?? '')
    .split('\n')
    .filter((row) => row.startsWith('TcpExt:'))
  const [names = [], values = []] = rows.map((row) => row.split(' '))
  const at = names.indexOf('ListenOverflows')
  return at < 0 ? undefined : Number(values[at])
}

/** How much of the machine is busy. */
export class MachineWatch {
  #before = busyAndAll()

  /** The share of all cores since the last call, 0 to 1; undefined for too short a time. */
  share(): number | undefined {
    const now = busyAndAll()
    const all = now.all - this.#before.all
    const busy = now.busy - this.#before.busy
    if (all <= 0) return undefined
    this.#before = now
    return busy / all
  }
}

function busyAndAll(): { busy: number; all: number } {
  let busy = 0
  let all = 0
  for (const { times } of cpus()) {
    const used = times.user + times.nice + times.sys + times.irq
    busy += used
    all += used + times.idle
  }
  return { busy, all }
}
