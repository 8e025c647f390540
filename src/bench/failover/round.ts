/**
 * One fault, seen by one subject: connect, load, hurt, promote, wait for the recovery, judge. Rule:
 * the round always ends with a record; when the instrument itself failed, the record says why and
 * does not count, and what a subject did badly is a figure, never an excuse.
 */
import { messageOf } from '../../core/errors.ts'
import { until } from '../../core/until.ts'
import {
  type Control,
  closeControls,
  connectNode,
  openControls,
  readersCaughtUp,
} from './control.ts'
import type { CuttableLink } from './cuttable-link.ts'
import { Load } from './load.ts'
import { NOTHING_JUDGED, rounded } from './measure.ts'
import type { Plan } from './plan.ts'
import type { Phase, Progress } from './progress.ts'
import { PromotionWatch, type Seen } from './promotion-watch.ts'
import type { ClientRecord, Fault, InstrumentRecord, Round, Timeline, Verdict } from './result.ts'
import { judge, makeTables, writtenRows } from './sequence-table.ts'
import { StallWatch } from './stall-watch.ts'
import type { FaultDriver, Injected, Reached, Subject } from './subject.ts'
import type { WallClock } from './wall-clock.ts'

export interface RoundWork {
  readonly subject: Subject
  readonly reached: Reached
  readonly driver: FaultDriver
  /** In a partition, the link of each node; else empty. */
  readonly links: readonly CuttableLink[]
  readonly plan: Plan
  readonly clock: WallClock
  readonly fault: Fault
  readonly number: number
  readonly rounds: number
  readonly progress: Progress
}

/** Time for the last notifications to arrive (ms). */
const LAST_WORDS = 200
const BEFORE_WITHIN = 40_000

/** Everything that was measured before something failed is in the record. */
export async function runRound(work: RoundWork): Promise<Round> {
  const { subject, driver, plan, clock, fault } = work
  clock.set()
  const began = clock.now()
  const load = new Load(plan, work.reached, () => clock.now())
  const stalls = new StallWatch(() => clock.now())
  const phase = teller(work, load)
  let controls: Control[] = []
  let happened: Happened | undefined
  let invalid: string | undefined
  let verdict: Verdict = NOTHING_JUDGED
  try {
    phase('connecting')
    controls = await openControls(driver)
    const writer = await driver.writer()
    await makeTables(controls.find(({ name }) => name === writer)!.client)
    await readersCaughtUp(controls)
    await load.connect()
    stalls.start()
    happened = await lived(work, load, controls, phase)
    phase('judging')
    await new Promise((resolve) => setTimeout(resolve, LAST_WORDS))
    verdict = { ...(await verdictOf(driver, load)), ...load.notifications() }
  } catch (error) {
    invalid = messageOf(error)
  }
  stalls.stop()
  phase('judging', true)
  await load.end()
  await closeControls(controls)
  const ended = clock.now()
  const from = happened?.injected.from ?? began
  const over = happened?.recovered ?? ended
  const longestStallMs = rounded(stalls.longest(from, over))
  const lateStallMs = rounded(stalls.longest(happened?.seen?.at ?? from, over))
  const allowedMs = stallAllowed(plan, over - from)
  if (invalid === undefined && lateStallMs > allowedMs) {
    invalid = `the instrument itself stood still for ${Math.round(lateStallMs)} ms`
  }
  const stood = { longestStallMs, lateStallMs, readsBlurred: longestStallMs > allowedMs }
  const marks = {
    fault: from,
    promoted: happened?.seen?.at,
    ended: happened?.over ?? ended,
  }
  const clients = load.records(marks)
  const told = (await subject.milestones?.(from).catch(() => undefined)) ?? {}
  return {
    subject: subject.name,
    number: work.number,
    fault,
    victim: happened?.injected.victim ?? '',
    promoted: happened?.seen?.name,
    began,
    ended,
    timeline: timelineOf(told, happened, clients),
    clients,
    verdict,
    invalid,
    instrument: instrumentRecord(stood, happened),
  }
}

function instrumentRecord(
  stood: Pick<InstrumentRecord, 'longestStallMs' | 'lateStallMs' | 'readsBlurred'>,
  happened: Happened | undefined,
): InstrumentRecord {
  const { seen, asked, written } = happened ?? {}
  const since = (from: number | undefined, to: number | undefined) =>
    from === undefined || to === undefined ? undefined : rounded(to - from)
  return {
    ...stood,
    promotedWithinMs: seen && rounded(seen.withinMs),
    promotionMs: since(asked, seen?.at),
    ownWriteMs: since(seen?.at, written),
  }
}

/**
 * A figure is wrong by the longest stall at most. That is bearable where it is a small part of what
 * was measured: a thousand clients that connect again at once starve everybody on a small machine.
 * So do a thousand processes of one node that are killed at once; but that is over long before the
 * promotion, and a writer that is stuck for as long would have been told nothing in that time.
 */
function stallAllowed({ maxStallMs }: Plan, lastedMs: number): number {
  return Math.max(maxStallMs, lastedMs / 5)
}

interface Happened {
  readonly injected: Injected
  readonly asked: number | undefined
  readonly seen: Seen | undefined
  /** Our own write to the new writer was acknowledged. */
  readonly written: number | undefined
  /** All clients answered again; undefined when that never was. */
  readonly recovered: number | undefined
  /** Nothing was asked any more. */
  readonly over: number
}

/** The part of a round that is measured. */
async function lived(
  work: RoundWork,
  load: Load,
  controls: readonly Control[],
  phase: Teller,
): Promise<Happened> {
  const { driver, plan, clock, fault } = work
  const now = () => clock.now()
  const begin = now()
  phase('before')
  load.start()
  await until(() => load.recovered(begin), BEFORE_WITHIN, {
    what: 'every client to be answered before the fault',
  })
  load.clear()
  // The fault meets the schedule at any moment of its period.
  await sleep(plan.beforeMs + (Math.random() * 1000) / plan.rate)
  const writer = await driver.writer()
  const moves = fault !== 'reader-kill'
  const heirs = controls.filter(({ name }) => name !== writer)
  const watch = new PromotionWatch(heirs, now)
  if (moves) watch.start()
  phase('fault')
  const injected = await injure(work)
  let failure: unknown
  let asked: number | undefined
  const promotion = moves
    ? promoted(work, (at) => {
        asked = at
      }).catch((error: unknown) => {
        failure = error
      })
    : undefined
  const end = now() + plan.giveUpMs
  let recovered: number | undefined
  while (now() < end && failure === undefined) {
    phase('after')
    const since = moves ? watch.seen?.at : injected.to
    if (since !== undefined && load.recovered(since)) {
      recovered = now()
      break
    }
    await sleep(20)
  }
  await sleep(plan.afterMs)
  phase('idle clients')
  await load.askIdle()
  await load.stop()
  const over = now()
  await promotion
  await watch.stop()
  if (failure !== undefined) throw failure
  return { injected, asked, seen: watch.seen, written: await watch.written, recovered, over }
}

/** The act itself: by the driver, or on the links. */
async function injure({ driver, fault, links, clock }: RoundWork): Promise<Injected> {
  const injected = await driver.inject(fault)
  if (fault !== 'partition') return injected
  const from = clock.now()
  const link = links.find(({ node }) => node.name === injected.victim)
  if (link === undefined) throw new Error(`there is no link to ${injected.victim}`)
  link.cut()
  return { victim: injected.victim, from, to: clock.now() }
}

async function promoted(work: RoundWork, asked: (at: number) => void): Promise<void> {
  const { driver, subject, plan, fault, clock } = work
  await sleep(plan.promoteAfterMs)
  const promote = async (): Promise<void> => {
    asked(clock.now())
    await driver.promote(fault)
  }
  if (fault === 'switchover' && subject.switchover !== undefined) {
    await subject.switchover(promote)
  } else {
    await promote()
  }
}

async function verdictOf(driver: FaultDriver, load: Load): Promise<Verdict> {
  const name = await driver.writer()
  const node = (await driver.nodes()).find((one) => one.name === name)!
  const client = await connectNode(node, driver.login)
  try {
    return judge(load.tolds, await writtenRows(client))
  } finally {
    await client.end()
  }
}

/** The instrument's own marks count for what it sees itself; the subject's fill what is between. */
function timelineOf(
  told: Timeline,
  happened: Happened | undefined,
  clients: readonly ClientRecord[],
): Timeline {
  if (happened === undefined) return told
  const { seen, injected } = happened
  const first = clients.flatMap(({ kind, afterPromotionMs }) =>
    kind === 'writer' && afterPromotionMs !== undefined ? [afterPromotionMs] : [],
  )
  return {
    ...told,
    fault: injected.from,
    ...(seen === undefined ? {} : { promoted: seen.at }),
    ...(seen === undefined || first.length === 0
      ? {}
      : { 'first-reply': seen.at + Math.min(...first) }),
  }
}

type Teller = (phase: Phase, always?: boolean) => void

function teller(work: RoundWork, load: Load): Teller {
  let last: Phase | undefined
  let saidAt = 0
  return (phase, always = false) => {
    const now = performance.now()
    if (phase === last && !always && now - saidAt < 100) return
    last = phase
    saidAt = now
    const { subject, fault, number, rounds, progress } = work
    const { answering, clients } = load
    progress.at({ subject: subject.name, fault, round: number, rounds, phase, answering, clients })
  }
}

const sleep = (ms: number): Promise<void> =>
  ms <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms))
