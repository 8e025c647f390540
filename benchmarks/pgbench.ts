/**
 * One run of pgbench. Rule: a run that aborted or hung is an error with pgbench's own words, never
 * a slow result.
 */
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import type { Mode } from './options.ts'
import {
  complaint,
  type PgbenchReport,
  type Progress,
  parsePgbench,
  parseProgress,
} from './pgbench-report.ts'
import { own } from './programs.ts'

/** Where pgbench connects to. */
export interface Target {
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

/** One run: what is asked, by how many, and until when. */
export interface Load {
  readonly target: Target
  readonly mode: Mode
  readonly clients: number
  /** Seconds from the start, connecting included, or transactions of each client. */
  readonly length: { readonly seconds: number } | { readonly transactions: number }
  /** Where to log transactions: a file name's beginning, and which share of them is logged. */
  readonly log?: { readonly prefix: string; readonly share: number }
}

/** What is beside a run: who stops it, who hears its progress, and what it runs under. */
export interface Around {
  readonly stop?: AbortSignal
  readonly onProgress?: (progress: Progress) => void
  /** A program and its arguments that start pgbench themselves, e.g. `perf stat ... --`. */
  readonly under?: readonly string[]
}

/** Of a run counted in transactions nobody knows how long it takes; this is too long for all. */
const HUNG_AFTER_SECONDS = 120

/** Environment of libpq programs: everyone talks plain TCP with SCRAM. */
export function libpqEnvironment(target: Target): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    LC_ALL: 'C',
    PGPASSWORD: target.password,
    PGSSLMODE: 'disable',
    PGGSSENCMODE: 'disable',
    PGCONNECT_TIMEOUT: '30',
  }
}

/** The arguments that make pgbench do `load`. */
export function pgbenchArguments({ target, mode, clients, length, log }: Load): string[] {
  return [
    ...['-h', '127.0.0.1', '-p', String(target.port), '-U', target.user],
    ...SCRIPTS[mode],
    ...['-c', String(clients), '-j', String(Math.min(clients, availableParallelism()))],
    ...('seconds' in length
      ? ['-T', String(length.seconds), '-P', '1']
      : ['-t', String(length.transactions)]),
    ...(log === undefined
      ? []
      : ['--log', `--log-prefix=${log.prefix}`, `--sampling-rate=${log.share}`]),
    target.database,
  ]
}

/** One indexed SELECT a transaction, but for `tpcb`, which vacuums its small tables first. */
const SCRIPTS: Readonly<Record<Mode, readonly string[]>> = {
  simple: ['-n', '-S', '-M', 'simple'],
  prepared: ['-n', '-S', '-M', 'prepared'],
  extended: ['-n', '-S', '-M', 'extended'],
  connect: ['-n', '-S', '-M', 'simple', '-C'],
  tpcb: ['-M', 'simple'],
}

/** Runs pgbench once. Rejects with what it complained of, or when `stop` aborts. */
export async function runPgbench(
  program: string,
  load: Load,
  { stop, onProgress, under = [] }: Around = {},
): Promise<PgbenchReport> {
  const [command = program, ...args] = [...under, program, ...pgbenchArguments(load)]
  const child = own(
    spawn(command, args, {
      env: libpqEnvironment(load.target),
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(stop === undefined ? {} : { signal: stop }),
    }),
  )
  let hung = false
  const allowed = HUNG_AFTER_SECONDS + ('seconds' in load.length ? load.length.seconds : 0)
  const watch = setTimeout(() => {
    hung = true
    child.kill('SIGKILL')
  }, allowed * 1_000)
  let output = ''
  let complaints = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  let line = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text
    line += text
    const whole = line.split('\n')
    line = whole.pop() ?? ''
    for (const one of whole) {
      const progress = parseProgress(one)
      if (progress !== undefined) onProgress?.(progress)
    }
  })
  try {
    const status = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', resolve)
    })
    if (hung) throw new Error(`pgbench did not end within ${allowed} s`)
    if (status !== 0) throw new Error(complaint(complaints) || `pgbench ended with ${status}`)
  } finally {
    clearTimeout(watch)
  }
  return parsePgbench(output)
}
