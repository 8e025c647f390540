/**
 * The audit log: events in, lines out, in their order. Rule: what could not be written is kept, up to
 * a bound, and written when that is possible again; what was lost is counted and said in the log
 * itself. Nobody who tells an event ever waits.
 *
 *   tell ──> queue ──> one write at a time ──> sink
 *              ^                                 └─ failed: the sink is opened again, later and later
 *              └───────────── what it was ───────────┘
 */
import type { Audit, AuditEvent, AuditKind } from '../core/audit.ts'
import type { Clock, Timer } from '../core/clock.ts'
import { messageOf, WeirError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { lineOf, type Statements } from './line.ts'
import type { Sink } from './sink.ts'

export interface AuditRules {
  readonly events: readonly AuditKind[]
  readonly statements: Statements
  /** Whether nobody may log in while nothing can be written. */
  readonly required: boolean
  /** In words, for messages: the file's name. */
  readonly place: string
  open(): Promise<Sink>
}

export interface AuditCounts {
  auditLines: number
  auditLinesLost: number
  /** 1 while nothing can be written. */
  auditFailing: number
}

export interface AuditLogParts {
  readonly rules: AuditRules
  readonly clock: Clock
  readonly log: Log
  readonly counts: AuditCounts
  /** Told when nobody may log in any more, and when that is over. */
  readonly onClosed?: (closed: WeirError | undefined) => void
}

/** Lines kept while they cannot be written; some megabytes. */
const MOST_KEPT = 10_000
/** Lines that leave in one write. */
const MOST_AT_ONCE = 500
const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 10_000
/** How long the end of Weir waits for the last lines. */
const CLOSE_MS = 2_000

export class AuditLog implements Audit {
  #parts: AuditLogParts
  #rules: AuditRules
  #sink: Sink | undefined
  #queue: string[] = []
  /** Since it was last said. */
  #lost = 0
  #pumping: Promise<void> | undefined
  #retry: Timer | undefined
  #retryMs = FIRST_RETRY_MS
  #closed: WeirError | undefined
  #over = false

  constructor(parts: AuditLogParts) {
    this.#parts = parts
    this.#rules = parts.rules
  }

  get closed(): WeirError | undefined {
    return this.#closed
  }

  wants(kind: AuditKind): boolean {
    return this.#rules.events.includes(kind)
  }

  /** @throws WeirError `WEIR_AUDIT` when nothing can be written and `audit.required` is on */
  async open(): Promise<void> {
    try {
      this.#sink = await this.#rules.open()
    } catch (error) {
      this.#failed(error)
      if (this.#closed !== undefined) throw this.#closed
    }
  }

  tell(event: AuditEvent): void {
    this.tellFrom(event, this.#parts.clock.wall(), undefined)
  }

  /** An event of a worker, at `at` (wall-clock ms). */
  tellFrom(event: AuditEvent, at: number, worker: number | undefined): void {
    if (!this.wants(event.kind) || this.#over) return
    if (this.#queue.length >= MOST_KEPT) {
      this.#lost++
      this.#parts.counts.auditLinesLost++
      return
    }
    this.#queue.push(lineOf({ event, at, worker }, this.#rules.statements))
    this.#pump()
  }

  /** From now on by these rules; the file is opened anew even when they are the same. */
  async change(rules: AuditRules): Promise<void> {
    const next = await rules.open()
    const before = this.#sink
    this.#sink = undefined
    await this.#pumping
    // Only now: a write that failed in the meantime means to open it again, by the old rules.
    this.#retry?.cancel()
    await before?.close()
    this.#rules = rules
    this.#sink = next
    this.#mended()
    this.#pump()
  }

  /** Writes what is left, as far as that goes. */
  async close(): Promise<void> {
    this.#over = true
    this.#retry?.cancel()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS)
    })
    const done = async (): Promise<void> => {
      await this.#pumping
      await this.#sink?.close()
    }
    await Promise.race([done(), late])
    clearTimeout(timer)
  }

  #pump(): void {
    if (this.#pumping !== undefined || this.#sink === undefined) return
    this.#pumping = this.#write(this.#sink)
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#pumping = undefined
        if (this.#queue.length > 0) this.#pump()
      })
  }

  async #write(sink: Sink): Promise<void> {
    // Whoever tells several events in one turn has them in one write.
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const lines = this.#queue.slice(0, MOST_AT_ONCE)
      await sink.write(lines.join(''))
      this.#queue.splice(0, lines.length)
      this.#parts.counts.auditLines += lines.length
      this.#mended()
    }
  }

  #failed(error: unknown): void {
    const { log, clock, counts, onClosed } = this.#parts
    const { place, required } = this.#rules
    this.#sink?.close().catch(() => {})
    this.#sink = undefined
    if (counts.auditFailing === 0) {
      counts.auditFailing = 1
      const what = required ? 'nobody may log in until it can' : 'logins go on'
      log.error({ place }, `the audit log cannot be written (${what}): ${messageOf(error)}`)
      this.#closed = required ? notWritten(place, error) : undefined
      if (required) onClosed?.(this.#closed)
    }
    if (this.#over) return
    this.#retry?.cancel()
    this.#retry = clock.after(this.#retryMs, () => void this.#openAgain())
    this.#retryMs = Math.min(LAST_RETRY_MS, this.#retryMs * 2)
  }

  async #openAgain(): Promise<void> {
    try {
      this.#sink = await this.#rules.open()
      // With nobody let in no line would come and show that it can be written.
      if (this.#queue.length === 0) this.#mended()
      this.#pump()
    } catch (error) {
      this.#failed(error)
    }
  }

  /** Lines have been written, or could be. */
  #mended(): void {
    this.#retryMs = FIRST_RETRY_MS
    const { log, counts, onClosed } = this.#parts
    if (counts.auditFailing > 0) {
      counts.auditFailing = 0
      log.warn({ place: this.#rules.place, lost: this.#lost }, 'the audit log can be written again')
      const wasClosed = this.#closed !== undefined
      this.#closed = undefined
      if (wasClosed) onClosed?.(undefined)
    }
    if (this.#lost === 0) return
    const detail = `${this.#lost} lines were lost before this one`
    this.#lost = 0
    this.tell({ kind: 'change', what: 'audit', outcome: 'failed', detail })
  }
}

function notWritten(place: string, cause: unknown): WeirError {
  return new WeirError(
    'WEIR_AUDIT',
    'the audit log of the proxy cannot be written, and nobody may log in unrecorded',
    {
      sqlstate: '57P03',
      retryable: true,
      hint: `Make room for ${place}, or set audit.required to false.`,
      cause,
    },
  )
}
