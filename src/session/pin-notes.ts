/**
 * The pins of one session, told to log and metrics as they come and go. Rule: a pin is counted when
 * it is set, once, and its end is only logged.
 */
import type { PinReason } from '../protocol/contract.ts'
import { auditPin } from './audit-notes.ts'
import type { Rooms } from './rooms.ts'
import type { Session } from './sessions.ts'

/** Of a session that nothing pins, as nearly all are. */
export const NO_PINS: ReadonlySet<PinReason> = new Set()

/** A session whose pins are looked at; `pins` are as they were last time. */
export interface Pinned extends Pick<Session, 'id' | 'who' | 'route'> {
  pins: ReadonlySet<PinReason>
}

/** Tells what has pinned the session and what no longer does; by reason the statement's digest. */
export function notePins(
  rooms: Pick<Rooms, 'log' | 'counters' | 'audit'>,
  session: Pinned,
  now: ReadonlyMap<PinReason, string>,
): void {
  const { log, counters } = rooms
  const { id: client, pins: before, route } = session
  const endpoint = route.endpoint.rule.name
  for (const [reason, digest] of now) {
    if (before.has(reason)) continue
    counters.pins.add(reason)
    if (reason === 'configured') continue
    const message = 'session pinned to its server connection'
    log.info({ client, endpoint, reason, digest }, message)
    auditPin(rooms, session, reason, digest)
  }
  for (const reason of before) {
    if (now.has(reason)) continue
    log.info({ client, endpoint, reason }, 'session no longer pinned for this')
  }
  session.pins = now.size === 0 ? NO_PINS : new Set(now.keys())
}
