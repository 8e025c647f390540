/**
 * What `weir storm` has measured, as plain data: the JSON it writes and all that tables and pictures
 * are made of. Rule: only measured values; what could not be measured is undefined, never zero.
 * Spans are milliseconds, memory is bytes, CPU is seconds of one core.
 */
import type { Percentiles } from '../failover/result.ts'
import type { Curve } from './spans.ts'

/** The spans of a client, each measured by itself; `amid` is a statement while others still arrive. */
export const SPANS = ['connect', 'authentication', 'firstReply', 'amid', 'statement'] as const
export type SpanName = (typeof SPANS)[number]

export interface SpanResult {
  readonly figures: Percentiles
  readonly curve: Curve
}

/** Connections on the node. */
export interface ServerCount {
  /** Of the user the clients log in as. */
  readonly load: number
  /** Of others: a proxy's own control connections, for one. */
  readonly other: number
}

/** A process with all its children. */
export interface Usage {
  /** CPU seconds used since the measurement began. */
  readonly cpu: number
  readonly memory: number
}

/** What happened in a slice, and what stood at its end. */
export interface Moment {
  /** End of the slice, ms after the start. */
  readonly at: number
  readonly arrived: number
  readonly loggedIn: number
  readonly answered: number
  readonly statements: number
  readonly errors: number
  readonly open: number
  readonly firstReply: Percentiles | undefined
  readonly statement: Percentiles | undefined
}

/** A look at node and proxy from outside. */
export interface Sight {
  /** Ms after the start. */
  readonly at: number
  readonly server: ServerCount | undefined
  readonly proxy: Usage | undefined
  readonly node: Usage | undefined
  /** Share of all cores that was busy since the look before, 0 to 1. */
  readonly machine: number | undefined
}

export interface UsageSummary {
  /** From the first arrival to the end (s). */
  readonly cpuSeconds: number
  /** Most cores at once, over a second or so. */
  readonly cpuPeak: number
  readonly memoryBefore: number
  readonly memoryPeak: number
}

export interface ServerSummary {
  readonly peak: number
  readonly otherPeak: number
  /** Sessions that began on the node, as it counts them; undefined where it does not. */
  readonly opened: number | undefined
}

/** What an instrument has to say against itself. `busy` alone does not put a limit in doubt. */
export interface Warning {
  readonly kind: 'late' | 'stall' | 'machine' | 'busy'
  readonly text: string
}

/** How far the instrument itself is to be trusted. */
export interface InstrumentSummary {
  readonly threads: number
  /** Delay of what was due that was the instrument's own. */
  readonly late: Percentiles | undefined
  readonly longestStallMs: number
  /** The busiest thread in its busiest second, 0 to 1. */
  readonly busiest: number
  /** Most of the machine that was busy at once, 0 to 1. */
  readonly machineBusiest: number | undefined
  /** CPU of the whole instrument, from the first arrival to the end (s). */
  readonly cpuSeconds: number
  /** SCRAM keys derived from the password. */
  readonly derivations: number
  /** Why the figures say more of the instrument than of the target; empty when they do not. */
  readonly warnings: readonly Warning[]
}

export interface TargetResult {
  readonly target: string
  readonly description: string
  /** Why nothing was measured; the rest is then empty. */
  readonly failure: string | undefined
  readonly clients: number
  readonly arrived: number
  readonly loggedIn: number
  /** Clients that had an answer to their first statement. */
  readonly answered: number
  readonly statements: number
  readonly overdue: number
  readonly dropped: number
  readonly lastedMs: number
  readonly errors: Readonly<Record<string, number>>
  readonly texts: Readonly<Record<string, string>>
  readonly spans: Readonly<Partial<Record<SpanName, SpanResult>>>
  readonly moments: readonly Moment[]
  readonly sights: readonly Sight[]
  readonly server: ServerSummary | undefined
  readonly proxy: UsageSummary | undefined
  readonly node: UsageSummary | undefined
  /** Connections thrown away on this machine because an accept queue was full. */
  readonly overflows: number | undefined
  readonly instrument: InstrumentSummary
}

export interface Expectation {
  readonly text: string
  readonly target: string
  readonly actual: number | undefined
  readonly met: boolean
}

/** One step of `--until-fail`. */
export interface Step {
  readonly target: string
  readonly clients: number
  readonly rate: number
  readonly expectations: readonly Expectation[]
  readonly warnings: readonly Warning[]
}

/** What `--until-fail` found of one target. */
export interface Limit {
  readonly target: string
  readonly steps: readonly Step[]
  /** Most clients with which everything expected was met. */
  readonly held: number | undefined
  /** Least with which it was not. */
  readonly broke: number | undefined
  /** In words, with what broke. */
  readonly verdict: string
}

export interface StormResult {
  readonly format: 1
  /** Of Weir, which wrote it. */
  readonly version: string
  /** Wall ms. */
  readonly began: number
  readonly ended: number
  readonly command: string
  /** The storm in a line. */
  readonly storm: string
  readonly settings: Readonly<Record<string, string | number | boolean>>
  readonly machine: Readonly<Record<string, string | number>>
  readonly targets: readonly TargetResult[]
  readonly expectations: readonly Expectation[]
  readonly limits: readonly Limit[]
}

/** All errors of a target. */
export function errorsOf(target: Pick<TargetResult, 'errors'>): number {
  return Object.values(target.errors).reduce((sum, n) => sum + n, 0)
}
