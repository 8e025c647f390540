/**
 * The pauses that an operator ordered: what they close, what still stands in their way, and their
 * end. Rule: a pause only keeps back what is not lent yet, and it always ends by itself; a forgotten
 * one must not be an outage.
 */
import type {
  OtherThan,
  PauseAnswer,
  PauseOrder,
  PauseStatus,
  PauseTarget,
  ResumeAnswer,
  WriterStatus,
} from '../admin/orders.ts'
import type { Clock, Timer } from '../core/clock.ts'
import { WeirError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { isServing } from '../endpoint/eligible.ts'
import type { TopologyStore } from '../topology/store.ts'
import type { Topology } from '../topology/topology.ts'
import type { Planes } from './planes.ts'
import { wallOffset } from './timeline.ts'

/** How often what is lent is counted while somebody waits for it to come back (ms). */
const LOOK_MS = 2
const SAMPLE_MS = 25
/** Longest that clients are held back at a new writer until the listeners are there (ms). */
const FOLLOW_MS = 300
/** Named in an answer; more would only scroll. */
const MOST_NAMED = 20

export interface PausesParts {
  readonly clock: Clock
  readonly log: Log
  readonly store: TopologyStore
  /** Names of the endpoints. */
  readonly endpoints: () => readonly string[]
  readonly planes: Pick<
    Planes,
    | 'refresh'
    | 'lent'
    | 'waiting'
    | 'listening'
    | 'inTheWay'
    | 'pauseNode'
    | 'resumeNode'
    | 'closeGates'
  >
  /** For the list of events. */
  readonly tell: (sentence: string) => void
}

interface Pause {
  readonly what: string
  readonly node: string | undefined
  readonly endpoint: string | undefined
  readonly since: number
  /** Of a writer: holds clients back at the next one too, for a moment. */
  readonly follow: boolean
  until: number
  mostWaiting: number
  end: Timer
}

export class Pauses {
  #parts: PausesParts
  #active = new Map<string, Pause>()
  #sampling: Timer | undefined
  /** Over when clients are let to the new writer; there is nothing to wait for else. */
  #following: Promise<void> | undefined
  /** The last one there was. */
  #writer: string | undefined

  /** Made before anybody else acts on a change of the topology, or it comes too late to follow one. */
  constructor(parts: PausesParts) {
    this.#parts = parts
    this.#writer = writerOf(parts.store.current)
    parts.store.subscribe((now) => this.#look(now))
  }

  #look(now: Topology): void {
    const next = writerOf(now)
    const last = this.#writer
    if (next === undefined || next === last) return
    this.#writer = next
    if (this.#following !== undefined) return
    const pauses = [...this.#active.values()]
    if (!pauses.some((p) => p.follow && p.node === last)) return
    if (pauses.some((p) => p.node === next)) return
    this.#following = this.#follow(next).finally(() => {
      this.#following = undefined
    })
  }

  async #follow(next: string): Promise<void> {
    const { clock, planes } = this.#parts
    planes.pauseNode(next, 'clients')
    const end = clock.monotonic() + FOLLOW_MS
    await this.#refresh()
    while (!planes.listening() && clock.monotonic() < end && this.#active.size > 0) {
      await this.#moment()
    }
    if (!this.#active.has(`node ${next}`)) planes.resumeNode(next)
  }

  async #moment(): Promise<void> {
    await new Promise<void>((resolve) => this.#parts.clock.after(LOOK_MS, resolve))
    await this.#refresh()
  }

  /** A promise only where figures are not those of this very moment. */
  #refresh(): Promise<void> | undefined {
    return this.#parts.planes.refresh()
  }

  list(): PauseStatus[] {
    return [...this.#active.values()].map((pause) => this.#status(pause))
  }

  /**
   * Holds borrowers back at once, or gives a pause that is there another end; answers when nothing
   * is lent any more or the order's patience is over.
   * @throws WeirError `WEIR_NO_SUCH_TARGET`
   */
  async pause(order: PauseOrder): Promise<PauseAnswer> {
    const { clock } = this.#parts
    const pause = this.#begin(order)
    const from = clock.monotonic()
    await this.#refresh()
    while (this.#lent(pause) > 0 && clock.monotonic() - from < order.waitMs) {
      if (this.#active.get(pause.what) !== pause) break
      await this.#moment()
    }
    const waitedMs = clock.monotonic() - from
    const inTheWay = await this.#parts.planes.inTheWay(pause, MOST_NAMED)
    return { ...this.#status(pause), waitedMs, inTheWay }
  }

  /** Ends the pause of that target, or every pause. */
  resume(target: PauseTarget): ResumeAnswer {
    const all = target.node === undefined && target.endpoint === undefined
    const pauses = [...this.#active.values()].filter((p) => all || p.what === nameOf(target))
    const ended = pauses.map((pause) => this.#status(pause))
    for (const pause of pauses) this.#end(pause, 'resumed')
    return { ended }
  }

  /** See `AdminCommands.writer`. */
  writer({ not, timeline }: OtherThan, withinMs: number): Promise<WriterStatus | null> {
    const { store, clock } = this.#parts
    const look = (): WriterStatus | null => {
      const writer = store.current.nodes.find((n) => n.role === 'writer' && n.health === 'up')
      if (writer === undefined) return null
      const newer = timeline !== undefined && (writer.timeline ?? 0) > timeline
      if (writer.spec.name === not && !newer) return null
      return { name: writer.spec.name, timeline: writer.timeline ?? null, at: this.#wall() }
    }
    return new Promise((resolve) => {
      const now = look()
      if (now !== null || withinMs <= 0) {
        resolve(now)
        return
      }
      const done = (answer: WriterStatus | null): void => {
        leave()
        timer.cancel()
        const following = answer === null ? undefined : this.#following
        if (following === undefined) resolve(answer)
        else void following.then(() => resolve(look() ?? answer))
      }
      const leave = store.subscribe(() => {
        const found = look()
        if (found !== null) done(found)
      })
      const timer = clock.after(withinMs, () => done(null))
    })
  }

  /** With fractions: the moments of a switchover lie close together. */
  #wall(): number {
    const { clock } = this.#parts
    return clock.monotonic() + wallOffset(clock, performance.timeOrigin)
  }

  /** The proxy stops: nobody is let through any more, and no timer is left. */
  stop(): void {
    for (const pause of this.#active.values()) pause.end.cancel()
    this.#active.clear()
    this.#sampling?.cancel()
  }

  #begin(order: PauseOrder): Pause {
    this.#mustExist(order)
    const { clock, log } = this.#parts
    const what = nameOf(order)
    const before = this.#active.get(what)
    before?.end.cancel()
    const end = clock.after(order.forMs, () => this.#end(pause, 'the pause ended by itself'))
    const until = this.#wall() + order.forMs
    const pause: Pause = before ?? {
      what,
      node: order.node,
      endpoint: order.endpoint,
      follow: order.follow === true,
      since: this.#wall(),
      until,
      mostWaiting: 0,
      end,
    }
    pause.until = until
    pause.end = end
    this.#active.set(what, pause)
    if (pause.node === undefined) this.#applyToGates()
    else this.#parts.planes.pauseNode(pause.node)
    this.#sample()
    const sentence = `${what} is paused: new transactions wait, for ${order.forMs / 1_000} s at most`
    log.info({ pause: what, forMs: order.forMs }, sentence)
    this.#parts.tell(sentence)
    return pause
  }

  #end(pause: Pause, why: string): void {
    if (this.#active.get(pause.what) !== pause) return
    pause.end.cancel()
    const { waiting } = this.#status(pause)
    this.#active.delete(pause.what)
    const held = ((this.#wall() - pause.since) / 1_000).toFixed(2)
    const sentence = `${pause.what} goes on after ${held} s: ${why}; ${waiting} sessions waited`
    if (why === 'resumed') this.#parts.log.info({ pause: pause.what }, sentence)
    else this.#parts.log.warn({ pause: pause.what }, sentence)
    this.#parts.tell(sentence)
    if (pause.node === undefined) this.#applyToGates()
    else this.#parts.planes.resumeNode(pause.node)
  }

  /** A gate may be closed for two reasons: each is worked out afresh, so that one end opens only its own. */
  #applyToGates(): void {
    const active = [...this.#active.values()].filter((p) => p.node === undefined)
    const closed = this.#parts
      .endpoints()
      .filter((name) => active.some((p) => (p.endpoint ?? name) === name))
    this.#parts.planes.closeGates(closed)
  }

  #sample(): void {
    if (this.#sampling !== undefined) return
    const look = (): void => {
      this.#sampling = undefined
      for (const pause of this.#active.values()) this.#waiting(pause)
      void this.#refresh()
      if (this.#active.size > 0) this.#sampling = this.#parts.clock.after(SAMPLE_MS, look)
    }
    look()
  }

  #status(pause: Pause): PauseStatus {
    const { what, node, endpoint, since, until } = pause
    const waiting = this.#waiting(pause)
    return {
      what,
      node: node ?? null,
      endpoint: endpoint ?? null,
      since,
      until,
      lent: this.#lent(pause),
      waiting,
      mostWaiting: pause.mostWaiting,
    }
  }

  #waiting(pause: Pause): number {
    const waiting = this.#parts.planes.waiting(pause.endpoint)
    pause.mostWaiting = Math.max(pause.mostWaiting, waiting)
    return waiting
  }

  #lent(pause: Pause): number {
    return this.#parts.planes.lent(pause)
  }

  #mustExist({ node, endpoint }: PauseTarget): void {
    const { store, endpoints } = this.#parts
    const nodes = store.current.nodes.map((n) => n.spec.name)
    const names = endpoints()
    if (node !== undefined && !nodes.includes(node)) {
      throw noSuch(`there is no node ${node}; there are ${nodes.join(', ')}`)
    }
    if (endpoint !== undefined && !names.includes(endpoint)) {
      throw noSuch(`there is no endpoint ${endpoint}; there are ${names.join(', ')}`)
    }
  }
}

function writerOf({ nodes }: Topology): string | undefined {
  return nodes.find((n) => n.role === 'writer' && isServing(n))?.spec.name
}

function nameOf({ node, endpoint }: PauseTarget): string {
  if (node !== undefined) return `node ${node}`
  return endpoint === undefined ? 'everything' : `endpoint ${endpoint}`
}

function noSuch(message: string): WeirError {
  return new WeirError('WEIR_NO_SUCH_TARGET', message)
}
