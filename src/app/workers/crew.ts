/**
 * The seam where the data planes are worker processes: orders go to all of them, figures are added
 * up. Rule: a worker that comes later is told everything that the others know, so each order is kept
 * for as long as it holds.
 */
import type { InTheWay, PauseTarget } from '../../admin/orders.ts'
import type { ClientStatus, WorkerStatus } from '../../admin/snapshot.ts'
import type { MetricsSnapshot } from '../../metrics/snapshot.ts'
import type { PausedFor } from '../../pool/pools.ts'
import type { ObservedTopology } from '../../topology/observed.ts'
import type { GrantEvents, PlaneReport, Planes } from '../planes.ts'
import type { Hand } from './hand.ts'
import type { MachineTime } from './machine-time.ts'
import { mergeCounted, mergeReports, outlasting, sums } from './merge.ts'
import type { Down, Figures, Others, Pulse, Up } from './messages.ts'

export interface CrewParts {
  readonly time: MachineTime
  /** What the control plane itself has counted. */
  readonly own: () => MetricsSnapshot
  /** What each node gives to all workers together. */
  readonly budgets: () => Readonly<Record<string, number>>
  /** Everybody has acted on the topology with that epoch (monotonic). */
  readonly acted: (at: number) => void
}

export class Crew implements Planes {
  readonly hands = new Set<Hand>()
  #parts: CrewParts
  #figures = new Map<Hand, Figures>()
  #paused = new Map<string, PausedFor>()
  #closedGates: readonly string[] = []
  #watch: { readonly node: string; readonly events: GrantEvents } | undefined
  /** Counted by workers that are gone. */
  #past: MetricsSnapshot | undefined
  #listenersPast = 0
  #epoch = 0
  #unacted = new Set<Hand>()

  constructor(parts: CrewParts) {
    this.#parts = parts
  }

  /** What a new worker is told of all that holds. */
  get orders(): {
    paused: (readonly [string, PausedFor])[]
    closedGates: readonly string[]
    watched: string | undefined
  } {
    return {
      paused: [...this.#paused],
      closedGates: this.#closedGates,
      watched: this.#watch?.node,
    }
  }

  add(hand: Hand): void {
    this.hands.add(hand)
  }

  remove(hand: Hand): void {
    this.hands.delete(hand)
    // It must never go down, or a mark that nobody has read would pass for read.
    this.#listenersPast += hand.listeners.ever
    this.#tellOthers(hand)
    this.#figures.delete(hand)
    this.#hasActed(hand, undefined)
    if (hand.whole === undefined) return
    const past = outlasting(hand.whole.counted)
    this.#past = this.#past === undefined ? past : mergeCounted([this.#past, past])
  }

  /** To every worker. */
  tell(message: Down): void {
    for (const hand of this.hands) hand.send(message)
  }

  topology(now: ObservedTopology, sentences: readonly string[]): void {
    if (now.epoch !== this.#epoch) this.#unacted = new Set(this.hands)
    this.#epoch = now.epoch
    // The trail is the reducer's own memory.
    this.tell({ kind: 'topology', now: { ...now, trail: [] }, sentences })
  }

  /** What everybody else has. */
  othersOf(hand: Hand): Others {
    let clients = 0
    let listeners = 0
    let listenersEver = this.#listenersPast
    for (const other of this.hands) {
      if (other === hand) continue
      clients += other.pulse.clients
      listeners += other.listeners.now
      listenersEver += other.listeners.ever
    }
    return { clients, listeners, listenersEver }
  }

  #felt(hand: Hand, pulse: Pulse): void {
    const moved = pulse.clients !== hand.pulse.clients
    hand.pulse = pulse
    if (moved) this.#tellOthers(hand)
  }

  #tellOthers(hand: Hand): void {
    for (const other of this.hands) {
      if (other !== hand) other.send({ kind: 'others', others: this.othersOf(other) })
    }
  }

  /** True when the message was for the crew. */
  heard(hand: Hand, message: Up): boolean {
    const { time } = this.#parts
    switch (message.kind) {
      case 'pulse':
        this.#felt(hand, message.pulse)
        return true
      case 'listeners':
        hand.listeners = { ever: message.ever, now: message.now }
        this.#tellOthers(hand)
        return true
      case 'acted':
        if (message.epoch === this.#epoch) this.#hasActed(hand, time.fromMachine(message.at))
        return true
      case 'borrowed':
      case 'replied':
        if (this.#watch?.node === message.node) {
          this.#watch.events[message.kind](time.fromMachine(message.at))
        }
        return true
      default:
        return false
    }
  }

  #hasActed(hand: Hand, at: number | undefined): void {
    if (!this.#unacted.delete(hand) || this.#unacted.size > 0) return
    if (at !== undefined) this.#parts.acted(at)
  }

  async refresh(): Promise<void> {
    await Promise.all([...this.hands].map((hand) => this.#ask(hand)))
  }

  async #ask(hand: Hand): Promise<void> {
    if (hand.state === 'starting') return
    const figures = await hand.ask({ what: 'figures' })
    if (figures === undefined || !this.hands.has(hand)) return
    this.#figures.set(hand, figures)
    this.#felt(hand, figures)
  }

  async refreshWhole(): Promise<void> {
    await Promise.all(
      [...this.hands].map(async (hand) => {
        if (hand.state === 'starting') return
        const whole = await hand.ask({ what: 'whole' })
        if (whole === undefined || !this.hands.has(hand)) return
        hand.whole = whole
        this.#felt(hand, whole.figures)
        this.#figures.set(hand, whole.figures)
      }),
    )
  }

  lent({ node, endpoint }: PauseTarget): number {
    if (node !== undefined) return this.#sum((f) => f.lentByNode[node] ?? 0)
    return this.#sum(({ lentByEndpoint }) => partOf(lentByEndpoint, endpoint))
  }

  waiting(endpoint: string | undefined): number {
    return this.#sum(({ gates }) => partOf(gates, endpoint))
  }

  waitingSessions(): number {
    return this.#sum((f) => f.waitingSessions)
  }

  listening(): boolean {
    return [...this.#figures.values()].every((f) => f.listening)
  }

  outcomes(): Record<string, number> {
    const past = Object.values(this.#past?.endpoints ?? {}).map((c) => c.outcomes)
    return sums([...past, ...[...this.#figures.values()].map((f) => f.outcomes)])
  }

  lastAnswerOf(node: string): number {
    let last = 0
    for (const { pulse } of this.hands) last = Math.max(last, pulse.lastAnswers[node] ?? 0)
    return last === 0 ? 0 : this.#parts.time.fromMachine(last)
  }

  report(): PlaneReport {
    const reports = [...this.hands].flatMap(({ whole }) => (whole ? [whole.report] : []))
    return { ...mergeReports(reports), budgets: this.#parts.budgets() }
  }

  counted(): MetricsSnapshot {
    const workers = [...this.hands].flatMap(({ whole }) => (whole ? [whole.counted] : []))
    const past = this.#past === undefined ? [] : [this.#past]
    return mergeCounted([this.#parts.own(), ...past, ...workers])
  }

  workers(): WorkerStatus[] {
    return [...this.hands].map((hand) => hand.status).sort((a, b) => a.number - b.number)
  }

  async inTheWay(target: PauseTarget, most: number): Promise<InTheWay[]> {
    const { node, endpoint } = target
    const question = { what: 'in-the-way', target: { node, endpoint }, most } as const
    const lists = await Promise.all([...this.hands].map((hand) => hand.ask(question)))
    return lists.flatMap((list) => list ?? []).slice(0, most)
  }

  async clients(): Promise<ClientStatus[]> {
    const lists = await Promise.all([...this.hands].map((hand) => hand.ask({ what: 'clients' })))
    return lists.flatMap((list) => list ?? [])
  }

  pauseNode(node: string, whom: PausedFor = 'all'): void {
    this.#paused.set(node, whom)
    this.tell({ kind: 'pause', node, whom })
  }

  resumeNode(node: string): void {
    this.#paused.delete(node)
    this.tell({ kind: 'resume', node })
  }

  closeGates(endpoints: readonly string[]): void {
    this.#closedGates = endpoints
    this.tell({ kind: 'gates', closed: endpoints })
  }

  watchGrants(node: string, events: GrantEvents): void {
    this.#watch = { node, events }
    this.tell({ kind: 'watch', node })
  }

  unwatchGrants(): void {
    if (this.#watch === undefined) return
    this.#watch = undefined
    this.tell({ kind: 'unwatch' })
  }

  #sum(of: (figures: Figures) => number): number {
    let sum = 0
    for (const figures of this.#figures.values()) sum += of(figures)
    return sum
  }
}

function partOf(table: Readonly<Record<string, number>>, name: string | undefined): number {
  if (name !== undefined) return table[name] ?? 0
  return Object.values(table).reduce((sum, n) => sum + n, 0)
}
