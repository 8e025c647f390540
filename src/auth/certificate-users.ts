/**
 * Which users a client certificate may log in as. Rule: without a list its one common name is the user;
 * with a list nothing counts but the list, as with a map of pg_ident.conf. Names are compared whole and
 * as they stand.
 */
import type { PeerCertificate } from '../core/secure-channel.ts'

/** `*` in `name` stands for one or more characters, and is what `*` in `user` becomes. */
export interface CertificateUser {
  /** A common name or a subject alternative name, with at most one `*`. */
  readonly name: string
  /** Undefined: every user. */
  readonly user: string | undefined
}

export function certificateFits(
  peer: PeerCertificate,
  user: string,
  rules: readonly CertificateUser[],
): boolean {
  if (rules.length === 0) return peer.commonName === user
  const names = peer.commonName === undefined ? peer.names : [peer.commonName, ...peer.names]
  return rules.some((rule) => names.some((name) => ruleFits(rule, name, user)))
}

function ruleFits(rule: CertificateUser, name: string, user: string): boolean {
  const star = rule.name.indexOf('*')
  if (star < 0) return rule.name === name && (rule.user === undefined || rule.user === user)
  const before = rule.name.slice(0, star)
  const after = rule.name.slice(star + 1)
  const fits =
    name.length > before.length + after.length && name.startsWith(before) && name.endsWith(after)
  if (!fits) return false
  if (rule.user === undefined) return true
  const taken = name.slice(before.length, name.length - after.length)
  // Not by String.replace, which would read `$` in a name as an order.
  return rule.user.split('*').join(taken) === user
}
