/**
 * The audit log as the settings have it: off, to a file, to standard output, and another one after a
 * reload. Rule: there is one for all processes, in the one that has the control plane; workers send
 * their lines there.
 */
import { AuditLog, type AuditRules } from '../audit/audit-log.ts'
import { fileSink, streamSink } from '../audit/sink.ts'
import type { AuditSettings } from '../config/settings-admin.ts'
import type { Audit, AuditEvent, AuditKind } from '../core/audit.ts'
import type { Clock } from '../core/clock.ts'
import { messageOf, WeirError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { GeneralCounters } from '../metrics/counters.ts'

export interface AuditingParts {
  readonly settings: AuditSettings
  readonly clock: Clock
  readonly log: Log
  readonly counters: GeneralCounters
  /** Told when nobody may log in any more, and when that is over. */
  readonly onClosed?: (closed: boolean) => void
}

export class Auditing implements Audit {
  #parts: AuditingParts
  #log: AuditLog | undefined

  constructor(parts: AuditingParts) {
    this.#parts = parts
  }

  /** @throws WeirError `WEIR_AUDIT` when nothing can be written and `audit.required` is on */
  async open(): Promise<void> {
    const { settings } = this.#parts
    if (settings.to === 'off') return
    const log = this.#made(settings)
    try {
      await log.open()
    } catch (error) {
      await log.close()
      const why = error instanceof Error && error.cause !== undefined ? error.cause : error
      throw cannotWrite(settings, why)
    }
    this.#log = log
  }

  /**
   * From now on as these settings say; a file is opened anew, so that whoever has moved it away gets
   * another.
   * @throws WeirError `WEIR_AUDIT`; then nothing has changed
   */
  async renew(settings: AuditSettings): Promise<void> {
    const before = this.#log
    if (settings.to === 'off') {
      this.#log = undefined
      before?.tell({ kind: 'change', what: 'audit', outcome: 'done', detail: 'off' })
      await before?.close()
      return
    }
    try {
      if (before !== undefined) {
        await before.change(rulesOf(settings, this.#parts.clock))
        return
      }
      const log = this.#made(settings)
      await log.change(rulesOf(settings, this.#parts.clock))
      this.#log = log
    } catch (error) {
      throw cannotWrite(settings, error)
    }
  }

  get closed(): WeirError | undefined {
    return this.#log?.closed
  }

  wants(kind: AuditKind): boolean {
    return this.#log?.wants(kind) === true
  }

  tell(event: AuditEvent): void {
    this.#log?.tell(event)
  }

  /** An event of a worker, at `at` (wall-clock ms). */
  tellFrom(event: AuditEvent, at: number, worker: number): void {
    this.#log?.tellFrom(event, at, worker)
  }

  /** Writes what is left, as far as that goes. */
  async close(): Promise<void> {
    await this.#log?.close()
  }

  #made(settings: AuditSettings): AuditLog {
    const { clock, log, counters: counts, onClosed = () => {} } = this.#parts
    const rules = rulesOf(settings, clock)
    return new AuditLog({
      ...{ rules, clock, log, counts },
      onClosed: (closed) => onClosed(closed !== undefined),
    })
  }
}

/** Why nobody may log in while `audit.required` cannot be kept; in a worker, which has no log itself. */
export const AUDIT_CLOSED = new WeirError(
  'WEIR_AUDIT',
  'the audit log of the proxy cannot be written, and nobody may log in unrecorded',
  { sqlstate: '57P03', retryable: true },
)

function rulesOf(settings: AuditSettings, clock: Clock): AuditRules {
  const { to, file, events, statements, required } = settings
  const { rotateSize, rotateInterval, keep } = settings
  return {
    ...{ events, statements, required },
    place: to === 'file' ? file : 'standard output',
    open: async () =>
      to === 'file'
        ? fileSink({ path: file, rotateSize, rotateInterval, keep }, clock)
        : streamSink(process.stdout),
  }
}

function cannotWrite({ to, file }: AuditSettings, error: unknown): WeirError {
  const place = to === 'file' ? file : 'standard output'
  return new WeirError(
    'WEIR_AUDIT',
    `the audit log ${place} cannot be written: ${messageOf(error)}`,
    {
      hint: 'Its directory must be there and writable (setting audit.file).',
      cause: error,
    },
  )
}
