/**
 * The audit log as a worker sees it: each event goes to the process that writes. Rule: what nobody
 * wants to know is not sent, and whether anybody may log in is what it was last told.
 */
import type { AuditSettings } from '../../config/settings-admin.ts'
import type { Audit, AuditEvent, AuditKind } from '../../core/audit.ts'
import type { Clock } from '../../core/clock.ts'
import type { WeirError } from '../../core/errors.ts'
import { AUDIT_CLOSED } from '../auditing.ts'

export class WorkerAudit implements Audit {
  #kinds: ReadonlySet<AuditKind>
  #clock: Clock
  #send: (event: AuditEvent, at: number) => void
  #closed: boolean

  /** @param send the event, and when it was (wall-clock ms) */
  constructor(
    { to, events }: AuditSettings,
    closed: boolean,
    clock: Clock,
    send: (event: AuditEvent, at: number) => void,
  ) {
    this.#kinds = new Set(to === 'off' ? [] : events)
    this.#closed = closed
    this.#clock = clock
    this.#send = send
  }

  get closed(): WeirError | undefined {
    return this.#closed ? AUDIT_CLOSED : undefined
  }

  set shut(closed: boolean) {
    this.#closed = closed
  }

  wants(kind: AuditKind): boolean {
    return this.#kinds.has(kind)
  }

  tell(event: AuditEvent): void {
    if (this.wants(event.kind)) this.#send(event, this.#clock.wall())
  }
}
