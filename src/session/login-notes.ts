/**
 * What is written down of a login when it is over: counted, logged, and told to whoever keeps a record.
 * Rule: every login ends in exactly one of these notes, and none holds what a client has proved itself
 * with.
 */
import type { Link } from '../net/link.ts'
import type { Introduction } from '../protocol/contract.ts'
import { type AuditedLogin, auditEntered, auditRefused } from './audit-notes.ts'
import type { Rooms } from './rooms.ts'

/** A login as it is at its end. */
export interface EndedLogin extends AuditedLogin {
  /** Those of the endpoint it had come to. */
  readonly rooms: Rooms
  readonly endpointName: string
  readonly link: Link
  /** As far as the client had said it. */
  readonly user: string | undefined
}

const AUTH_FAILURES = new Set([
  'auth-method',
  'no-user',
  'tls-required',
  'client-certificate',
  'channel-binding',
])

/** Whether a client was refused because what it proved itself with was wrong. */
export function failsProof(reason: string): boolean {
  return reason === 'auth-failed' || reason.startsWith('token-')
}

/** It was refused. `message`: what the client was told, or what went wrong where it could not be. */
export function noteRefused(login: EndedLogin, reason: string, message: string): void {
  const { rooms, link, user } = login
  rooms.log.info({ reason, user, from: link.remoteAddress }, `client refused: ${message}`)
  auditRefused(login, reason, message)
  rooms.counters.refused.add(reason)
  if (AUTH_FAILURES.has(reason) || failsProof(reason)) rooms.counters.failedAuth++
}

/** Its client left before it was answered. */
export function noteGone(login: EndedLogin): void {
  login.rooms.counters.refused.add('client-gone')
}

/** It is logged in, and its session `id` begins. */
export function noteEntered(login: EndedLogin, who: Introduction, id: number): void {
  const { rooms, link, endpointName } = login
  const { user, database } = who
  auditEntered(login, who, id)
  rooms.log.debug(
    { client: id, user, database, endpoint: endpointName, from: link.remoteAddress },
    'client logged in',
  )
}
