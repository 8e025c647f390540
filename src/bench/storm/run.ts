/**
 * One storm against one target, from its start to its result. Rule: a target is started before and
 * stopped after its own storm, so that nobody holds connections while another is measured; what goes
 * wrong with one target is a result too, and the next one is still measured.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../core/errors.ts'
import { until } from '../../core/until.ts'
import { urlOf } from '../failover/subjects/urls.ts'
import { runFleet } from './fleet.ts'
import { type OverWord, SLICE_MS, type SliceWord, StormClock } from './load-words.ts'
import { mergedSpans, momentsOf, totalsOf } from './merge.ts'
import { type NodeWatch, watchNode } from './node-watch.ts'
import { arrivalsOf, arrivedBy, overBy, type StormPlan, type TlsMode } from './plan.ts'
import { listenOverflows } from './process-watch.ts'
import type { StormProgress } from './progress.ts'
import type { TargetResult } from './result.ts'
import type { LabNode, Stormed, Target } from './target.ts'
import { addressOf, type TargetAddress } from './target-address.ts'
import { warningsOf } from './trust.ts'
import { Watch } from './watch.ts'

export interface StormOptions {
  readonly plan: StormPlan
  readonly threads: number
  /** Above what a URL says. */
  readonly tls?: TlsMode
  readonly lab?: LabNode
  /** URL of somebody who sees the node's sessions, where there is no lab. */
  readonly observe?: string
  readonly port: number
  readonly directory: string
  readonly pool: number
  readonly progress: StormProgress
  readonly signal?: AbortSignal
}

/** Connections of the target before must be gone by then (ms). */
const EMPTY_WITHIN = 30_000

/** What is looked at from outside, from the end of the warm-up on. */
interface Seen {
  watch: Watch | undefined
  sessions: number | undefined
  overflows: number | undefined
}

/** Never rejects for what the target does; rejects when the instrument itself fails. */
export async function stormTarget(target: Target, options: StormOptions): Promise<TargetResult> {
  const { plan, port, directory, pool, lab, progress } = options
  // Those of one wave may still be there when the next one comes.
  const clients = arrivalsOf(plan)
  progress.at(standingOf(target.name, 'starting', plan))
  const folder = join(directory, target.name)
  mkdirSync(folder, { recursive: true })
  let watch: NodeWatch | undefined
  try {
    const watchUrl = lab === undefined ? options.observe : urlOf(lab.admin, lab.port)
    let reached: Stormed
    let address: TargetAddress
    try {
      if (lab !== undefined && target.onLab) await emptied(lab)
      reached = await target.start({ lab, port, directory: folder, clients, pool })
      address = addressOf(reached.url, options.tls ?? reached.tls)
      if (watchUrl !== undefined) {
        watch = await watchNode(watchUrl, address.user, lab?.load.database ?? address.database)
      }
    } catch (error) {
      return failed(target, plan, messageOf(error))
    }
    const result = await storm(target, options, address, reached, watch)
    progress.ended(result)
    return result
  } finally {
    await watch?.end()
    await target.stop()
  }
}

async function storm(
  target: Target,
  options: StormOptions,
  address: TargetAddress,
  reached: Stormed,
  node: NodeWatch | undefined,
): Promise<TargetResult> {
  const { plan, threads, lab, signal } = options
  const clock = new StormClock()
  let startAt = clock.now()
  const nodePid = target.onLab ? lab?.pid : undefined
  const watched = { node, nodePid, proxyPid: reached.proxyPid }
  let cpuBefore = process.cpuUsage()
  const seen: Seen = { watch: undefined, sessions: undefined, overflows: undefined }
  const slices: SliceWord[] = []
  const live = liveStanding(target.name, options, () => seen.watch?.last?.server?.load)
  let words: OverWord[]
  try {
    words = await runFleet({
      plan,
      address,
      threads,
      onSlice: (word) => {
        slices.push(word)
        live(word)
      },
      beforeStart: async () => {
        seen.sessions = await node?.sessions()
        seen.overflows = listenOverflows()
        seen.watch = new Watch(watched, () => clock.now() - startAt)
      },
      onStart: (at) => {
        startAt = at
        cpuBefore = process.cpuUsage()
        seen.watch?.start()
      },
      ...(signal === undefined ? {} : { signal }),
    })
  } catch (error) {
    return failed(target, plan, messageOf(error))
  } finally {
    await seen.watch?.stop()
  }
  const { watch } = seen
  const lastedMs = clock.now() - startAt
  const { user, system } = process.cpuUsage(cpuBefore)
  const opened = await openedSince(seen.sessions, node)
  const instrument = {
    threads,
    late: mergedSpans(words.map((word) => word.late)).percentiles(),
    longestStallMs: Math.max(...words.map((word) => word.longestStallMs)),
    busiest: Math.max(0, ...slices.map((word) => word.busy)),
    machineBusiest: watch?.machineBusiest,
    cpuSeconds: (user + system) / 1e6,
    derivations: words.reduce((sum, word) => sum + word.derivations, 0),
  }
  return {
    target: target.name,
    description: target.description(),
    failure: undefined,
    clients: plan.clients,
    ...totalsOf(words),
    lastedMs,
    moments: momentsOf(slices),
    sights: watch?.sights ?? [],
    server: watch?.server(opened),
    proxy: watch?.summary('proxy'),
    node: watch?.summary('node'),
    overflows: overflowed(seen.overflows),
    instrument: { ...instrument, warnings: warningsOf(instrument) },
  }
}

/** A session counts on the node when its statistics are written, which takes it up to a second. */
async function openedSince(
  before: number | undefined,
  node: NodeWatch | undefined,
): Promise<number | undefined> {
  if (before === undefined || node === undefined) return undefined
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  const after = await node.sessions()
  return after === undefined ? undefined : after - before
}

async function emptied({ admin, load, port }: LabNode): Promise<void> {
  const watch = await watchNode(urlOf(admin, port), load.user, load.database)
  try {
    await until(async () => ((await watch.count())?.load ?? 0) === 0, EMPTY_WITHIN, {
      everyMs: 100,
      what: 'the connections of the target before to go',
    })
  } finally {
    await watch.end()
  }
}

/** Tells the progress at each slice of any thread. */
function liveStanding(
  target: string,
  { plan, progress }: StormOptions,
  server: () => number | undefined,
): (word: SliceWord) => void {
  let answered = 0
  let errors = 0
  /** By slice, as threads tell them one after the other. */
  const open = new Map<number, number>()
  const statements = new Map<number, number>()
  return (word) => {
    answered += word.answered
    errors += Object.values(word.errors).reduce((a, b) => a + b, 0)
    open.set(word.slice, (open.get(word.slice) ?? 0) + word.open)
    statements.set(word.slice, (statements.get(word.slice) ?? 0) + word.statements)
    const whole = word.slice - 1
    const at = (word.slice + 1) * SLICE_MS
    const phase = at <= arrivedBy(plan) ? 'arriving' : at <= overBy(plan) ? 'holding' : 'ending'
    progress.at({
      ...standingOf(target, phase, plan),
      at,
      open: Math.max(open.get(word.slice) ?? 0, open.get(whole) ?? 0),
      answered,
      errors,
      perSecond: ((statements.get(whole) ?? 0) * 1000) / SLICE_MS,
      server: server(),
    })
  }
}

function standingOf(
  target: string,
  phase: 'starting' | 'arriving' | 'holding' | 'ending',
  plan: StormPlan,
) {
  const { clients } = plan
  const nothing = { open: 0, answered: 0, errors: 0, perSecond: 0, server: undefined }
  return { target, phase, at: 0, until: overBy(plan), clients, ...nothing }
}

function overflowed(before: number | undefined): number | undefined {
  const after = listenOverflows()
  return before === undefined || after === undefined ? undefined : after - before
}

function failed(target: Target, plan: StormPlan, failure: string): TargetResult {
  const instrument = {
    threads: 0,
    late: undefined,
    longestStallMs: 0,
    busiest: 0,
    cpuSeconds: 0,
    derivations: 0,
  }
  const zero = { arrived: 0, loggedIn: 0, answered: 0, statements: 0, overdue: 0, dropped: 0 }
  return {
    target: target.name,
    description: target.description(),
    failure,
    clients: plan.clients,
    ...zero,
    lastedMs: 0,
    errors: {},
    texts: {},
    spans: {},
    moments: [],
    sights: [],
    server: undefined,
    proxy: undefined,
    node: undefined,
    overflows: undefined,
    instrument: { ...instrument, machineBusiest: undefined, warnings: [] },
  }
}
