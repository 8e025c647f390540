/**
 * `npm run bench:idle`: what thousands of idle clients cost, through PgBouncer and through Weir, on
 * this machine: resident memory of the proxy for each, and what they cost others who are busy. Rule:
 * both proxies do the same at the same stage, one after the other; what is compared was measured in
 * one run. Exit code: 0, 1 when clients were missing or a run failed, 2 for a wrong option.
 */
import { fork } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { messageOf } from '../src/core/errors.ts'
import type { Crowd, CrowdReport } from './idle-crowd.ts'
import { type Latency, takeLatency } from './latency-log.ts'
import { tooFewDescriptors } from './limits.ts'
import { type BenchOptions, parseOptions } from './options.ts'
import { runPgbench } from './pgbench.ts'
import { startPgBouncer } from './pgbouncer.ts'
import { startDatabase } from './postgres.ts'
import { familyOf } from './process-usage.ts'
import { end, endAll, findProgram, MissingProgram, own } from './programs.ts'
import type { RunningPeer } from './proxies.ts'
import { median } from './statistics.ts'
import { UsageError } from './usage-error.ts'
import { startWeir } from './weir.ts'

const USAGE = `npm run bench:idle -- [options]

  --idle N         idle clients of each proxy                      (10000)
  --asks WHAT      the one thing each has asked: simple, prepared  (simple)
  --busy N         pgbench clients                                 (64)
  --rounds N       how often they are measured, with and without   (5)
  --seconds S      length of one measurement                       (5)
  --base-port N    first of three ports on loopback                (15741)
  --json FILE      write everything measured to FILE as JSON
  --help           this text
`

interface Options {
  readonly idle: number
  readonly asks: Crowd['asks']
  readonly busy: number
  readonly rounds: number
  readonly seconds: number
  readonly basePort: number
  readonly json: string | undefined
}

interface Outcome {
  readonly peer: string
  readonly version: string
  /** Resident memory before the idle clients came and when they were idle, bytes. */
  readonly before: number
  readonly after: number
  readonly crowd: CrowdReport
  /** Of the busy clients, by round. */
  readonly alone: (Latency | undefined)[]
  readonly beside: (Latency | undefined)[]
}

/** Long enough for a garbage collector to have looked round. */
const SETTLE_MS = 5_000
const POOL = 20

function readOptions(argv: readonly string[]): Options | undefined {
  const string = { type: 'string' } as const
  const whole = (name: string, text: string): number => {
    const value = Number(text)
    if (Number.isInteger(value) && value > 0) return value
    throw new UsageError(`--${name}: got "${text}", want a whole number above 0`)
  }
  let values: Record<string, string | boolean | undefined>
  try {
    const names = ['idle', 'asks', 'busy', 'rounds', 'seconds', 'base-port', 'json']
    const options = Object.fromEntries(names.map((name) => [name, string]))
    values = parseArgs({
      args: [...argv],
      options: { ...options, help: { type: 'boolean' } },
    }).values
  } catch (error) {
    throw new UsageError(messageOf(error))
  }
  if (values.help === true) return undefined
  const asks = values.asks ?? 'simple'
  if (asks !== 'simple' && asks !== 'prepared') {
    throw new UsageError(`--asks: got "${asks}", want simple or prepared`)
  }
  const number = (name: string, otherwise: number) =>
    values[name] === undefined ? otherwise : whole(name, String(values[name]))
  return {
    idle: number('idle', 10_000),
    asks,
    busy: number('busy', 64),
    rounds: number('rounds', 5),
    seconds: number('seconds', 5),
    basePort: number('base-port', 15_741),
    json: values.json === undefined ? undefined : String(values.json),
  }
}

/** Resident memory of `pid` and everything below it, bytes; Linux only. */
function residentOf(pid: number): number {
  return familyOf(pid).reduce((sum, member) => {
    const status = readFileSync(`/proc/${member}/status`, 'utf8')
    return sum + Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1_024
  }, 0)
}

function say(sentence: string): void {
  process.stderr.write(`${sentence}\n`)
}

async function run(
  options: Options,
  undo: (() => unknown)[],
  stop: AbortSignal,
): Promise<Outcome[]> {
  const pgbench = findProgram('pgbench')
  findProgram('pgbouncer')
  const directory = mkdtempSync(join(tmpdir(), 'weir-idle-'))
  // When we are root, servers run as another user and must get in.
  chmodSync(directory, 0o755)
  undo.push(() => rmSync(directory, { recursive: true, force: true }))
  const base = benchOptions(options, options.busy)
  say('starting Postgres')
  const database = await startDatabase(directory, pgbench, base)
  undo.push(() => database.stop())

  const peers: RunningPeer[] = []
  const settings = [`limits.maxClientConnections=${options.idle + 10 * options.busy}`]
  for (const start of [
    // PgBouncer is given room for twice as many clients as it is told.
    () => startPgBouncer(directory, database, benchOptions(options, options.idle)),
    () =>
      startWeir(directory, database, base, options.basePort + 2, {
        name: 'idle',
        settings,
        environment: {},
      }),
  ]) {
    stop.throwIfAborted()
    const peer = await start()
    undo.push(() => peer.stop())
    peers.push(peer)
  }

  const busy = async (peer: RunningPeer): Promise<Latency | undefined> => {
    stop.throwIfAborted()
    const prefix = join(directory, 'latency')
    const target = peer.targetFor('simple')
    const length = { seconds: options.seconds }
    const load = { target, mode: 'simple' as const, clients: options.busy, length }
    await runPgbench(pgbench, { ...load, log: { prefix, share: 0.2 } }, { stop })
    return takeLatency(prefix)
  }
  const rounds = async (what: string): Promise<Map<RunningPeer, (Latency | undefined)[]>> => {
    const all = new Map(peers.map((peer) => [peer, [] as (Latency | undefined)[]]))
    for (let round = 1; round <= options.rounds; round++) {
      say(`round ${round} of ${options.rounds}: ${options.busy} busy clients, ${what}`)
      for (const peer of peers) all.get(peer)!.push(await busy(peer))
    }
    return all
  }

  // What a proxy needs for busy clients is not to be taken for what it needs for idle ones.
  for (const peer of peers) await busy(peer)
  const alone = await rounds('nobody idle')
  const memory = new Map<RunningPeer, { before: number; after: number; crowd: CrowdReport }>()
  for (const peer of peers) {
    await pause(SETTLE_MS, undefined, { signal: stop })
    const before = residentOf(peer.pid!)
    say(`${options.idle} idle clients log in through ${peer.version}`)
    const { asks, idle: clients } = options
    const crowd = await startCrowd({ target: peer.targetFor('simple'), clients, asks }, undo)
    await pause(SETTLE_MS, undefined, { signal: stop })
    memory.set(peer, { before, after: residentOf(peer.pid!), crowd })
  }
  const beside = await rounds(`${options.idle} idle`)
  return peers.map((peer) => ({
    peer: peer.name.replace(/\+.*/, ''),
    version: peer.version,
    ...memory.get(peer)!,
    alone: alone.get(peer)!,
    beside: beside.get(peer)!,
  }))
}

function benchOptions({ basePort }: Options, clients: number): BenchOptions {
  const args = ['--clients', String(clients), '--pool', String(POOL), '--scale', '10']
  return parseOptions([...args, '--modes', 'simple', '--base-port', String(basePort)])!
}

function startCrowd(crowd: Crowd, undo: (() => unknown)[]): Promise<CrowdReport> {
  const file = fileURLToPath(new URL(import.meta.url)).replace(
    /idle-clients(\.\w+)$/,
    'idle-crowd$1',
  )
  const child = own(fork(file, [JSON.stringify(crowd)]))
  undo.push(() => end(child, 'SIGTERM'))
  return new Promise((resolve, reject) => {
    child.once('message', (report) => resolve(report as CrowdReport))
    child.once('exit', (code) => reject(new Error(`the idle clients ended with ${code}`)))
  })
}

function show(outcomes: readonly Outcome[], options: Options): void {
  const { idle, busy, rounds, seconds, asks } = options
  const processors = cpus()
  const versions = outcomes.map(({ version }) => version).join(', ')
  console.log(
    [
      '',
      `${processors.length} x ${processors[0]?.model.trim() ?? 'unknown'}, Linux ${release()}; ${versions}`,
      `${idle} idle clients (SCRAM, one ${asks} query each); ${busy} busy: pgbench -S, medians of ${rounds} rounds of ${seconds} s`,
      '',
      row(['', 'memory', 'each', 'login', 'alone p50', 'p99', 'beside p50', 'p99']),
      ...outcomes.map((outcome) => {
        const { before, after, crowd, alone, beside } = outcome
        return row([
          outcome.peer,
          `${((after - before) / 2 ** 20).toFixed(0)} MiB`,
          `${((after - before) / 1_024 / idle).toFixed(1)} KiB`,
          `${crowd.seconds.toFixed(1)} s`,
          ...[alone, beside].flatMap((times) => [
            `${figure(times, 'p50Ms')} ms`,
            `${figure(times, 'p99Ms')} ms`,
          ]),
        ])
      }),
      '',
      'memory: resident memory of the proxy, more than before they came; kernel buffers are not in it.',
      ...outcomes.flatMap(({ peer, crowd }) =>
        Object.entries(crowd.errors).map(([why, n]) => `${peer}: ${n} clients missing (${why})`),
      ),
    ].join('\n'),
  )
}

function row(cells: readonly string[]): string {
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(10) : cell.padStart(11))).join(' ')
}

function figure(times: readonly (Latency | undefined)[], which: 'p50Ms' | 'p99Ms'): string {
  const known = times.flatMap((time) => (time === undefined ? [] : [time[which]]))
  return median(known)?.toFixed(2) ?? '-'
}

async function main(): Promise<number> {
  const undo: (() => unknown)[] = []
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort(new Error('interrupted')))
  process.once('SIGTERM', () => stop.abort(new Error('told to end')))
  process.once('exit', endAll)
  try {
    const options = readOptions(process.argv.slice(2))
    if (options === undefined) {
      process.stdout.write(USAGE)
      return 0
    }
    // Node and PgBouncer hold one descriptor for each client, and some more.
    const trouble = tooFewDescriptors(options.idle + options.busy + 500)
    if (trouble !== undefined) throw new UsageError(trouble)
    const outcomes = await run(options, undo, stop.signal)
    show(outcomes, options)
    if (options.json !== undefined) {
      writeFileSync(options.json, `${JSON.stringify({ options, outcomes }, null, 2)}\n`)
    }
    return outcomes.some(({ crowd }) => Object.keys(crowd.errors).length > 0) ? 1 : 0
  } catch (error) {
    process.stderr.write(`bench:idle: ${messageOf(error)}\n`)
    return error instanceof UsageError || error instanceof MissingProgram ? 2 : 1
  } finally {
    for (const step of undo.reverse()) await step()
  }
}

process.exitCode = await main()
