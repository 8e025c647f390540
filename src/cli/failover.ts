/**
 * `weir failover`: takes the writer away again and again and tells what clients saw of it. Rule: it
 * starts everything it needs (lab, Weir, poolers) on ports of its own and takes everything down
 * again, whatever ends it. Exit code 0 when all was measured and expected, 1 when an expectation was
 * not met or a round failed, 2 when it could not begin or go on.
 */
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { connectNode } from '../bench/failover/control.ts'
import type { Plan } from '../bench/failover/plan.ts'
import type { Progress } from '../bench/failover/progress.ts'
import { reportHtml } from '../bench/failover/report/html.ts'
import { summaryText } from '../bench/failover/report/summary.ts'
import { terminalProgress } from '../bench/failover/report/terminal.ts'
import type { FailoverResult } from '../bench/failover/result.ts'
import { runAll } from '../bench/failover/run.ts'
import type { FaultDriver, Subject } from '../bench/failover/subject.ts'
import { directSubject } from '../bench/failover/subjects/direct.ts'
import { pgbouncerSubject } from '../bench/failover/subjects/pgbouncer.ts'
import { urlSubject } from '../bench/failover/subjects/url.ts'
import { weirSubject } from '../bench/failover/subjects/weir.ts'
import { WallClock } from '../bench/failover/wall-clock.ts'
import { startCluster } from '../cluster/cluster.ts'
import { WeirError } from '../core/errors.ts'
import { commandDriver, flagError, loginOf, nodeAddress } from './failover-commands.ts'
import { registerHands, withHands } from './failover-hands.ts'
import { labDriver } from './failover-lab.ts'
import { declareFlags, type FailoverFlags, planOf } from './failover-options.ts'
import { resultOf } from './failover-result.ts'
import { runSelfTest, selfTestTable } from './failover-self-test.ts'
import { switchOver } from './switching.ts'

/** Connections of a node that are not the load's: control, replication, superuser. */
const SPARE_CONNECTIONS = 60
/** A pooler keeps its connections while another subject is measured: writers, readers, listeners. */
const POOLER_CONNECTIONS = 120
const MEMORY = '/dev/shm'
/** Ports: three nodes first, then the subjects'. */
const LAB_PORTS = 10

export function registerFailover(program: Command): void {
  const command = program
    .command('failover')
    .description('measure what clients see of a failover, of Weir and of others side by side')
  declareFlags(command).action(async (flags: FailoverFlags) => {
    try {
      await run(flags)
    } catch (error) {
      if (!(error instanceof WeirError)) throw error
      const lines = [error.message, error.detail, error.hint].filter(Boolean)
      process.stderr.write(`weir failover: ${lines.join('\n  ')}\n`)
      process.exitCode = 2
    }
  })
  registerHands(program)
}

async function run(flags: FailoverFlags): Promise<void> {
  if (flags.selfTest) return selfTestOnly(flags)
  const progress = terminalProgress(process.stderr, { colour: coloured(process.stderr) })
  const subjects = subjectsOf(flags, progress)
  const missing = (await Promise.all(subjects.map((subject) => subject.missing()))).flat()
  if (missing.length > 0) {
    process.stderr.write(`weir failover: ${missing.join('\nweir failover: ')}\n`)
    process.exitCode = 2
    return
  }
  const plan = planOf(flags)
  const place = directoryOf(flags)
  const tidy = (): void => {
    if (place.temporary) rmSync(place.directory, { recursive: true, force: true })
  }
  // Whoever cannot wait for the end leaves nothing behind either.
  process.once('exit', tidy)
  const abort = new AbortController()
  const onSignal = (): void => {
    if (abort.signal.aborted) process.exit(130)
    process.stderr.write('weir failover: ending after this round; once more to end at once\n')
    abort.abort()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
  const began = Date.now()
  const nodeConnections = connectionsFor(flags, plan)
  const driver = await driverOf(flags, place.directory, nodeConnections, progress)
  try {
    const ran = await runAll({
      faults: flags.fault,
      subjects,
      rounds: flags.rounds,
      plan,
      driver,
      firstPort: flags.port + LAB_PORTS,
      nodeConnections,
      directory: join(place.directory, 'subjects'),
      progress,
      signal: abort.signal,
    })
    const postgres = await postgresVersion(driver)
    const about = { flags, plan, began, ended: Date.now(), postgres, cluster: driver.description }
    if (ran.failure !== undefined) process.stderr.write(`weir failover: ${ran.failure}\n`)
    publish(resultOf(ran, about), flags)
    if (ran.failure !== undefined) process.exitCode = ran.rounds.length === 0 ? 2 : 1
  } finally {
    await driver.end()
    tidy()
  }
}

async function selfTestOnly(flags: FailoverFlags): Promise<void> {
  const place = directoryOf(flags)
  try {
    const errors = await runSelfTest(join(place.directory, 'lab'), flags.port)
    process.stdout.write(
      flags.json === true ? `${JSON.stringify(errors, null, 2)}\n` : selfTestTable(errors),
    )
  } finally {
    if (place.temporary) rmSync(place.directory, { recursive: true, force: true })
  }
}

function publish(result: FailoverResult, flags: FailoverFlags): void {
  if (flags.html !== undefined) writeFileSync(flags.html, reportHtml(result))
  const json = `${JSON.stringify(result, null, 2)}\n`
  if (typeof flags.json === 'string') writeFileSync(flags.json, json)
  if (flags.json === true) process.stdout.write(json)
  else process.stdout.write(summaryText(result, { colour: coloured(process.stdout) }))
  const failed = result.expectations.some(({ met }) => !met)
  const invalid = result.rounds.some((round) => round.invalid !== undefined)
  if (failed || invalid) process.exitCode = 1
}

/** The program itself: two folders up in src, three in dist. */
function script(): string {
  const found = ['../../scripts/weir.js', '../../../scripts/weir.js']
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path))
  if (found !== undefined) return found
  throw new WeirError('WEIR_FAILOVER_PROGRAM', 'scripts/weir.js of this program is not there')
}

const coloured = (stream: { isTTY?: boolean }): boolean =>
  stream.isTTY === true && process.env.NO_COLOR === undefined

function subjectsOf(flags: FailoverFlags, { say }: Progress): Subject[] {
  const subjects: Subject[] = []
  if (flags.weir) {
    subjects.push(
      weirSubject({
        program: [process.execPath, script()],
        set: flags.set,
        say,
        switchOver: async (admin, promote) => void (await switchOver({ admin, promote })),
      }),
    )
  }
  for (const word of flags.compare) {
    const [, name, url] = /^([\w-]+)=(postgres(?:ql)?:\/\/.+)$/.exec(word) ?? []
    if (word === 'direct') subjects.push(directSubject())
    else if (word === 'pgbouncer') subjects.push(pgbouncerSubject())
    else if (name !== undefined && url !== undefined) subjects.push(urlSubject(name, url))
    else
      throw flagError(
        `--compare ${word} is not understood`,
        'direct, pgbouncer or name=postgres://...',
      )
  }
  if (subjects.length === 0) throw flagError('nothing is to be measured', 'name it with --compare')
  return subjects
}

/** Direct clients have a server connection each, so a node must bear all of them at once. */
function connectionsFor(flags: FailoverFlags, plan: Plan): number {
  const clients = Object.values(plan.clients).reduce((sum, count) => sum + count, 0)
  const poolers = [flags.weir, flags.compare.includes('pgbouncer')].filter(Boolean).length
  const others = flags.compare.some((word) => word !== 'pgbouncer')
  const direct = others ? clients : 0
  return SPARE_CONNECTIONS + poolers * POOLER_CONNECTIONS + direct
}

async function driverOf(
  flags: FailoverFlags,
  directory: string,
  maxConnections: number,
  progress: Progress,
): Promise<FaultDriver> {
  const clock = new WallClock()
  const now = () => clock.now()
  if (flags.node.length > 0) {
    const { faultCommand: fault, promoteCommand: promote, healCommand: heal } = flags
    const commands = {
      ...(fault === undefined ? {} : { fault }),
      ...(promote === undefined ? {} : { promote }),
      ...(heal === undefined ? {} : { heal }),
    }
    const driver = commandDriver(flags.node.map(nodeAddress), loginOf(flags.login), commands, now)
    const wrong = flags.fault.find((name) => !driver.faults.includes(name))
    if (wrong === undefined) return driver
    throw flagError(
      `--fault ${wrong} needs the lab`,
      `with nodes of your own there are ${driver.faults.join(', ')}; kill stands for your command`,
    )
  }
  progress.say('starting the lab')
  const lab = await startCluster({
    directory: join(directory, 'lab'),
    nodes: 3,
    basePort: flags.port,
    maxConnections,
    synchronous: flags.synchronous,
    fsync: flags.fsync,
    walSegment: 1,
    ...(flags.postgres === undefined ? {} : { postgresBin: flags.postgres }),
  })
  const when = flags.promoteAfter === 0 ? 'at once' : `${flags.promoteAfter} ms later`
  const commits = flags.synchronous ? 'synchronous' : 'asynchronous'
  const about = `the lab: three nodes on this machine, WAL files of 1 MiB, data in ${directory.startsWith(MEMORY) ? 'memory' : 'files'}, ${commits} commits, fsync ${flags.fsync ? 'on' : 'off'}; it promotes ${when}`
  const near = labDriver(lab, now, about)
  try {
    return await withHands(near, script(), lab.directory)
  } catch (error) {
    await near.end()
    throw error
  }
}

function directoryOf(flags: FailoverFlags): { directory: string; temporary: boolean } {
  if (flags.dir !== undefined) {
    const directory = resolve(flags.dir)
    mkdirSync(directory, { recursive: true })
    return { directory, temporary: false }
  }
  const directory = mkdtempSync(join(roomInMemory() ? MEMORY : tmpdir(), 'weir-failover-'))
  // Open to the user that runs the servers when we are root.
  chmodSync(directory, 0o755)
  return { directory, temporary: true }
}

/** In memory a disk's own pauses are not measured as anybody's. */
function roomInMemory(): boolean {
  try {
    accessSync(MEMORY, constants.W_OK)
    const { bavail, bsize } = statfsSync(MEMORY)
    return bavail * bsize > 4 * 1024 ** 3
  } catch {
    return false
  }
}

async function postgresVersion(driver: FaultDriver): Promise<string> {
  const [node] = await driver.nodes()
  if (node === undefined) throw new WeirError('WEIR_FAILOVER_WRITER', 'there are no nodes')
  const client = await connectNode(node, driver.login)
  try {
    return String((await client.query('show server_version')).rows[0].server_version)
  } finally {
    await client.end()
  }
}
