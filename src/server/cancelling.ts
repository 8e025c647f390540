/**
 * The cancel requests of one server connection: one on its way at a time and at most one more waiting
 * behind it, however many were asked for. Rule: while one is on its way the connection is lent to
 * nobody, and when nobody knows what became of it, never again.
 *
 * Why waiting for the end of the request's own connection is enough. The process that takes a
 * CancelRequest calls kill(backend, SIGINT) and then exits (SendCancelRequest in procsignal.c, before
 * PostgreSQL 18 processCancelRequest in postmaster.c), so its connection ends after kill() has
 * returned. From then on the signal is pending at the backend, and
 * Linux delivers it before the backend runs another instruction of its own after a system call. What
 * we send next it can only get by such a call, so its handler has set QueryCancelPending before the
 * backend has seen a byte of the next statement. There postgres.c is waiting for a command
 * (DoingCommandRead), and ProcessInterrupts() then clears the flag without an error; PostgresMain()
 * calls it once more between reading a command and starting it. So a cancel that comes too late for
 * its statement is forgotten, provided that nothing is sent before its connection has ended.
 *
 * A query of our own must not be hit either: settings go ahead of a statement that relies on them.
 * A request that would hit one waits for its answer.
 */
import type { CancelTarget } from '../protocol/contract.ts'

class Round {
  target: () => CancelTarget
  readonly done: Promise<void>
  finish!: () => void

  constructor(target: () => CancelTarget) {
    this.target = target
    this.done = new Promise((resolve) => {
      this.finish = resolve
    })
  }
}

export class Cancelling {
  #send: () => Promise<boolean>
  #underWay: Round | undefined
  #next: Round | undefined
  #unsure = false

  /** @param send resolves true when the request has landed or was never sent, false when nobody knows */
  constructor(send: () => Promise<boolean>) {
    this.#send = send
  }

  /** One is on its way and could still hit. */
  get pending(): boolean {
    return this.#underWay !== undefined
  }

  /** One may be somewhere on its way for ever. */
  get unsure(): boolean {
    return this.#unsure
  }

  /**
   * Asks for a cancel, now or behind the one on its way.
   * @param target looked at right before sending: nothing is sent when the moment has passed
   * @returns resolves when it has landed, or has nothing to do any more
   */
  request(target: () => CancelTarget): Promise<void> {
    if (this.#next === undefined) this.#next = new Round(target)
    else this.#next.target = target
    const { done } = this.#next
    this.look()
    return done
  }

  /** To be called when answers have come: sends what waits, or forgets it. */
  look(): void {
    const next = this.#next
    if (next === undefined || this.#underWay !== undefined) return
    const target = next.target()
    if (target === 'weir') return
    this.#next = undefined
    if (target === 'nothing') next.finish()
    else void this.#go(next)
  }

  async #go(round: Round): Promise<void> {
    this.#underWay = round
    const landed = await this.#send().catch(() => false)
    this.#underWay = undefined
    if (!landed) this.#unsure = true
    round.finish()
    this.look()
  }

  /** Resolves when none is on its way any more. */
  async settled(): Promise<void> {
    while (this.#underWay !== undefined) await this.#underWay.done
  }

  /** The connection is gone: what waits will not be sent. */
  end(): void {
    this.#next?.finish()
    this.#next = undefined
  }
}
