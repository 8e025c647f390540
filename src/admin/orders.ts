/**
 * What an operator may have Weir do, and what Weir answers. Rule: plain JSON both ways, like the
 * status; the composition root does it, this room only passes it on.
 */

/** What a pause is of: one node, one endpoint, or (neither) all endpoints. */
export interface PauseTarget {
  readonly node?: string | undefined
  readonly endpoint?: string | undefined
}

export interface PauseOrder extends PauseTarget {
  /**
   * Of a node that is the writer: when another one becomes writer, clients are held back there too
   * until whoever LISTENs is heard again, so that no notification of theirs is missed. Not for long.
   */
  readonly follow?: boolean | undefined
  /** A pause ends by itself after so many milliseconds. */
  readonly forMs: number
  /** How long the answer may wait for what is lent to come back (ms); 0: it tells how things are. */
  readonly waitMs: number
}

/** A session that has a server connection a pause waits for. */
export interface InTheWay {
  readonly id: number
  readonly endpoint: string
  readonly user: string
  readonly database: string
  readonly node: string
  /** Why it keeps it beyond its transaction; empty: a transaction or a request is under way. */
  readonly pins: readonly string[]
}

/** One pause, as `/status` and the answers have it. */
export interface PauseStatus {
  /** `node node-1`, `endpoint writer` or `everything`. */
  readonly what: string
  readonly node: string | null
  readonly endpoint: string | null
  /** Wall-clock milliseconds, with fractions. */
  readonly since: number
  /** When it ends by itself, if nobody ends it before. */
  readonly until: number
  /** Server connections that are still lent; the pause keeps none from being used to its end. */
  readonly lent: number
  /** Sessions that wait for a server connection now, for this reason or another. */
  readonly waiting: number
  /** The most that were seen waiting at once since it began. */
  readonly mostWaiting: number
}

export interface PauseAnswer extends PauseStatus {
  /** How long the answer waited (ms). */
  readonly waitedMs: number
  /** Up to twenty of those that have something lent. */
  readonly inTheWay: readonly InTheWay[]
}

export interface ResumeAnswer {
  /** The pauses that were ended, as they stood at that moment; empty: there was none. */
  readonly ended: readonly PauseStatus[]
}

/** Who is writer. */
export interface WriterStatus {
  readonly name: string
  readonly timeline: number | null
  /** Wall-clock milliseconds at which this was answered, with fractions. */
  readonly at: number
}

/** What an operator may do; over HTTP only from the machine itself. */
export interface AdminCommands {
  /** @throws WeirError `WEIR_NO_SUCH_TARGET` when there is no such node or endpoint */
  pause(order: PauseOrder): Promise<PauseAnswer>
  /** Ends the pause of that target; of nothing: every pause. */
  resume(target: PauseTarget): ResumeAnswer
  /**
   * The writer that is up, as soon as it is another one than `not` (or is on a higher timeline than
   * `timeline`); null when there is none within `withinMs`.
   */
  writer(than: OtherThan, withinMs: number): Promise<WriterStatus | null>
}

export interface OtherThan {
  readonly not?: string | undefined
  readonly timeline?: number | undefined
}
