/**
 * One worker as the control plane sees it: its process, what it last said of itself, and the
 * questions it has not answered yet. Rule: a question never fails; a worker that is gone or too busy
 * to answer is what it was when last heard of.
 */
import type { WorkerStatus } from '../../admin/snapshot.ts'
import type { Clock } from '../../core/clock.ts'
import { WeirError } from '../../core/errors.ts'
import type { Address } from '../../net/network.ts'
import type { CancelKey } from '../../protocol/contract.ts'
import { readProcessNumber, workerOf } from '../../session/process-numbers.ts'
import type { Answers, Begin, Channel, Down, Pulse, Question, Up, Whole } from './messages.ts'

/** A worker's process, however it was started. */
export interface Shell {
  readonly pid: number
  readonly line: Channel<Down, Up>
  /** Called once; `code` is 0 when it ended as it was told to. */
  ended: (code: number | null, signal: string | null) => void
  kill(): void
}

export type Doors = readonly { readonly name: string; readonly addresses: readonly Address[] }[]

/** A worker that does not answer within this is busy; what it last said stands. */
const PATIENCE_MS = 1_000

export class Hand {
  readonly number: number
  /** Which share of the whole it has. */
  readonly seat: number
  readonly shell: Shell
  readonly since: number
  state: WorkerStatus['state'] = 'starting'
  /** Where its doors are open. */
  doors: Doors = []
  whole: Whole | undefined
  pulse: Pulse = { clients: 0, lastAnswers: {} }
  /** Connections that listen for many clients: how many there have been, and are. */
  listeners = { ever: 0, now: 0 }
  /** Process ids of its server connections, by node. */
  readonly backends = new Map<string, Set<number>>()
  /** It was told to end. */
  dismissed = false
  readonly started: Promise<void>
  #clock: Clock
  #asked = new Map<number, (value: unknown) => void>()
  #cancels = new Map<number, () => void>()
  #last = 0
  #ready: () => void = () => {}
  #failed: (error: Error) => void = () => {}

  constructor(parts: { number: number; seat: number; shell: Shell; clock: Clock }) {
    this.number = parts.number
    this.seat = parts.seat
    this.shell = parts.shell
    this.#clock = parts.clock
    this.since = parts.clock.wall()
    this.started = new Promise((resolve, reject) => {
      this.#ready = resolve
      this.#failed = reject
    })
    // Whoever starts it waits for this; of one that is replaced nobody does.
    this.started.catch(() => {})
  }

  get status(): WorkerStatus {
    const { number, since, state } = this
    const { cpuSeconds = 0, memoryBytes = 0 } = this.whole?.usage ?? {}
    const { clients } = this.pulse
    return { number, pid: this.shell.pid, since, state, clients, cpuSeconds, memoryBytes }
  }

  /** Whether a client with that process number is one of its. */
  serves(pid: number): boolean {
    const number = readProcessNumber(pid)
    return number !== undefined && workerOf(number.session) === this.number
  }

  begin(begin: Begin): void {
    this.send(begin)
  }

  send(message: Down): void {
    this.shell.line.send(message)
  }

  /** True when the message was one that concerns this worker alone. */
  heard(message: Up): boolean {
    switch (message.kind) {
      case 'hello':
        return true
      case 'ready':
        this.doors = message.endpoints
        if (this.state === 'starting') this.state = 'serving'
        this.#ready()
        return true
      case 'failed': {
        const { code, message: text, hint } = message
        this.#failed(new WeirError(code, text, hint === undefined ? {} : { hint }))
        return true
      }
      case 'answer':
        this.#asked.get(message.id)?.(message.value)
        return true
      case 'cancelled':
        this.#cancels.get(message.id)?.()
        return true
      case 'backends': {
        const known = this.backends.get(message.node) ?? new Set()
        this.backends.set(message.node, known)
        for (const pid of message.opened) known.add(pid)
        for (const pid of message.ended) known.delete(pid)
        return true
      }
      default:
        return false
    }
  }

  /** Undefined when it is gone or does not answer in time. */
  ask<W extends keyof Answers>(
    question: Question & { readonly what: W },
  ): Promise<Answers[W] | undefined> {
    const id = ++this.#last
    return new Promise((resolve) => {
      const timer = this.#clock.after(PATIENCE_MS, () => done(undefined))
      const done = (value: unknown): void => {
        timer.cancel()
        this.#asked.delete(id)
        resolve(value as Answers[W] | undefined)
      }
      this.#asked.set(id, done)
      this.send({ kind: 'ask', id, question })
    })
  }

  /** Resolves when the request has had its effect or will have none. */
  cancel(key: CancelKey): Promise<void> {
    const id = ++this.#last
    return new Promise((resolve) => {
      this.#cancels.set(id, () => {
        this.#cancels.delete(id)
        resolve()
      })
      this.send({ kind: 'cancel', id, key })
    })
  }

  /** Its process has ended: nobody waits for it any more. */
  gone(why: string): void {
    for (const done of [...this.#asked.values()]) done(undefined)
    for (const done of [...this.#cancels.values()]) done()
    this.#failed(new WeirError('WEIR_WORKER_FAILED', `worker ${this.number} ${why}`))
  }
}
