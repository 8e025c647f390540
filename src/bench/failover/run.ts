/**
 * A whole run: every fault, every subject, every round. Rule: rounds are interleaved over the
 * subjects and their order turns, so that what changes with time (a warm cache, a tired machine)
 * meets all alike; every round ends with a healed cluster, or the run ends.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../core/errors.ts'
import { closeControls, openControls } from './control.ts'
import { CuttableLink } from './cuttable-link.ts'
import { summarise } from './measure.ts'
import type { Plan } from './plan.ts'
import type { Progress } from './progress.ts'
import type { Fault, Round, SubjectSummary } from './result.ts'
import { runRound } from './round.ts'
import { dropTables } from './sequence-table.ts'
import type { FaultDriver, NodeAddress, Reached, Subject } from './subject.ts'
import { WallClock } from './wall-clock.ts'

export interface Run {
  readonly faults: readonly Fault[]
  readonly subjects: readonly Subject[]
  readonly rounds: number
  readonly plan: Plan
  readonly driver: FaultDriver
  /** The first of the ports that subjects may use. */
  readonly firstPort: number
  /** Of each node. */
  readonly nodeConnections: number
  /** Files of the subjects go below it. */
  readonly directory: string
  readonly progress: Progress
  /** Aborted: the round under way ends, no further one begins. */
  readonly signal: AbortSignal
}

export interface Ran {
  readonly rounds: readonly Round[]
  readonly summaries: readonly SubjectSummary[]
  /** Why the run ended before its time; what was measured until then stands. */
  readonly failure: string | undefined
}

/** Ports of one subject. */
const PORTS_EACH = 12

/** Ends early when a subject does not start or the cluster does not heal; never rejects. */
export async function runAll(run: Run): Promise<Ran> {
  const rounds: Round[] = []
  const descriptions = new Map<string, string>()
  let failure: string | undefined
  try {
    for (const fault of run.faults) {
      if (!run.signal.aborted) await runFault(run, fault, rounds, descriptions)
    }
  } catch (error) {
    failure = messageOf(error)
  }
  await cleanUp(run.driver).catch((error: unknown) => run.progress.say(messageOf(error)))
  const summaries = run.faults.flatMap((fault) =>
    run.subjects
      .filter(({ name }) => rounds.some((one) => one.fault === fault && one.subject === name))
      .map(({ name }) => summarise(name, fault, descriptions.get(name) ?? name, rounds)),
  )
  return { rounds, summaries, failure }
}

/** Adds what it measured to `rounds`, round by round. */
async function runFault(
  run: Run,
  fault: Fault,
  rounds: Round[],
  descriptions: Map<string, string>,
): Promise<void> {
  const { subjects, driver, progress, plan } = run
  const clock = new WallClock()
  const links: CuttableLink[] = []
  const started: { subject: Subject; reached: Reached }[] = []
  try {
    const nodes = await driver.nodes()
    if (fault === 'partition') links.push(...(await openLinks(nodes)))
    for (const subject of subjects) {
      progress.say(`starting ${subject.name}`)
      const i = subjects.indexOf(subject)
      started.push({ subject, reached: await startOne(run, fault, subject, i, nodes, links) })
      descriptions.set(subject.name, await subject.description())
    }
    for (let number = 1; number <= run.rounds; number++) {
      for (const { subject, reached } of turned(started, number - 1)) {
        if (run.signal.aborted) break
        const about = { subject, reached, driver, links, plan, clock, fault, progress }
        const round = await runRound({ ...about, number, rounds: run.rounds })
        rounds.push(round)
        progress.ended(round)
        const where = { subject: subject.name, fault, round: number, rounds: run.rounds }
        progress.at({ ...where, phase: 'healing', answering: 0, clients: 0 })
        for (const link of links) link.restore()
        if (round.victim !== '') await driver.heal(fault, round.victim)
      }
    }
  } finally {
    for (const { subject } of started) {
      await subject.stop().catch((error: unknown) => progress.say(messageOf(error)))
    }
    for (const link of links) await link.close()
  }
}

async function startOne(
  run: Run,
  fault: Fault,
  subject: Subject,
  index: number,
  nodes: readonly NodeAddress[],
  links: readonly CuttableLink[],
): Promise<Reached> {
  const directory = join(run.directory, fault, subject.name)
  mkdirSync(directory, { recursive: true })
  const { clients } = run.plan
  return subject.start({
    nodes: links.length > 0 ? links.map((link) => link.address) : nodes,
    login: run.driver.login,
    ports: { first: run.firstPort + index * PORTS_EACH, count: PORTS_EACH },
    directory,
    clients: Object.values(clients).reduce((sum, count) => sum + count, 0),
    nodeConnections: run.nodeConnections,
  })
}

async function openLinks(nodes: readonly NodeAddress[]): Promise<CuttableLink[]> {
  const links = nodes.map((node) => new CuttableLink(node))
  for (const link of links) await link.open()
  return links
}

/** The list begun so many places later. */
function turned<T>(list: readonly T[], by: number): T[] {
  return list.map((_, i) => list[(i + by) % list.length] as T)
}

async function cleanUp(driver: FaultDriver): Promise<void> {
  const writer = await driver.writer()
  const controls = await openControls(driver)
  const control = controls.find(({ name }) => name === writer)
  if (control !== undefined) await dropTables(control.client)
  await closeControls(controls)
}
