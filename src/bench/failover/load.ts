/**
 * All clients of one round: connected, started on a staggered schedule, asked how they are, ended.
 * Rule: it knows nothing of faults; it is told marks at the end and makes the records.
 */
import { until } from '../../core/until.ts'
import { Gate } from './gate.ts'
import { Journal, type Marks } from './journal.ts'
import {
  type LoadClient,
  readerClient,
  type Surroundings,
  transactionClient,
  writerClient,
} from './load-client.ts'
import type { Plan } from './plan.ts'
import { IdleClient, judgeNotifications, ListenerClient, Notifier } from './quiet-clients.ts'
import type { ClientKind, ClientRecord } from './result.ts'
import { Schedule } from './schedule.ts'
import { SharedKeys } from './shared-keys.ts'
import type { Reached } from './subject.ts'
import { Told } from './told.ts'

/** Connections made at the same time: more would be a test of logins. */
const CONNECT_WIDTH = 16
/** More would be a test of the instrument; clients of an outage connect again all at once. */
const LOGINS_AT_ONCE = 32
/** All are connected in this time (ms); HAProxy needs nine seconds to leave a former writer. */
const CONNECT_WITHIN = 40_000
/** The idle clients ask once, spread over so long (ms). */
const IDLE_SPREAD = 300
const NOTIFY_PERIOD = 100
/** Multiples of it, modulo one, lie evenly and mix the kinds: no kind is always due first. */
const GOLDEN = 0.618_033_988_75

export class Load {
  readonly tolds: Told[] = []
  readonly #plan: Plan
  readonly #around: Surroundings
  readonly #busy: LoadClient[] = []
  readonly #idle: IdleClient[] = []
  readonly #listeners: ListenerClient[] = []
  readonly #notifier: Notifier
  readonly #notifierJournal: Journal
  #schedules: Schedule[] = []

  constructor(plan: Plan, reached: Reached, now: () => number) {
    this.#plan = plan
    this.#around = {
      reached,
      now,
      holdMs: plan.holdMs,
      gate: new Gate(LOGINS_AT_ONCE),
      options: {
        applicationName: 'weir-failover',
        connectTimeoutMs: plan.connectTimeoutMs,
        queryTimeoutMs: plan.clientTimeoutMs,
        keys: new SharedKeys(),
      },
    }
    let id = 0
    const period = 1000 / plan.rate
    const journals = (kind: ClientKind, every = period): Journal[] =>
      Array.from({ length: plan.clients[kind] }, () => new Journal(++id, kind, every))
    const told = (journal: Journal, parts: number): Told => {
      const one = new Told(journal.id, parts)
      this.tolds.push(one)
      return one
    }
    const around = this.#around
    for (const j of journals('writer')) this.#busy.push(writerClient(j, told(j, 1), around))
    for (const j of journals('reader')) this.#busy.push(readerClient(j, around))
    for (const j of journals('transaction')) {
      this.#busy.push(transactionClient(j, told(j, 2), around))
    }
    for (const j of journals('listener', NOTIFY_PERIOD)) {
      this.#listeners.push(new ListenerClient(j, around, plan.retryMs))
    }
    for (const j of journals('idle')) this.#idle.push(new IdleClient(j, around))
    this.#notifierJournal = new Journal(0, 'listener', NOTIFY_PERIOD)
    this.#notifier = new Notifier(this.#notifierJournal, around, this.#listeners)
  }

  /** Clients of the schedule. */
  get clients(): number {
    return this.#busy.length
  }

  /** Of these, whose last request was answered well. */
  get answering(): number {
    return this.#busy.reduce((count, { journal }) => count + (journal.well ? 1 : 0), 0)
  }

  /**
   * A subject may still be recovering from the round of another, so each client tries for a while;
   * throws when one of them never connects: it would measure nothing.
   */
  async connect(): Promise<void> {
    const all: Connecting[] = this.#all()
    if (this.#listeners.length > 0) all.push(this.#notifier)
    const waiting = all.values()
    const end = performance.now() + CONNECT_WITHIN
    const lane = async (): Promise<void> => {
      for (const client of waiting) {
        await until(() => client.connect().then(() => true), end - performance.now(), {
          everyMs: 100,
          what: `${client.journal.kind} ${client.journal.id} to connect`,
        })
      }
    }
    await Promise.all(Array.from({ length: CONNECT_WIDTH }, lane))
  }

  /** What is measured begins now. */
  clear(): void {
    for (const { journal } of this.#all()) journal.clear()
  }

  /** Starts the schedules, their first due times spread evenly over one period. */
  start(): void {
    const { now } = this.#around
    const { retryMs } = this.#plan
    const begin = now() + 20
    this.#schedules = this.#busy.map((client, i) => {
      const first = begin + client.journal.period * ((i * GOLDEN) % 1)
      return new Schedule(client.journal, { now, first, retryMs }, () => client.attempt())
    })
    if (this.#listeners.length > 0) {
      const attempt = () => this.#notifier.attempt()
      const options = { now, first: begin, retryMs }
      this.#schedules.push(new Schedule(this.#notifierJournal, options, attempt))
    }
    for (const schedule of this.#schedules) schedule.start()
  }

  /** True when every client was answered well that asked at `since` or later. */
  recovered(since: number): boolean {
    return this.#busy.every(({ journal }) => journal.wellSince(since))
  }

  /** Each idle client asks once over the connection it has. */
  async askIdle(): Promise<void> {
    const step = IDLE_SPREAD / Math.max(1, this.#idle.length)
    await Promise.all(
      this.#idle.map(async (client, i) => {
        await new Promise((resolve) => setTimeout(resolve, i * step))
        await client.ask()
      }),
    )
  }

  /** Nothing new is asked; resolves when all that was asked has ended. */
  async stop(): Promise<void> {
    await Promise.all(this.#schedules.map((schedule) => schedule.stop()))
  }

  async end(): Promise<void> {
    const all = [...this.#all(), this.#notifier]
    await Promise.all(all.map((client) => client.end()))
  }

  records(marks: Marks): ClientRecord[] {
    const records = this.#all().map(({ journal }) => journal.record(marks))
    return records.sort((a, b) => a.id - b.id)
  }

  notifications(): { notificationsLost: number; notificationsTwice: number } {
    return judgeNotifications(this.#notifier.acknowledged, this.#listeners)
  }

  #all(): Connecting[] {
    return [...this.#busy, ...this.#listeners, ...this.#idle]
  }
}

interface Connecting {
  readonly journal: Journal
  connect(): Promise<void>
  end(): Promise<void>
}
