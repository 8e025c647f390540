/**
 * What the threads of a storm are told and what they say. Rule: plain data that can be sent between
 * threads; histograms travel whole (encoded), so that they can be merged.
 */
import type { StormPlan } from './plan.ts'
import type { TargetAddress } from './target-address.ts'

export interface LoadOrder {
  readonly plan: StormPlan
  readonly address: TargetAddress
  /** The address's host, looked up. */
  readonly ip: string
  /** This thread, from 0, and how many there are: it has every `threads`-th arrival. */
  readonly thread: number
  readonly threads: number
}

export type Counts = Readonly<Record<string, number>>

/** Figures over time come in slices of so long (ms). */
export const SLICE_MS = 500

/** One slice of one thread. */
export interface SliceWord {
  readonly kind: 'slice'
  /** From 0. */
  readonly slice: number
  readonly arrived: number
  readonly loggedIn: number
  readonly answered: number
  readonly statements: number
  readonly errors: Counts
  /** Clients connected and logged in at its end. */
  readonly open: number
  readonly firstReply: string
  readonly statement: string
  /** Of the thread's own event loop: the share of the slice it was busy, 0 to 1. */
  readonly busy: number
  /** Worst delay of an arrival or statement that was the thread's own (ms). */
  readonly late: number
}

/** The end of a thread's work. */
export interface OverWord {
  readonly kind: 'over'
  readonly arrived: number
  readonly loggedIn: number
  readonly answered: number
  readonly statements: number
  /** Statements that were due and never sent, because the one before was not answered. */
  readonly overdue: number
  /** Connections that broke after the login. */
  readonly dropped: number
  readonly errors: Counts
  /** The first text there was for each code. */
  readonly texts: Readonly<Record<string, string>>
  readonly connect: string
  readonly authentication: string
  readonly firstReply: string
  readonly statement: string
  /** Statements that fell due while others were still arriving. */
  readonly amid: string
  readonly late: string
  readonly longestStallMs: number
  readonly derivations: number
}

export type LoadWord = SliceWord | OverWord

/** Milliseconds on a clock that all threads of this process share. */
export class StormClock {
  readonly #offset: number

  constructor() {
    const [seconds, nanos] = process.hrtime()
    this.#offset = seconds * 1000 + nanos / 1e6 - performance.now()
  }

  now(): number {
    return this.#offset + performance.now()
  }
}
