/**
 * `npm run bench`: the same pgbench load direct, through PgBouncer and through Weir, on this
 * machine, and a table of ratios. Rule: whatever happens, everything that was started is ended and
 * its files are removed. Exit code: 0, 1 when a run failed or a
 * goal was expected and not met, 2 for a wrong option or a missing program. How to read the table: benchmarks/README.md.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf } from '../src/core/errors.ts'
import { type CallTool, findCallTool } from './calls.ts'
import { judgeGoals, type Verdict } from './goals.ts'
import { type LargeSeries, measureLarge } from './large.ts'
import { descriptorsNeeded, tooFewDescriptors } from './limits.ts'
import { measureAll, type Series } from './measure.ts'
import { type BenchOptions, parseOptions, USAGE } from './options.ts'
import { startPgBouncer } from './pgbouncer.ts'
import { type Database, startDatabase } from './postgres.ts'
import { usageOf } from './process-usage.ts'
import { endAll, findProgram, MissingProgram } from './programs.ts'
import { direct, type RunningPeer } from './proxies.ts'
import { renderErrors, renderGoals, renderLarge, renderTable, summarise } from './report.ts'
import { UsageError } from './usage-error.ts'
import { startWeir } from './weir.ts'

interface Outcome {
  readonly series: Series[]
  readonly large: LargeSeries[]
  readonly goals: Verdict[]
  readonly peers: readonly RunningPeer[]
  readonly callTool: CallTool | undefined
  /** One-minute load average before anything of ours ran. */
  readonly loadBefore: number
  /** Largest resident memory of each proxy, in KiB. */
  readonly peakKib: Readonly<Record<string, number>>
}

/** One line that rewrites itself on a terminal, else a line for each sentence. */
function progress(sentence: string): void {
  const terminal = process.stderr.isTTY
  process.stderr.write(terminal ? `\r\x1b[2K${sentence.slice(0, 100)}` : `${sentence}\n`)
}

async function run(
  options: BenchOptions,
  undo: (() => unknown)[],
  stop: AbortSignal,
): Promise<Outcome> {
  const loadBefore = loadavg()[0] ?? 0
  // All that may be missing is missed before anything is started.
  const pgbench = findProgram('pgbench')
  if (options.peers.includes('pgbouncer')) findProgram('pgbouncer')
  const tooFew = tooFewDescriptors(descriptorsNeeded(options.clients, options.pool))
  if (tooFew !== undefined) throw new UsageError(tooFew)

  const directory = mkdtempSync(join(tmpdir(), 'weir-bench-'))
  // When we are root, servers run as another user and must get in.
  chmodSync(directory, 0o755)
  undo.push(() => rmSync(directory, { recursive: true, force: true }))

  progress(`starting Postgres and filling it (scale ${options.scale})`)
  const database = await startDatabase(directory, pgbench, options)
  undo.push(() => database.stop())

  const peers: RunningPeer[] = []
  for (const [name, start] of starters(directory, database, options)) {
    stop.throwIfAborted()
    progress(`starting ${name}`)
    const peer = await start()
    undo.push(() => peer.stop())
    peers.push(peer)
  }
  const callTool = options.calls ? findCallTool() : undefined
  const bench = { peers, pgbench, directory, options, callTool, progress, stop }
  const series = await measureAll(bench)
  const large = options.large ? await measureLarge(bench) : []
  const peakKib = Object.fromEntries(
    peers.flatMap(({ name, pid }) => {
      const usage = pid === undefined ? undefined : usageOf(pid)
      return usage === undefined ? [] : [[name, usage.peakKib]]
    }),
  )
  const goals = judgeGoals(options.judge, series, large)
  return { series, large, goals, peers, callTool, loadBefore, peakKib }
}

/** Who takes part, in the order of the table. */
function starters(
  directory: string,
  database: Database,
  options: BenchOptions,
): [name: string, start: () => RunningPeer | Promise<RunningPeer>][] {
  const weirPort = options.basePort + 2
  const known = {
    direct: () => direct(database),
    pgbouncer: () => startPgBouncer(directory, database, options),
    weir: () => startWeir(directory, database, options, weirPort),
  }
  return [
    ...options.peers.map((name): [string, () => RunningPeer | Promise<RunningPeer>] => [
      name,
      known[name],
    ]),
    ...options.variants.map((variant, index): [string, () => Promise<RunningPeer>] => [
      `weir+${variant.name}`,
      () => startWeir(directory, database, options, weirPort + 1 + index, variant),
    ]),
  ]
}

function machine(peers: readonly RunningPeer[]) {
  const processors = cpus()
  return {
    cpus: processors.length,
    model: processors[0]?.model.trim() ?? 'unknown',
    kernel: release(),
    versions: peers.map((peer) => peer.version),
  }
}

function print(outcome: Outcome, options: BenchOptions): void {
  const { series, large, goals, peers, callTool, loadBefore, peakKib } = outcome
  const { cpus: processors, model, kernel, versions } = machine(peers)
  const { rounds, seconds, pool, scale } = options
  const out = [
    '',
    `${processors} x ${model}, Linux ${kernel}; ${[...new Set(versions)].join(', ')}`,
    `medians of ${rounds} rounds of ${seconds} s, pgbench at scale ${scale}; pool of ${pool} server connections`,
    '',
    ...(series.length > 0 ? [renderTable(series), ''] : []),
    ...(large.length > 0 ? [renderLarge(large), ''] : []),
    ...(goals.length > 0 ? [renderGoals(options.judge, goals), ''] : []),
    ...Object.entries(peakKib).map(
      ([name, kib]) => `${name}: at most ${Math.round(kib / 1024)} MiB`,
    ),
    ...peers.flatMap((peer) => peer.footnotes),
    ...(options.calls && callTool === undefined
      ? [
          'Neither perf nor strace may count here: reads, writes, waits and instructions are missing.',
        ]
      : []),
    ...(rounds < 5 ? ['Fewer than five rounds: good for a look, not for a claim.'] : []),
    // What already ran takes its share from whoever is being measured just then.
    ...(loadBefore > processors / 2
      ? [
          `The machine was busy before the first run (load ${loadBefore.toFixed(1)}): do not trust the ratios.`,
        ]
      : []),
    ...renderErrors(series, large),
  ]
  console.log(out.join('\n'))
}

function writeJson(file: string, outcome: Outcome, options: BenchOptions): void {
  const { series, peers, ...rest } = outcome
  const results = series.map((one) => ({ ...one, summary: summarise(one.samples) }))
  const whole = { format: 2, machine: machine(peers), options, ...rest, results }
  writeFileSync(file, `${JSON.stringify(whole, null, 2)}\n`)
}

async function main(): Promise<number> {
  const undo: (() => unknown)[] = []
  const stop = new AbortController()
  let asked = 0
  const leave = (code: number) => () => {
    asked = code
    process.stderr.write('\nending what was started\n')
    stop.abort()
  }
  process.once('SIGINT', leave(130))
  process.once('SIGTERM', leave(143))
  process.once('exit', endAll)
  try {
    const options = parseOptions(process.argv.slice(2))
    if (options === undefined) {
      process.stdout.write(USAGE)
      return 0
    }
    const outcome = await run(options, undo, stop.signal)
    progress('')
    print(outcome, options)
    if (options.json !== undefined) writeJson(options.json, outcome, options)
    const failed = [...outcome.series, ...outcome.large].some((one) => one.errors.length > 0)
    const missed = options.expectGoals && outcome.goals.some((goal) => !goal.met)
    return failed || missed ? 1 : 0
  } catch (error) {
    if (stop.signal.aborted) return asked
    process.stderr.write(`\nbench: ${messageOf(error)}\n`)
    if (error instanceof MissingProgram) {
      process.stderr.write('bench: or leave it out with --peers direct,weir\n')
    }
    return error instanceof MissingProgram || error instanceof UsageError ? 2 : 1
  } finally {
    for (const step of undo.reverse()) await step()
  }
}

process.exitCode = await main()
