/**
 * Who works: starts workers, hears that one has died, replaces it, and lets old ones go. Rule: there
 * is always one for each seat, and a program that dies as soon as it is started is not started again
 * and again without a pause.
 */
import type { AuditEvent } from '../../core/audit.ts'
import type { Clock } from '../../core/clock.ts'
import { messageOf, WeirError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { until } from '../../core/until.ts'
import type { CancelKey } from '../../protocol/contract.ts'
import { MOST_WORKERS } from '../../session/process-numbers.ts'
import type { Hint } from '../../topology/topology.ts'
import type { Crew } from './crew.ts'
import { Hand, type Shell } from './hand.ts'
import type { Begin, Up } from './messages.ts'
import type { Purse } from './purse.ts'

export interface StaffParts {
  readonly clock: Clock
  readonly log: Log
  readonly crew: Crew
  readonly purse: Purse
  readonly startShell: () => Shell
  readonly begin: (seat: number, number: number) => Omit<Begin, 'others'>
  readonly heard: (hint: Hint) => void
  /** A worker was refused with a secret it holds. */
  readonly doubt: () => Promise<void>
  /** A worker has something for the audit log, at `at` (wall-clock ms). */
  readonly audit: (event: AuditEvent, at: number, worker: number) => void
  readonly tell: (sentence: string) => void
  readonly died: () => void
}

/** One that lived longer than this is replaced without a pause (ms). */
const SETTLED_MS = 5_000
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 10_000
/** One that does not serve by then hangs, and nobody would stop waiting for it (ms). */
const STARTING_MS = 120_000
/** More than the grace, for what comes after it (ms). */
const STOPPING_MS = 3_000

export class Staff {
  #parts: StaffParts
  #numbers = new Set<number>()
  #pauseMs = 0
  #stopping = false

  constructor(parts: StaffParts) {
    this.#parts = parts
  }

  /**
   * Starts a worker for that seat; resolves when it serves.
   * @throws WeirError what it said, or that it died
   */
  async hire(seat: number): Promise<Hand> {
    const { clock, crew, purse, startShell, begin } = this.#parts
    const number = this.#number()
    this.#numbers.add(number)
    const shell = startShell()
    const hand = new Hand({ number, seat, shell, clock })
    shell.line.receive = (message) => this.#heard(hand, message)
    shell.ended = (code, signal) => this.#ended(hand, code, signal)
    hand.begin({ ...begin(seat, number), others: crew.othersOf(hand) })
    crew.add(hand)
    purse.join(hand)
    const limit = clock.after(STARTING_MS, () => shell.kill())
    await hand.started.finally(() => limit.cancel())
    return hand
  }

  /** It takes no new clients, and ends when its last one has left. */
  sendAway(hand: Hand, withinMs: number | undefined): void {
    hand.state = 'leaving'
    hand.dismissed = true
    hand.send({ kind: 'leave', withinMs })
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    const { crew } = this.#parts
    for (const hand of crew.hands) {
      hand.dismissed = true
      hand.send({ kind: 'stop', graceMs })
    }
    const gone = until(() => crew.hands.size === 0, graceMs + STOPPING_MS, {
      what: 'workers to end',
    })
    await gone.catch(() => {
      for (const { shell } of crew.hands) shell.kill()
    })
    await until(() => crew.hands.size === 0, STOPPING_MS, { what: 'killed workers to end' }).catch(
      (error: unknown) => this.#parts.log.error({}, messageOf(error)),
    )
  }

  /** One that nobody alive has; a killed one's is not used again while its connections may be there. */
  #number(): number {
    for (let number = 1; number <= MOST_WORKERS; number++) {
      if (!this.#numbers.has(number) && !this.#parts.purse.haunted(number)) return number
    }
    throw new WeirError('WEIR_TOO_MANY_WORKERS', `${MOST_WORKERS} workers are there already`, {
      hint: 'Old ones stay until their last client has left; rollTimeout bounds that.',
    })
  }

  #heard(hand: Hand, message: Up): void {
    const { crew, purse, heard } = this.#parts
    if (hand.heard(message) || crew.heard(hand, message)) return
    if (message.kind === 'hint') heard(message.hint)
    else if (message.kind === 'need') purse.heard(hand, message)
    else if (message.kind === 'audit') this.#parts.audit(message.event, message.at, hand.number)
    else if (message.kind === 'doubt') void this.#doubt(hand)
    else if (message.kind === 'cancel') void this.#cancel(hand, message.id, message.key)
  }

  /** What was found by it is told before this is. */
  async #doubt(from: Hand): Promise<void> {
    await this.#parts.doubt()
    from.send({ kind: 'looked' })
  }

  /** To the worker that the number names, if it is there. */
  async #cancel(from: Hand, id: number, key: CancelKey): Promise<void> {
    const to = [...this.#parts.crew.hands].find((hand) => hand.serves(key.pid))
    await to?.cancel(key)
    from.send({ kind: 'cancelled', id })
  }

  #ended(hand: Hand, code: number | null, signal: string | null): void {
    const { crew, purse, clock, log, tell, died } = this.#parts
    const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`
    const served = hand.state !== 'starting'
    const clients = hand.pulse.clients
    hand.gone(how)
    crew.remove(hand)
    const orderly = hand.dismissed && code === 0
    purse.leave(hand)
    this.#numbers.delete(hand.number)
    if (this.#stopping) return
    if (orderly) {
      log.info({ worker: hand.number }, `worker ${hand.number} has left, as it was told to`)
      return
    }
    died()
    const sentence = `worker ${hand.number} (process ${hand.shell.pid}) ${how}; its ${clients} clients were cut off`
    log.error({ worker: hand.number, clients }, sentence)
    tell(sentence)
    // Whoever started it hears of it; a successor of one that was leaving serves already.
    if (!served || hand.dismissed) return
    const lived = clock.wall() - hand.since
    this.#pauseMs =
      lived > SETTLED_MS
        ? 0
        : Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, this.#pauseMs * 2))
    this.#replace(hand.seat)
  }

  #replace(seat: number): void {
    const { clock, log, tell } = this.#parts
    const again = (): void => {
      if (this.#stopping) return
      this.hire(seat).then(
        (hand) => {
          const sentence = `worker ${hand.number} (process ${hand.shell.pid}) serves in its place`
          log.info({ worker: hand.number }, sentence)
          tell(sentence)
        },
        (error: unknown) => {
          if (this.#stopping) return
          this.#pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, this.#pauseMs * 2))
          log.error({}, `a worker cannot be replaced yet: ${messageOf(error)}`)
          clock.after(this.#pauseMs, again)
        },
      )
    }
    if (this.#pauseMs === 0) again()
    else clock.after(this.#pauseMs, again)
  }
}
