/**
 * `weir` as its own process, for what can only be seen from outside: signals, exit codes, memory,
 * orphans. Rule: it runs what is built (`npm test` builds first), and its words are kept for the test
 * that fails.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { until } from '../../src/core/until.ts'
import { testOverrides } from './overrides.ts'

const WEIR = fileURLToPath(new URL('../../scripts/weir.js', import.meta.url))

export interface WeirChild {
  readonly pid: number
  readonly process: ChildProcess
  /** All it has said so far, on both streams. */
  output(): string
  /** Resolves when it has said this; rejects when it ended before. */
  says(text: string | RegExp, withinMs?: number): Promise<void>
  /** Exit code, or the name of the signal that ended it. */
  readonly ended: Promise<number | string>
}

export function weir(...args: string[]): WeirChild {
  const set = args[0] === 'serve' ? testOverrides().flatMap((text) => ['--set', text]) : []
  const child = spawn(process.execPath, [WEIR, ...args, ...set], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  let over = false
  child.stdout.on('data', (chunk) => {
    said += chunk
  })
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  const ended = new Promise<number | string>((resolve) => {
    child.once('close', (code, signal) => {
      over = true
      resolve(code ?? signal ?? 'unknown')
    })
  })
  const heard = (text: string | RegExp): boolean =>
    typeof text === 'string' ? said.includes(text) : text.test(said)
  return {
    pid: child.pid!,
    process: child,
    ended,
    output: () => said,
    says: async (text, withinMs = 60_000) => {
      const what = `weir to say ${text}`
      try {
        await until(() => heard(text) || over, withinMs, { what })
      } catch (error) {
        throw new Error(`${what}; it said:\n${said}`, { cause: error })
      }
      if (!heard(text)) throw new Error(`weir ended before it said ${text}; it said:\n${said}`)
    },
  }
}

/** The most memory a process ever held, in MiB (Linux). */
export function peakMemory(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) / 1024
}

/** Numbers of a process and all that descend from it, itself first. */
export function family(pid: number): number[] {
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number])
  const found = [pid]
  for (const parent of found) {
    for (const [child, of] of rows) if (of === parent) found.push(child)
  }
  return found
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A zombie that nobody reaped yet does nothing any more.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM'
  }
}
