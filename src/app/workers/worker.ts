/**
 * A data plane in a process of its own, as the control plane's messages move it. Rule: it decides
 * nothing about nodes; its topology is the one it was last told, its budgets are what the broker
 * allows, and without a control plane it ends.
 */

import type { Settings } from '../../config/settings.ts'
import { type Clock, systemClock } from '../../core/clock.ts'
import { messageOf, WeirError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { Metrics } from '../../metrics/metrics.ts'
import { Network } from '../../net/network.ts'
import type { CancelKey } from '../../protocol/contract.ts'
import type { CancelOutcome } from '../../session/audit-notes.ts'
import {
  NO_INSTANCE,
  readProcessNumber,
  sessionIdsOf,
  workerOf,
} from '../../session/process-numbers.ts'
import { Sessions } from '../../session/sessions.ts'
import { TopologyStore } from '../../topology/store.ts'
import { DataPlane, tooManyClients } from '../plane.ts'
import {
  clientList,
  lentToSessions,
  planeReport,
  sessionsInTheWay,
  usageNow,
  waitingSessions,
} from '../plane-figures.ts'
import type { ListenersElsewhere } from '../protocol.ts'
import { countsNow } from '../tally.ts'
import { Allowances } from './allowances.ts'
import { Departure } from './departure.ts'
import { machineTime } from './machine-time.ts'
import type {
  Begin,
  Channel,
  Down,
  Figures,
  Others,
  Pulse,
  Question,
  Up,
  Whole,
} from './messages.ts'
import { WorkerAudit } from './worker-audit.ts'

export interface WorkerParts {
  readonly log: (settings: Settings, number: number) => Log
  readonly line: Channel<Up, Down>
  /** Ends the process. */
  readonly exit: (code: number) => void
}

/** How often the control plane is told how many clients there are (ms). */
const PULSE_MS = 50
/** From this part of the bound on it is told of each new one. */
const NEARLY_FULL = 0.8

/** Waits for `begin`, and from then on does as it is told. */
export function runWorker(parts: WorkerParts): void {
  const { line, exit } = parts
  line.receive = (message) => {
    if (message.kind !== 'begin') return
    const log = parts.log(message.settings, message.number)
    const worker = new Worker(parts, message, log)
    line.receive = (next) => worker.heard(next)
    worker.start().catch((error: unknown) => {
      const known = error instanceof WeirError ? error : undefined
      log.error({}, `worker ${message.number} cannot start: ${messageOf(error)}`)
      line.send({
        kind: 'failed',
        code: known?.code ?? 'WEIR_WORKER_FAILED',
        message: messageOf(error),
        hint: known?.hint,
      })
      void worker.stop(0).finally(() => exit(1))
    })
  }
  line.send({ kind: 'hello' })
}

class Worker {
  #parts: WorkerParts
  #begin: Begin
  #plane: DataPlane
  #store: TopologyStore
  #metrics = new Metrics()
  #audit: WorkerAudit
  #sessions: Sessions
  #allowances: Allowances
  #departure: Departure
  #network = new Network()
  #clock = clockOf(this.#network)
  #time = machineTime(this.#clock)
  #others: Others
  /** The gates themselves are there only when the plane is made ready. */
  #closedGates: readonly string[]
  #pulse: NodeJS.Timeout | undefined
  #soon: NodeJS.Immediate | undefined
  #told = ''
  #cancels = new Map<number, () => void>()
  #lastCancel = 0
  /** Those who wait until the sources of secrets were looked at. */
  #doubting: (() => void)[] = []

  constructor(parts: WorkerParts, begin: Begin, log: Log) {
    const { line } = parts
    const { settings, number } = begin
    const clock = this.#clock
    this.#parts = parts
    this.#begin = begin
    this.#others = begin.others
    this.#closedGates = begin.closedGates
    this.#audit = new WorkerAudit(settings.audit, begin.auditClosed, clock, (event, at) =>
      line.send({ kind: 'audit', event, at }),
    )
    this.#store = new TopologyStore(log)
    this.#sessions = new Sessions(settings.instance.id, sessionIdsOf(number))
    this.#allowances = new Allowances({ clock, tell: (need) => line.send(need) })
    this.#plane = new DataPlane({
      ...{ settings, clock, log, network: this.#network },
      ...{ sessions: this.#sessions, metrics: this.#metrics, store: this.#store },
      pepper: Buffer.from(begin.pepper),
      hint: (hint) => line.send({ kind: 'hint', hint }),
      budget: (node) => this.#allowances.budget(node),
      listeners: this.#listeners(),
      doubt: () => this.#doubt(),
      audit: this.#audit,
      full: () => this.#full(),
      cancelElsewhere: (key) => this.#cancelElsewhere(key),
      onServer: {
        opened: (node, backend) =>
          line.send({ kind: 'backends', node, opened: [backend], ended: [] }),
        ended: (server, backend) => {
          const { node } = server
          this.#allowances.closing(server)
          if (backend !== undefined) {
            line.send({ kind: 'backends', node, opened: [], ended: [backend] })
          }
        },
      },
    })
    this.#store.subscribe(({ epoch }) => {
      line.send({ kind: 'acted', epoch, at: this.#time.toMachine(clock.monotonic()) })
    })
    this.#departure = new Departure({
      clock,
      log,
      sessions: this.#sessions,
      over: () => void this.stop(0).finally(() => parts.exit(0)),
    })
  }

  async start(): Promise<void> {
    const { topology, paused, watched } = this.#begin
    for (const [node, whom] of paused) this.#plane.pauseNode(node, whom)
    if (watched !== undefined) this.#watch(watched)
    await this.#plane.takeSecrets(this.#begin.secrets)
    await this.#plane.prepare()
    this.#plane.closeGates(this.#closedGates)
    // What was told while the plane was made ready is newer.
    if (topology.epoch > this.#store.current.epoch) this.#store.put(topology, [])
    await this.#plane.open()
    this.#beat()
    this.#parts.line.send({
      kind: 'ready',
      endpoints: this.#plane.places.map(({ settings, door }) => ({
        name: settings.name,
        addresses: door.addresses,
      })),
    })
  }

  async stop(graceMs: number): Promise<void> {
    clearTimeout(this.#pulse)
    clearImmediate(this.#soon)
    this.#departure.stop()
    await this.#plane.stop(graceMs)
    this.#allowances.stop()
  }

  heard(message: Down): void {
    const { line } = this.#parts
    switch (message.kind) {
      case 'begin':
        throw new Error('BUG: a worker was begun twice')
      case 'topology':
        this.#store.put(message.now, message.sentences)
        return
      case 'allowance':
        this.#allowances.allow(message)
        return
      case 'yield':
        this.#allowances.yield(message.node, message.order, message.most)
        return
      case 'denied':
        this.#allowances.denied(message.node)
        return
      case 'pause':
        this.#plane.pauseNode(message.node, message.whom)
        return
      case 'resume':
        this.#plane.resumeNode(message.node)
        return
      case 'gates':
        this.#closedGates = message.closed
        this.#plane.closeGates(message.closed)
        return
      case 'watch':
        this.#watch(message.node)
        return
      case 'unwatch':
        this.#plane.firstAnswers.unwatch()
        return
      case 'others':
        this.#others = message.others
        return
      case 'ask':
        line.send({ kind: 'answer', id: message.id, value: this.#answer(message.question) })
        return
      case 'cancel':
        void this.#cancelHere(message.id, message.key)
        return
      case 'cancelled':
        this.#cancels.get(message.id)?.()
        return
      case 'secrets':
        this.#plane.takeSecrets(message.entries).catch(() => {})
        return
      case 'looked': {
        const done = this.#doubting.shift()
        // What was told before is taken over by then.
        void this.#plane.takenSecrets().then(done)
        return
      }
      case 'audit-closed':
        this.#audit.shut = message.closed
        return
      case 'leave':
        void this.#plane.close()
        this.#departure.begin(message.withinMs)
        return
      case 'stop':
        void this.stop(message.graceMs).finally(() => this.#parts.exit(0))
        return
      default:
        message satisfies never
    }
  }

  #watch(node: string): void {
    const { line } = this.#parts
    this.#plane.firstAnswers.watch(node, {
      borrowed: (at) => line.send({ kind: 'borrowed', node, at: this.#time.toMachine(at) }),
      replied: (at) => line.send({ kind: 'replied', node, at: this.#time.toMachine(at) }),
    })
  }

  #listeners(): ListenersElsewhere {
    const others = (): Others => this.#others
    const { line } = this.#parts
    return {
      get epoch() {
        return others().listenersEver
      },
      get listeners() {
        return others().listeners
      },
      changed: (ever, now) => line.send({ kind: 'listeners', ever, now }),
    }
  }

  #doubt(): Promise<void> {
    this.#parts.line.send({ kind: 'doubt' })
    return new Promise((resolve) => this.#doubting.push(resolve))
  }

  #full(): WeirError | undefined {
    const here = this.#sessions.size + this.#others.clients
    const most = this.#sessions.room > 0 ? this.#begin.maxClients : here
    // Whoever begins now is told to the others at once, or they would let too many in.
    if (here >= most * NEARLY_FULL - 1) this.#soon ??= setImmediate(() => this.#beat())
    return here < most ? undefined : tooManyClients(here, most)
  }

  /** A request for a session of another worker goes there by way of the control plane. */
  #cancelElsewhere(key: CancelKey): Promise<void> | undefined {
    const number = readProcessNumber(key.pid)
    const { instance } = this.#begin.settings
    if (number === undefined || number.instance !== (instance.id ?? NO_INSTANCE)) return undefined
    if (workerOf(number.session) === this.#begin.number) return undefined
    const id = ++this.#lastCancel
    this.#parts.line.send({ kind: 'cancel', id, key })
    return new Promise((resolve) => {
      this.#cancels.set(id, () => {
        this.#cancels.delete(id)
        resolve()
      })
    })
  }

  async #cancelHere(id: number, { pid, secret }: CancelKey): Promise<void> {
    // A structured clone makes a plain Uint8Array of it.
    const tell = (outcome: CancelOutcome) => this.#audit.tell({ kind: 'cancel', outcome, pid })
    await this.#plane.cancel({ pid, secret: Buffer.from(secret) }, tell)
    this.#parts.line.send({ kind: 'cancelled', id })
  }

  #answer(question: Question): unknown {
    switch (question.what) {
      case 'figures':
        return this.#figures()
      case 'whole':
        return this.#whole()
      case 'clients':
        return clientList(this.#sessions)
      case 'in-the-way':
        return sessionsInTheWay(this.#sessions, question.target, question.most)
      default:
        return question satisfies never
    }
  }

  #whole(): Whole {
    const counted = countsNow(this.#metrics, this.#sessions, this.#plane.servers.live)
    return {
      figures: this.#figures(),
      report: planeReport(this.#plane),
      counted,
      usage: usageNow(),
    }
  }

  #figures(): Figures {
    const { supply, places, nodes } = this.#plane
    const endpoints = places.map(({ settings }) => settings.name)
    return {
      ...this.#pulseNow(),
      lentByNode: table(nodes, (node) => supply.lent(node)),
      lentByEndpoint: table(endpoints, (name) =>
        lentToSessions(this.#sessions, { endpoint: name }),
      ),
      gates: table(endpoints, (name) => this.#plane.waiting(name)),
      waitingSessions: waitingSessions(this.#sessions),
      listening: this.#plane.listening,
      outcomes: this.#metrics.outcomes(),
    }
  }

  #pulseNow(): Pulse {
    const answered = this.#plane.nodes.flatMap((node) => {
      const { lastAt } = this.#metrics.node(node).response
      return lastAt === 0 ? [] : [[node, this.#time.toMachine(lastAt)] as const]
    })
    return { clients: this.#sessions.size, lastAnswers: Object.fromEntries(answered) }
  }

  #beat(): void {
    clearTimeout(this.#pulse)
    clearImmediate(this.#soon)
    this.#soon = undefined
    const pulse = this.#pulseNow()
    const text = JSON.stringify(pulse)
    if (text !== this.#told) this.#parts.line.send({ kind: 'pulse', pulse })
    this.#told = text
    this.#pulse = setTimeout(() => this.#beat(), PULSE_MS)
    this.#pulse.unref()
  }
}

function clockOf({ turn }: Network): Clock {
  return { ...systemClock, monotonic: () => turn.now() }
}

function table(names: readonly string[], of: (name: string) => number): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, of(name)]))
}
