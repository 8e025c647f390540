/**
 * Openings in flight of one pool, and the pause between failed ones. Rule: an opening ends exactly
 * once, as opened or failed; a login that answers after its time was up is closed unseen. Nothing
 * but retiring the pool cancels one: a borrower that leaves has paid for the next.
 */
import type { Clock, Timer } from '../core/clock.ts'
import { WeirError } from '../core/errors.ts'
import { Deadline, type TimerWheel } from '../core/timer-wheel.ts'
import type { Member } from './member.ts'

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 1_000

interface Opening {
  readonly epoch: number
  readonly startedAt: number
  readonly control: AbortController
  readonly deadline: Deadline
}

export interface OpeningsOptions<M> {
  open: (signal: AbortSignal) => Promise<M>
  clock: Clock
  wheel: TimerWheel
  /** Both run after the opening has left the count. */
  opened: (member: M, epoch: number, tookMs: number) => void
  failed: (error: Error, tookMs: number) => void
}

export class Openings<M extends Member> {
  #options: OpeningsOptions<M>
  #inFlight = new Set<Opening>()
  #pauseMs = 0
  #notBefore = -Infinity
  #retry: Timer | undefined

  constructor(options: OpeningsOptions<M>) {
    this.#options = options
  }

  get size(): number {
    return this.#inFlight.size
  }

  /** True while the pause after a failure lasts. */
  get resting(): boolean {
    return this.#pauseMs > 0 && this.#options.clock.monotonic() < this.#notBefore
  }

  /** @param epoch handed back on arrival, so the pool can tell an outdated login. */
  start(epoch: number, timeoutMs: number): void {
    const { open, clock, wheel } = this.#options
    const opening: Opening = {
      epoch,
      startedAt: clock.monotonic(),
      control: new AbortController(),
      deadline: new Deadline(() => {
        const error = new WeirError('WEIR_OPEN_TIMEOUT', `no login within ${timeoutMs} ms`)
        this.#fail(opening, error)
        opening.control.abort(error)
      }),
    }
    this.#inFlight.add(opening)
    wheel.arm(opening.deadline, timeoutMs)
    // The wrapper turns a synchronous throw into a rejection.
    const attempt = async (): Promise<M> => open(opening.control.signal)
    attempt().then(
      (member) => this.#arrive(opening, member),
      (error: unknown) => this.#fail(opening, asError(error)),
    )
  }

  /** Calls `fn` when the pause is over; one call is enough for all who ask. */
  afterRest(fn: () => void): void {
    const { clock } = this.#options
    this.#retry ??= clock.after(this.#notBefore - clock.monotonic(), () => {
      this.#retry = undefined
      fn()
    })
  }

  /** The pool is over: asks every opening to stop. Each counts until it has. */
  abort(why: Error): void {
    this.#retry?.cancel()
    this.#retry = undefined
    for (const opening of this.#inFlight) opening.control.abort(why)
  }

  #arrive(opening: Opening, member: M): void {
    if (!this.#end(opening)) {
      member.close('forced')
      return
    }
    this.#pauseMs = 0
    this.#options.opened(member, opening.epoch, this.#took(opening))
  }

  #fail(opening: Opening, error: Error): void {
    if (!this.#end(opening)) return
    // Openings that fail together count as one failure.
    if (!this.resting) {
      this.#pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, this.#pauseMs * 2))
      this.#notBefore = this.#options.clock.monotonic() + this.#pauseMs
    }
    this.#options.failed(error, this.#took(opening))
  }

  #end(opening: Opening): boolean {
    this.#options.wheel.cancel(opening.deadline)
    return this.#inFlight.delete(opening)
  }

  #took(opening: Opening): number {
    return this.#options.clock.monotonic() - opening.startedAt
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
