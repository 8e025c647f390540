/**
 * The life of a pool as a table of allowed moves, with its epoch. Rule: retiring is for good; a new
 * pool is made where one was retired.
 *
 *   serving <-> paused;  serving, paused -> draining -> closed;  any of them -> retired -> closed
 */
import { Machine, type Moves } from '../core/machine.ts'
import type { PoolState } from './settings.ts'

const MOVES: Moves<PoolState> = {
  serving: ['paused', 'draining', 'retired'],
  paused: ['serving', 'draining', 'retired'],
  draining: ['retired', 'closed'],
  retired: ['closed'],
  closed: [],
}

export class Life {
  #machine: Machine<PoolState>
  #epoch = 1
  #why: string | undefined
  #closing: (() => void)[] = []

  constructor(pool: string) {
    this.#machine = new Machine(`pool ${pool}`, MOVES, 'serving')
  }

  get state(): PoolState {
    return this.#machine.state
  }

  /** A member of an older epoch is closed when it comes back. */
  get epoch(): number {
    return this.#epoch
  }

  /** Why it was retired, when it was. */
  get why(): string | undefined {
    return this.#why
  }

  /** New borrowers may join the line. */
  get lends(): boolean {
    return this.state === 'serving' || this.state === 'paused'
  }

  /** Those in line are served, and members opened for them. */
  get serves(): boolean {
    return this.state === 'serving' || this.state === 'draining'
  }

  /** Ends by itself once nothing is left. */
  get ending(): boolean {
    return this.state === 'draining' || this.state === 'retired'
  }

  /** Makes every present member outdated. */
  renew(): void {
    this.#epoch++
  }

  /** False when it was retired or closed already. */
  retire(why: string): boolean {
    if (this.state === 'retired' || this.state === 'closed') return false
    this.#machine.to('retired')
    this.#why = why
    this.#epoch++
    return true
  }

  pause(): void {
    if (this.state !== 'paused') this.#machine.to('paused')
  }

  resume(): void {
    if (this.state !== 'serving') this.#machine.to('serving')
  }

  drain(): void {
    if (this.lends) this.#machine.to('draining')
  }

  close(): void {
    this.#machine.to('closed')
    for (const resolve of this.#closing) resolve()
  }

  closed(): Promise<void> {
    if (this.state === 'closed') return Promise.resolve()
    return new Promise((resolve) => this.#closing.push(resolve))
  }
}
