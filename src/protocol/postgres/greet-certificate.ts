/**
 * What a client's certificate means for its login. Rule: a certificate that cannot be verified keeps
 * the client out, wherever one was asked for; nothing here tells whether the user exists.
 */
import { certificateFits } from '../../auth/certificate-users.ts'
import type { SecureChannel } from '../../core/secure-channel.ts'
import { refusal } from './greet-refusal.ts'
import type { CertificateRules, Refused } from './greet-step.ts'

/** A client, as far as TLS and the startup packet have told of it. */
export interface Certified {
  readonly channel: SecureChannel | undefined
  readonly rules: CertificateRules | undefined
  readonly user: string
}

/** True when it showed a certificate that may stand for this user. */
export function isCertified({ channel, rules, user }: Certified): boolean {
  const peer = channel?.peer
  return peer !== undefined && rules !== undefined && certificateFits(peer, user, rules.users)
}

/** Why it may not go on to prove anything; undefined when it may. */
export function certificateFault(client: Certified): Refused | undefined {
  const { channel, rules } = client
  if (rules === undefined) return undefined
  if (channel?.peerFault !== undefined) {
    return refusal('client-certificate', {
      code: '28000',
      message: `the client certificate cannot be verified: ${channel.peerFault}`,
      hint: 'tls.clientCaFile names the authorities that may vouch for clients.',
    })
  }
  return rules.required && !isCertified(client) ? refuseUncertified(client) : undefined
}

/** There is no certificate, or it is not for this user. */
export function refuseUncertified({ channel, user }: Certified): Refused {
  const message =
    channel?.peer === undefined
      ? 'connection requires a valid client certificate'
      : `certificate authentication failed for user "${user}"`
  return refusal('client-certificate', { code: '28000', message })
}
