/**
 * Drives the probes: calm while all is well, every 20 ms or so and all nodes at once while anything
 * is not. Rule: never two probes of one node at a time; whatever happens ends as an observation, and
 * the reducer alone decides what it means.
 *
 *   slot:  idle --timer or poke--> probing --answer, failure, timeout--> idle, timer set
 *                                  poked meanwhile: probes again at once
 */
import type { Clock, Timer } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { ObserveRules } from './observe.ts'
import { observe } from './observe.ts'
import type { Observation, ObservedNode } from './observed.ts'
import { beginPatience } from './patience.ts'
import type { Probe, ProbeAnswer, ProbeFailure, ProbeResult } from './probe.ts'
import { heirsOf, type Promoted, PromotionWaits } from './promotion-waits.ts'
import type { TopologyStore } from './store.ts'
import type { Hint, NodeSpec, Topology } from './topology.ts'

/** All in milliseconds. */
export interface MonitorSettings {
  readonly periodMs: number
  /** While anything is suspect; half of it, or twice, while there is no writer. */
  readonly suspectPeriodMs: number
  /** An alarm this old relaxes to `relaxedPeriodMs`: a writer that is away for an hour is not hammered. */
  readonly relaxAfterMs: number
  readonly relaxedPeriodMs: number
  /** Of a node that answered lately; see `limitOf` for the others. */
  readonly timeoutMs: number
  /** A probe unanswered for so long makes an up node suspect before it times out. */
  readonly slowMs: number
}

export const defaultMonitorSettings: MonitorSettings = {
  periodMs: 500,
  suspectPeriodMs: 20,
  relaxAfterMs: 60_000,
  relaxedPeriodMs: 250,
  timeoutMs: 500,
  slowMs: 250,
}

export interface MonitorParts {
  readonly probe: Probe
  readonly store: TopologyStore
  readonly clock: Clock
  readonly log: Log
  readonly rules: ObserveRules
  readonly settings: MonitorSettings
  /** When the node last answered anybody else (monotonic); default: nobody else asks. */
  readonly lastAnswerOf?: (node: string) => number | undefined
}

interface Running {
  readonly abort: AbortController
  readonly ended: Promise<void>
  /** Its answer is older than what is known by now. */
  stale: boolean
}

interface Slot {
  spec: NodeSpec
  timer: Timer | undefined
  /** Set while a probe is under way. */
  running: Running | undefined
  again: boolean
  /** Probes that hints may still cause at once, and when that was reckoned. */
  hints: { left: number; at: number }
  /** A hint came when there were none left. */
  soon: boolean
}

/** Then one each `suspectPeriodMs`: whoever can make hints must not be able to make a storm of probes. */
const HINTS_AT_ONCE = 4

/**
 * For so long (ms) whoever may be the next writer is asked most often: every moment until it is seen
 * is one without a writer. A promotion that takes longer is no matter of milliseconds.
 */
const EAGER_MS = 5_000

export class Monitor {
  #parts: MonitorParts
  #slots = new Map<string, Slot>()
  #alarmedSince: number | undefined
  #stopped = false
  #waits: PromotionWaits

  constructor(parts: MonitorParts) {
    this.#parts = parts
    const { probe, clock, log } = parts
    const told = (node: string, answer: Promoted) => this.#told(node, answer)
    this.#waits = new PromotionWaits({ probe, clock, log, told })
    parts.probe.onLost((node, sign) => this.hint({ node, kind: 'reset', sign }))
  }

  /** Watches these nodes from now on; the first call starts the monitor. */
  watch(specs: readonly NodeSpec[]): void {
    if (this.#stopped) throw new Error('BUG: watch() on a stopped monitor')
    for (const [name, slot] of this.#slots) {
      const spec = specs.find((s) => s.name === name)
      if (spec !== undefined && spec.host === slot.spec.host && spec.port === slot.spec.port) {
        slot.spec = spec
        continue
      }
      this.#clear(slot)
      this.#slots.delete(name)
      this.#parts.probe.forget(name)
    }
    for (const spec of specs) {
      if (this.#slots.has(spec.name)) continue
      const hints = { left: HINTS_AT_ONCE, at: this.#parts.clock.monotonic() }
      const idle = { timer: undefined, running: undefined, again: false, soon: false }
      this.#slots.set(spec.name, { spec, ...idle, hints })
    }
    this.#observe({ kind: 'nodes', at: this.#parts.clock.wall(), specs })
    for (const slot of this.#slots.values()) this.#poke(slot)
  }

  /** The data plane saw trouble: look at that node now, and at all of them if it is the writer. */
  hint(hint: Hint): void {
    const slot = this.#slots.get(hint.node)
    if (slot === undefined || this.#stopped) return
    this.#observe({ kind: 'hint', at: this.#parts.clock.wall(), hint })
    this.#hinted(slot)
    if (writerOf(this.#parts.store.current) !== hint.node) return
    for (const other of this.#slots.values()) if (other !== slot) this.#hinted(other)
  }

  /** Probes every node and resolves when each probe that was begun after this call has ended. */
  async probeNow(): Promise<void> {
    await Promise.all(
      [...this.#slots.values()].map(async (slot) => {
        await slot.running?.ended
        if (!this.#stopped) await this.#begin(slot)
      }),
    )
  }

  /** Ends all probes and closes the control connections. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#waits.on([])
    const ends = [...this.#slots.values()].map((slot) => slot.running?.ended)
    for (const slot of this.#slots.values()) this.#clear(slot)
    await Promise.all(ends)
    await this.#parts.probe.close()
  }

  /** A node said by itself that it takes writes; a probe of it under way may have been asked before. */
  #told(node: string, { timeline, lsn, positionMs }: Promoted): void {
    const { clock, store } = this.#parts
    const running = this.#slots.get(node)?.running
    if (running !== undefined) running.stale = true
    const { responseMs = 0 } = store.current.nodes.find((n) => n.spec.name === node) ?? {}
    // What it did not say is known of it, or asked in a moment.
    const unsaid = { connectionLimit: undefined, versionNum: undefined, replayAgeMs: undefined }
    const reading = { receivedLsn: undefined, streaming: undefined }
    const said = { ok: true, inRecovery: false, timeline, lsn, positionMs, responseMs } as const
    const answer: ProbeAnswer = { ...said, ...unsaid, ...reading }
    this.#observe({ kind: 'answer', node, at: clock.wall(), answer })
  }

  #poke(slot: Slot): void {
    // A probe under way may have begun before the trouble did: it cannot vouch for now.
    if (slot.running !== undefined) slot.again = true
    else void this.#begin(slot)
  }

  #hinted(slot: Slot): void {
    if (slot.again || slot.soon) return
    const { clock, settings } = this.#parts
    const { hints } = slot
    const now = clock.monotonic()
    hints.left = Math.min(HINTS_AT_ONCE, hints.left + (now - hints.at) / settings.suspectPeriodMs)
    hints.at = now
    if (hints.left >= 1) {
      hints.left--
      this.#poke(slot)
      return
    }
    slot.soon = true
    if (slot.running === undefined) this.#schedule(slot)
  }

  #begin(slot: Slot): Promise<void> {
    if (slot.running !== undefined) return slot.running.ended
    slot.timer?.cancel()
    slot.timer = undefined
    slot.again = false
    if (slot.soon) slot.hints.left--
    slot.soon = false
    const abort = new AbortController()
    const ended = this.#run(slot, abort).then((result) => {
      if (slot.running?.abort !== abort) return
      const { stale } = slot.running
      slot.running = undefined
      this.#conclude(slot, result, stale)
    })
    slot.running = { abort, ended, stale: false }
    return ended
  }

  /** One probe with its time limit; resolves as soon as the result or the limit is there. */
  #run(slot: Slot, abort: AbortController): Promise<ProbeResult> {
    const { clock, probe, store, settings } = this.#parts
    const { name } = slot.spec
    const { slowMs } = settings
    const node = store.current.nodes.find((n) => n.spec.name === name)
    const limitMs = limitOf(node, settings.timeoutMs)
    const began = clock.monotonic()
    return new Promise((resolve) => {
      const patience = beginPatience({
        clock,
        slowMs,
        limitMs,
        slow: () => this.#observe({ kind: 'slow', node: name, at: clock.wall(), ms: slowMs }),
        over: () => {
          settle(this.#unanswered(name, began, limitMs))
          abort.abort()
        },
      })
      const settle = (result: ProbeResult) => {
        patience.cancel()
        resolve(result)
      }
      abort.signal.addEventListener('abort', () =>
        settle({ ok: false, kind: 'other', why: 'the probe was called off' }),
      )
      void ask(probe, slot.spec, abort.signal).then(settle)
    })
  }

  /**
   * No answer to a probe; but whoever answers clients meanwhile is no dead node. A reader that waits
   * for its disk with the control file locked hangs every probe and serves all who only read.
   */
  #unanswered(node: string, began: number, limitMs: number): ProbeFailure {
    const answered = this.#parts.lastAnswerOf?.(node) ?? -Infinity
    const why = `no answer in ${limitMs} ms`
    // What a node said before it froze proves nothing for the rest of the time.
    if (answered <= began + limitMs / 2) return { ok: false, kind: 'timeout', why }
    return { ok: false, kind: 'busy', why: `${why}, though clients are answered` }
  }

  #conclude(slot: Slot, result: ProbeResult, stale: boolean): void {
    const at = this.#parts.clock.wall()
    const node = slot.spec.name
    if (result.ok && stale) slot.again = true
    else if (result.ok) this.#observe({ kind: 'answer', node, at, answer: result })
    else this.#observe({ kind: 'failure', node, at, failure: result })
    // The observation itself may have had the slot probed again.
    if (this.#stopped || slot.running !== undefined) return
    if (slot.again) void this.#begin(slot)
    else this.#schedule(slot)
  }

  #observe(observation: Observation): void {
    const { store, rules, log } = this.#parts
    const before = store.current
    const { topology, sentences } = observe(before, observation, rules)
    store.put(topology, sentences)
    const well = topology.nodes.every((n) => n.health === 'up')
    for (const text of sentences) {
      // `because` of a node is the sentence of its last change.
      const fenced = topology.nodes.some((n) => n.fenced && n.because === text)
      log[fenced ? 'error' : well ? 'info' : 'warn']({ epoch: topology.epoch }, text)
    }
    this.#judge(topology.epoch !== before.epoch)
    const fresh = this.#alarmedFor < this.#parts.settings.relaxAfterMs
    this.#waits.on(fresh && !this.#stopped ? heirsOf(topology) : [], this.#eager)
    // How far the readers are behind is a question about the new writer now: ask them again.
    const writer = writerOf(topology)
    if (writer === undefined || writer === writerOf(before)) return
    for (const slot of this.#slots.values()) this.#poke(slot)
  }

  /** Alarm or calm; when the alarm begins, nobody sleeps out a calm period. */
  #judge(changed: boolean): void {
    const { clock, store } = this.#parts
    const { nodes } = store.current
    const alarmed =
      !hasWriter(store.current) ||
      nodes.some((n) => n.health === 'suspect' && n.failedBy !== 'busy')
    if (!alarmed) {
      this.#alarmedSince = undefined
      return
    }
    const began = this.#alarmedSince === undefined
    if (began || changed) this.#alarmedSince = clock.monotonic()
    if (!began) return
    for (const slot of this.#slots.values()) {
      if (slot.running === undefined && slot.timer !== undefined) this.#schedule(slot, 0)
    }
  }

  #schedule(slot: Slot, ms = this.#period(slot)): void {
    if (this.#stopped) return
    slot.timer?.cancel()
    slot.timer = this.#parts.clock.after(ms, () => void this.#begin(slot))
  }

  /** While there is no writer, whoever may be the next one is asked most often, and the dead least. */
  #period({ spec, soon }: Slot): number {
    const { settings, store } = this.#parts
    const { nodes } = store.current
    const { suspectPeriodMs, relaxedPeriodMs } = settings
    const node = nodes.find((n) => n.spec.name === spec.name)
    const writing = hasWriter(store.current)
    // It is alive; dozens of logins a second that it refuses would only fill its log.
    if (writing && node?.failedBy === 'busy') return relaxedPeriodMs
    if (this.#alarmedSince === undefined) return soon ? suspectPeriodMs : settings.periodMs
    const fresh = this.#alarmedFor < settings.relaxAfterMs
    if (!fresh) return soon ? suspectPeriodMs : relaxedPeriodMs
    if (writing) return suspectPeriodMs
    // A writer that restarts in place is itself the next one.
    const next = node !== undefined && (node.health !== 'down' || restarts(node))
    if (!next) return suspectPeriodMs * 2
    // It will tell; the probes are only there in case that it does not.
    if (this.#waits.standsOn(spec.name)) return suspectPeriodMs
    return suspectPeriodMs * (this.#eager ? 0.25 : 0.5)
  }

  /** Milliseconds; infinite when nothing is alarming. */
  get #alarmedFor(): number {
    if (this.#alarmedSince === undefined) return Infinity
    return this.#parts.clock.monotonic() - this.#alarmedSince
  }

  get #eager(): boolean {
    return this.#alarmedFor < EAGER_MS
  }

  #clear(slot: Slot): void {
    slot.timer?.cancel()
    slot.timer = undefined
    const running = slot.running
    slot.running = undefined
    running?.abort.abort()
  }
}

/** A login over TLS and the question, in round trips to the node; and some for good measure. */
const ROUND_TRIPS = 12

/**
 * Milliseconds that one probe may take. A node that is far away gets its round trips, or no probe
 * that has to log in would ever end well; one that serves nobody now is in no hurry.
 */
function limitOf(node: ObservedNode | undefined, timeoutMs: number): number {
  if (node?.health !== 'up' && node?.health !== 'suspect') return 2 * timeoutMs
  return Math.round(
    Math.min(Math.max(timeoutMs, ROUND_TRIPS * (node.responseMs ?? 0)), 4 * timeoutMs),
  )
}

/** The last writer, which answers that it is not ready: a crash of one backend restarts them all. */
function restarts({ role, failedBy }: ObservedNode): boolean {
  return role === 'writer' && failedBy === 'other'
}

/** One that may be used. */
function hasWriter({ nodes }: Topology): boolean {
  return nodes.some((n) => n.role === 'writer' && n.health !== 'down')
}

function writerOf(topology: Topology): string | undefined {
  return topology.nodes.find((n) => n.role === 'writer')?.spec.name
}

/** The contract forbids a probe to throw; one that does must still not stop the monitor. */
async function ask(probe: Probe, node: NodeSpec, signal: AbortSignal): Promise<ProbeResult> {
  try {
    return await probe.probe(node, signal)
  } catch (error) {
    return { ok: false, kind: 'other', why: `BUG: the probe threw: ${messageOf(error)}` }
  }
}
