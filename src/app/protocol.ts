/** Postgres as the settings want it. Rule: pure translation, as in settings.ts beside it. */

import type { CredentialLookup, ProofLookup } from '../auth/credential.ts'
import { ScramKeyCache } from '../auth/scram-key-cache.ts'
import type { Settings } from '../config/settings.ts'
import type { Protocol } from '../protocol/contract.ts'
import { postgres } from '../protocol/postgres/postgres.ts'
import type { Keyring } from './tokens.ts'

/** Listeners of the same Weir in other processes. */
export type ListenersElsewhere = NonNullable<Parameters<typeof postgres>[0]['elsewhere']>

/**
 * @param encrypts whether there is a certificate to show to clients
 * @param keyring what holds for single users, and who judges tokens; not needed towards nodes
 * @param elsewhere of one of several workers
 */
export function protocolFor(
  settings: Settings,
  secrets: CredentialLookup & ProofLookup,
  encrypts: boolean,
  keyring?: Keyring,
  elsewhere?: ListenersElsewhere,
): Protocol {
  const { auth, tls, limits, pool } = settings
  return postgres({
    secrets,
    scramKeys: new ScramKeyCache(),
    ...(keyring === undefined ? {} : { rules: (user) => keyring.rules.of(user) }),
    tokens: keyring?.tokens,
    methods: auth.trust ? ['trust', ...auth.methods] : auth.methods,
    tls: encrypts ? tls.mode : 'off',
    certificates: encrypts ? certificateRules(tls) : undefined,
    startupLimit: limits.startupPacketBytes,
    inspectBytes: limits.inspectBytes,
    preparedPerServer: limits.preparedStatementsPerServer,
    initQuery: pool.initQuery ?? '',
    clientAddress: settings.listen.clientAddress,
    elsewhere,
  })
}

/** What clients must show of themselves; undefined when they are not asked. */
function certificateRules({ clientCertificates, certificateUsers }: Settings['tls']) {
  if (clientCertificates === 'off') return undefined
  return {
    required: clientCertificates === 'required',
    users: certificateUsers.map(({ name, user }) => ({ name, user })),
  }
}
