/**
 * One measurement by pgbench, and what its report says. Rule: a run that aborted, failed a
 * transaction or printed no figure is an error, never a slow result.
 */
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import type { Mode } from './options.ts'
import { own } from './programs.ts'

/** Where pgbench connects to. */
export interface Target {
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

export interface PgbenchReport {
  readonly transactions: number
  /** Transactions per second: without the first connections, but with every one of `-C`. */
  readonly tps: number
  readonly latencyMs: number
}

/** Environment of libpq programs: everyone talks plain TCP with SCRAM. */
export function libpqEnvironment(target: Target): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    LC_ALL: 'C',
    PGPASSWORD: target.password,
    PGSSLMODE: 'disable',
    PGGSSENCMODE: 'disable',
    PGCONNECT_TIMEOUT: '10',
  }
}

/** The arguments that make pgbench measure `mode`: one indexed SELECT a transaction. */
export function pgbenchArguments(
  target: Target,
  mode: Mode,
  clients: number,
  seconds: number,
): string[] {
  const protocol = mode === 'connect' ? ['-M', 'simple', '-C'] : ['-M', mode]
  return [
    ...['-h', '127.0.0.1', '-p', String(target.port), '-U', target.user],
    ...['-n', '-S', ...protocol],
    ...['-c', String(clients), '-j', String(Math.min(clients, availableParallelism()))],
    ...['-T', String(seconds), target.database],
  ]
}

/** Reads the report pgbench 11 to 18 prints. Throws when it is not a whole and clean one. */
export function parsePgbench(output: string): PgbenchReport {
  const figure = (pattern: RegExp, what: string): number => {
    const value = Number(pattern.exec(output)?.[1])
    if (Number.isFinite(value)) return value
    throw new Error(`pgbench printed no ${what}: ${lastLine(output)}`)
  }
  const failed = Number(/^number of failed transactions: (\d+)/m.exec(output)?.[1] ?? 0)
  if (failed > 0) throw new Error(`pgbench counted ${failed} failed transactions`)
  const transactions = figure(/^number of transactions actually processed: (\d+)/m, 'transactions')
  if (transactions === 0) {
    // Its clock runs while its clients connect, one login after the other in each thread.
    throw new Error('pgbench completed no transaction while it connected; try more --seconds')
  }
  return {
    transactions,
    // Before version 14 two lines say tps; the last leaves out what connecting took. With -C that
    // is what is being measured, so there the line that includes it counts, as it does since.
    tps: figure(
      /^is -C$/m.test(output) || /including reconnection/.test(output)
        ? /^tps = ([\d.]+) \(including/m
        : /^tps = ([\d.]+) \((?:without initial connection time|excluding)/m,
      'tps',
    ),
    latencyMs: figure(/^latency average = ([\d.]+) ms/m, 'latency'),
  }
}

/** Runs pgbench once. Rejects with what it complained of, or when `stop` aborts. */
export async function runPgbench(
  program: string,
  target: Target,
  mode: Mode,
  clients: number,
  seconds: number,
  stop?: AbortSignal,
): Promise<PgbenchReport> {
  const child = own(
    spawn(program, pgbenchArguments(target, mode, clients, seconds), {
      env: libpqEnvironment(target),
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(stop === undefined ? {} : { signal: stop }),
    }),
  )
  let output = ''
  let complaints = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text
  })
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (status !== 0) throw new Error(firstLine(complaints) || `pgbench ended with status ${status}`)
  return parsePgbench(output)
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line.trim() !== '')
const firstLine = (text: string): string =>
  lines(text).find((line) => /error|fatal/i.test(line)) ?? lines(text)[0] ?? ''
const lastLine = (text: string): string => lines(text).at(-1) ?? 'nothing at all'
