/**
 * The hostile soak itself: a lab, Weir in a process of its own, the normal load in this one, and the
 * crowd in a third. Quiet, then hostile, then quiet again; every so often a line is printed. Rule: it
 * states what it saw and exits with 1 when Weir ended, a normal client saw an error, or memory grew
 * without end; how fast anything was is printed and judges nothing.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { startCluster } from '../../../src/cluster/cluster.ts'
import { scrape } from '../../support/scrape.ts'
import { Guests, type GuestsReport } from './guests.ts'
import { RUDE } from './kinds.ts'
import { HOSTILE_LIMITS } from './limits.ts'

const { values: asked } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    quiet: { type: 'string', default: '1' },
    clients: { type: 'string', default: '2000' },
    guests: { type: 'string', default: '16' },
    every: { type: 'string', default: '30' },
    workers: { type: 'string', default: '1' },
    port: { type: 'string', default: '17850' },
  },
})
const MINUTE = 60_000
const port = Number(asked.port)
const directory = mkdtempSync(join(tmpdir(), 'weir-hostile-'))
chmodSync(directory, 0o755)
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const samples: number[] = []
const errors: string[] = []
let ended: string | undefined

const cluster = await startCluster({
  fsync: false,
  nodes: 1,
  basePort: port + 2,
  directory: join(directory, 'lab'),
})
const control = new pg.Client({ connectionString: cluster.url() })
await control.connect()
await control.query(`create role ${RUDE} login password '${RUDE}'`)
await control.query('create table dump (line text)')
await control.query(`grant all on dump to ${RUDE}`)
const weir = await startWeir().catch(async (error) => {
  await control.end()
  await cluster.destroy()
  rmSync(directory, { recursive: true, force: true })
  throw error
})
const url = `postgres://weir:weir@127.0.0.1:${port}/app`
const guests = new Guests({ url, clients: Number(asked.guests), thinkMs: 20, statements: 200 })

const quiet = await phase('quiet', Number(asked.quiet) * MINUTE)
const crowd = fork(here('./crowd-process.js'), [
  String(port),
  asked.clients,
  String(Math.round(Math.random() * 2 ** 31)),
])
const hostile = await phase('hostile', Number(asked.minutes) * MINUTE)
const tally = await tallyOf(crowd)
const after = await phase('quiet again', Number(asked.quiet) * MINUTE)
const series = await scrape(port + 1)
const crashed = ended
weir.kill('SIGTERM')
await guests.end().catch(() => {})
await control.end()
await cluster.destroy()
rmSync(directory, { recursive: true, force: true })
report()

async function startWeir(): Promise<ChildProcess> {
  const file = join(directory, 'weir.yaml')
  const settings = {
    nodes: cluster.nodes().map(({ name, host, port }) => ({ name, host, port })),
    topology: { user: 'weir', database: 'app' },
    endpoints: [{ name: 'writer', kind: 'writer', port }],
    admin: { port: port + 1 },
    auth: {
      trust: true,
      secrets: [
        { username: 'weir', password: 'weir' },
        { username: RUDE, password: RUDE },
      ],
    },
    pool: { maxConnections: 20 },
    limits: HOSTILE_LIMITS,
    workers: Number(asked.workers),
  }
  writeFileSync(file, JSON.stringify(settings), { mode: 0o600 })
  const log = ['--set', 'log.level=error']
  const child = spawn(
    process.execPath,
    [here('./weir-process.js'), 'serve', '--config', file, ...log],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  )
  child.once('exit', (code, signal) => {
    ended = `${code ?? signal}`
  })
  for (let i = 0; ; i++) {
    const ready = await fetch(`http://127.0.0.1:${port + 1}/readyz`).catch(() => undefined)
    if (ready?.ok === true) return child
    if (i > 300 || ended !== undefined) throw new Error('Weir did not start')
    await sleep(100)
  }
}

/** The times of all of it are those of its worst `every`. */
async function phase(name: string, ms: number): Promise<GuestsReport[]> {
  const looks: GuestsReport[] = []
  const end = performance.now() + ms
  while (performance.now() < end && ended === undefined) {
    await sleep(Math.min(Number(asked.every) * 1_000, Math.max(1, end - performance.now())))
    const look = guests.look()
    if (look.statements > 0) looks.push(look)
    errors.push(...look.errors)
    const megabytes = ended === undefined ? memoryOf(weir.pid!) : 0
    samples.push(megabytes)
    const { statements, p50, p99, max } = look
    print(
      `${new Date().toISOString().slice(11, 19)}  ${name.padEnd(12)} ${String(statements).padStart(7)} answers  p50 ${p50.toFixed(1)}  p99 ${p99.toFixed(1)}  max ${max.toFixed(0)} ms  errors ${look.errors.length}  Weir ${megabytes} MB`,
    )
  }
  return looks
}

/** Resident memory of a process and those it started, in MiB (Linux). */
function memoryOf(pid: number): number {
  let kilobytes = 0
  const pids = [pid]
  for (const each of pids) {
    try {
      const children = readFileSync(`/proc/${each}/task/${each}/children`, 'utf8').trim()
      if (children !== '') pids.push(...children.split(' ').map(Number))
      const status = readFileSync(`/proc/${each}/status`, 'utf8')
      kilobytes += Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0)
    } catch {
      // It ended meanwhile.
    }
  }
  return Math.round(kilobytes / 1_024)
}

/** Ends the crowd; what became of it, by kind. */
function tallyOf(
  child: ChildProcess,
): Promise<Record<string, { begun: number; cut: number; left: number }>> {
  return new Promise((resolve) => {
    child.once('message', (message) => {
      resolve(message as Record<string, { begun: number; cut: number; left: number }>)
      child.kill()
    })
    child.send('end')
  })
}

function report(): void {
  print('\nkind                             begun      cut     left')
  for (const [kind, { begun, cut, left }] of Object.entries(tally)) {
    const cells = [begun, cut, left].map((n) => String(n).padStart(8)).join(' ')
    print(`${kind.padEnd(29)} ${cells}`)
  }
  print('\nWeir counted')
  for (const [name, value] of series) {
    const wanted = /refused_total|closed_total|cancels_ignored|failed_auth/.test(name)
    if (wanted && value > 0) print(`  ${name} ${value}`)
  }
  const [low, high] = [worst(quiet), worst(hostile)]
  print(
    `\np99 in the median interval: quiet ${median(quiet).toFixed(1)} ms, hostile ${median(hostile).toFixed(1)} ms, quiet again ${median(after).toFixed(1)} ms`,
  )
  print(`p99 in the worst interval: quiet ${low.toFixed(1)} ms, hostile ${high.toFixed(1)} ms`)
  const half = samples.slice(Math.floor(samples.length / 2))
  print(`memory of Weir: most ${Math.max(...samples)} MB, at the end ${samples.at(-1)} MB`)
  print(`errors of normal clients: ${errors.length}`)
  for (const error of [...new Set(errors)].slice(0, 10)) print(`  ${error}`)
  print(`Weir ended: ${crashed ?? 'no'}`)
  // In the second half it may not grow by half of what it had at its beginning.
  const grows = half.length > 3 && Math.min(...half.slice(-2)) > 1.5 * half[0]! + 50
  if (grows) print('memory grew without end')
  process.exitCode = errors.length > 0 || crashed !== undefined || grows ? 1 : 0
}

function worst(looks: readonly GuestsReport[]): number {
  return Math.max(0, ...looks.map(({ p99 }) => p99))
}

function median(looks: readonly GuestsReport[]): number {
  const sorted = looks.map(({ p99 }) => p99).sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
