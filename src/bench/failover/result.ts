/**
 * What `weir failover` has measured, as plain data: the JSON it writes and all that tables and
 * pictures are made of. Rule: only measured values; what could not be measured is undefined, never
 * zero. Times are wall-clock milliseconds since 1970 with a fraction, spans are milliseconds.
 */

/** Ways to take a writer (or reader) away. */
export const FAULTS = [
  'kill',
  'stop-fast',
  'stop-immediate',
  'freeze',
  'partition',
  'switchover',
  'reader-kill',
] as const
export type Fault = (typeof FAULTS)[number]

/** What each client of the load does, again and again. */
export const CLIENT_KINDS = ['writer', 'reader', 'idle', 'transaction', 'listener'] as const
export type ClientKind = (typeof CLIENT_KINDS)[number]

/** The eight words of a failover, in their order. */
export const MILESTONES = [
  'fault',
  'suspected',
  'down',
  'promoted',
  'observed',
  'retired',
  'first-borrow',
  'first-reply',
] as const
export type Milestone = (typeof MILESTONES)[number]

/** When each was reached. Who cannot tell (PgBouncer knows no roles) leaves it out. */
export type Timeline = Partial<Record<Milestone, number>>

/** One request of one client that did not end well, or took longer than the schedule allows. */
export interface Gap {
  readonly from: number
  readonly to: number
  /** How it ended: answered late, or with errors in between. */
  readonly end: 'answered' | 'error' | 'never'
}

/** One client through one round. */
export interface ClientRecord {
  readonly id: number
  readonly kind: ClientKind
  /** Requests that fell due, were answered well, and failed. */
  readonly due: number
  readonly answered: number
  readonly failed: number
  /** Longest time between two good answers, from when the later one was due (ms). */
  readonly longestGapMs: number
  /** From the promotion to its first good answer after the fault; undefined when it has none. */
  readonly afterPromotionMs: number | undefined
  /** Its connection broke, so that it had to connect again. */
  readonly dropped: number
  /** Errors by SQLSTATE, or by the system's code (ECONNRESET) where there is none. */
  readonly errors: Readonly<Record<string, number>>
  /** For the picture: every stretch without a good answer that is longer than twice its period. */
  readonly gaps: readonly Gap[]
}

/** What the sequence table says after the round, against what the clients were told. */
export interface Verdict {
  readonly acknowledged: number
  /** Told to a client as done, and not there. */
  readonly lost: number
  /** There twice though asked for once. */
  readonly duplicates: number
  /** The client was not told; of these so many are there. */
  readonly unknown: number
  readonly unknownThere: number
  /** Refused to a client with an error that says nothing happened, and there nevertheless. */
  readonly contradicted: number
  /** Notifications that a listener should have had and had not; and those it had twice. */
  readonly notificationsLost: number
  readonly notificationsTwice: number
}

/** One fault, seen by one subject. */
export interface Round {
  readonly subject: string
  readonly number: number
  readonly fault: Fault
  /** Node that was hurt, and the writer afterwards. */
  readonly victim: string
  readonly promoted: string | undefined
  readonly began: number
  readonly ended: number
  readonly timeline: Timeline
  readonly clients: readonly ClientRecord[]
  readonly verdict: Verdict
  /** Why it does not count, when the instrument itself failed; the rest is then not to be used. */
  readonly invalid: string | undefined
  /** How well the instrument itself did. */
  readonly instrument: InstrumentRecord
}

/** The instrument's own faults, so that nobody takes them for the subject's. */
export interface InstrumentRecord {
  /** Longest time the load's own event loop stood still between the fault and the recovery (ms). */
  readonly longestStallMs: number
  /**
   * Of these, the longest that lasted into the time after the promotion (ms). One that was over
   * before it made no writer wait: nobody can be answered earlier. Without a promotion, the longest.
   */
  readonly lateStallMs: number
  /**
   * The longest was too long for what is measured before the promotion too: the reading gaps of this
   * round are too long by up to as much, and do not count.
   */
  readonly readsBlurred: boolean
  /** The promotion was seen at most so long after it happened (ms); undefined without one. */
  readonly promotedWithinMs: number | undefined
  /** Time the promotion command itself took, from being asked to the new writer (ms). */
  readonly promotionMs: number | undefined
  /**
   * From the promotion to the acknowledgement of a write that the instrument sent to the new writer
   * itself, past every subject (ms): what the nodes take for themselves.
   */
  readonly ownWriteMs: number | undefined
}

export interface Percentiles {
  readonly n: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

/** All rounds of one subject with one fault. Percentiles are undefined where there was nothing to measure. */
export interface SubjectSummary {
  readonly subject: string
  readonly fault: Fault
  /** What it is, with versions and settings that matter, one line. */
  readonly description: string
  readonly rounds: number
  readonly invalid: number
  /** Longest gap of each writing client of each round. */
  readonly writeGap: Percentiles | undefined
  readonly readGap: Percentiles | undefined
  readonly transactionGap: Percentiles | undefined
  /** From promotion to the first good write of any client, one value a round. */
  readonly firstWrite: Percentiles | undefined
  /** From promotion to each client's own first good write. */
  readonly everyWrite: Percentiles | undefined
  /** From the fault to the first good write. */
  readonly outage: Percentiles | undefined
  /** Each span between two neighbouring milestones that both are known: `fault→suspected`. */
  readonly arrows: Readonly<Record<string, Percentiles>>
  readonly errors: Readonly<Record<string, number>>
  readonly droppedByKind: Readonly<Record<ClientKind, number>>
  readonly verdict: Verdict
  /** The instrument's own write to the new writer, past the subject, from the promotion. */
  readonly ownWrite: Percentiles | undefined
  /** The instrument's own longest stall of each round. */
  readonly stall: Percentiles | undefined
}

export interface FailoverResult {
  readonly format: 1
  readonly version: string
  readonly began: number
  readonly ended: number
  /** As typed, and what it came to. */
  readonly command: string
  readonly settings: Readonly<Record<string, string | number | boolean>>
  /** Cores, memory, versions of Node and Postgres. */
  readonly machine: Readonly<Record<string, string | number>>
  readonly subjects: readonly SubjectSummary[]
  readonly rounds: readonly Round[]
  readonly expectations: readonly Expectation[]
}

/** `gap_p99<1s`, judged. */
export interface Expectation {
  readonly text: string
  readonly subject: string
  readonly fault: Fault
  readonly actual: number | undefined
  readonly met: boolean
}
