/**
 * What is audited of clients: how each login ended, how each session did, its pins, and requests to
 * cancel. Rule: without an audit log nothing is made ready for it, and nothing of what a client has
 * proved itself with is passed on.
 */
import type { Audit, AuditTls, LoginProof } from '../core/audit.ts'
import type { SecureChannel } from '../core/secure-channel.ts'
import type { Link } from '../net/link.ts'
import type { Introduction } from '../protocol/contract.ts'
import type { CloseReason } from './close-reason.ts'
import type { Session } from './sessions.ts'

interface Auditing {
  readonly audit?: Audit | undefined
}

/** A login as far as it came. */
export interface AuditedLogin {
  readonly rooms: Auditing
  readonly endpointName: string
  readonly link: Pick<Link, 'remoteAddress' | 'remotePort' | 'encrypted'>
  readonly user: string | undefined
  readonly channel?: SecureChannel | undefined
  readonly proof?: LoginProof | undefined
}

export function auditRefused(login: AuditedLogin, reason: string, message: string): void {
  const { audit } = login.rooms
  if (audit?.wants('login') !== true) return
  const { endpointName: endpoint, user } = login
  audit.tell({
    kind: 'login',
    outcome: 'refused',
    reason,
    ...{ endpoint, user, message },
    ...wayOf(login),
  })
}

export function auditEntered(login: AuditedLogin, who: Introduction, session: number): void {
  const { audit } = login.rooms
  if (audit?.wants('login') !== true) return
  const { user, database } = who
  const endpoint = login.endpointName
  audit.tell({
    kind: 'login',
    outcome: 'accepted',
    ...{ session, endpoint, user, database },
    ...wayOf(login),
  })
}

function wayOf({ link, channel, proof }: AuditedLogin) {
  const { remoteAddress: address, remotePort: port } = link
  return { source: { address, port }, tls: tlsOf(link, channel), proof }
}

function tlsOf(
  { encrypted }: AuditedLogin['link'],
  channel: SecureChannel | undefined,
): AuditTls | undefined {
  if (channel === undefined) return encrypted ? {} : undefined
  const { version, cipher, peer } = channel
  return { version, cipher, certificate: peer?.subject }
}

/** A session is over. */
export function auditLeft(
  { audit }: Auditing,
  session: Session & { readonly link: Pick<Link, 'remoteAddress' | 'remotePort'> },
  reason: CloseReason,
): void {
  if (audit?.wants('logout') !== true) return
  const { remoteAddress: address, remotePort: port } = session.link
  audit.tell({ kind: 'logout', ...nameOf(session), source: { address, port }, reason })
}

/** A session keeps its server connection from now on; `statement`, if one is why, without its values. */
export function auditPin(
  { audit }: Auditing,
  session: Pick<Session, 'id' | 'who' | 'route'>,
  reason: string,
  statement?: string,
): void {
  if (audit?.wants('pin') !== true) return
  audit.tell({ kind: 'pin', ...nameOf(session), reason, statement })
}

function nameOf({ id, who, route }: Pick<Session, 'id' | 'who' | 'route'>) {
  const { user, database } = who
  return { session: id, endpoint: route.endpoint.rule.name, user, database }
}

/** What became of a request to cancel: carried out, for nobody here, or given to another to decide. */
export type CancelOutcome = 'accepted' | 'ignored' | 'passed-on'

export function auditCancel(login: AuditedLogin, pid: number, outcome: CancelOutcome): void {
  const { audit } = login.rooms
  if (audit?.wants('cancel') !== true) return
  const { remoteAddress: address, remotePort: port } = login.link
  const endpoint = login.endpointName
  audit.tell({ kind: 'cancel', outcome, endpoint, source: { address, port }, pid })
}
