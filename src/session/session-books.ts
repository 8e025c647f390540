/**
 * What is counted of a session when it begins and when it ends. Rule: what was added at the beginning
 * is taken away at the end, so that the gauges come back to zero.
 */
import type { EndpointCounters } from '../metrics/counters.ts'
import type { Link } from '../net/link.ts'
import type { LostOutcome } from '../protocol/contract.ts'
import { auditLeft } from './audit-notes.ts'
import type { CloseReason } from './close-reason.ts'
import type { Held } from './held-bytes.ts'
import type { RequestWatch } from './request-watch.ts'
import type { Rooms } from './rooms.ts'
import type { Session } from './sessions.ts'
import type { SlowReader } from './slow-readers.ts'

export function bookBegin(counters: EndpointCounters, link: Link): void {
  counters.established++
  counters.clients++
  if (link.encrypted) counters.clientsTls++
}

/** All rooms forget the session. */
export function bookLeave(
  rooms: Rooms,
  session: Session & Held & SlowReader & { readonly link: Link },
  reason: CloseReason,
): void {
  rooms.held.forget(session)
  rooms.slow.forget(session)
  rooms.halves.forget(session)
  rooms.sessions.delete(session)
  auditLeft(rooms, session, reason)
  bookEnd(rooms.counters, session.link, reason)
  rooms.log.debug({ client: session.id, reason }, 'client session closed')
}

/** Its server connection was lost, and this became of what it had asked. */
export function bookLoss(
  counters: EndpointCounters,
  watch: RequestWatch,
  outcome: LostOutcome | undefined,
  requests: number,
): void {
  if (outcome !== undefined) counters.outcomes.add(outcome)
  if (outcome === 'retried') watch.again()
  else watch.lost(requests)
}

export function bookEnd(counters: EndpointCounters, link: Link, reason: CloseReason): void {
  counters.closed.add(reason)
  counters.bytesFromClients += link.bytesRead
  counters.bytesToClients += link.bytesWritten
  counters.clients--
  if (link.encrypted) counters.clientsTls--
}
