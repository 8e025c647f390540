/** Postgres as the settings want it. Rule: pure translation, as in settings.ts beside it. */
import { ScramKeyCache } from '../auth/scram-key-cache.ts'
import type { Secrets } from '../auth/secrets.ts'
import type { Settings } from '../config/settings.ts'
import type { Protocol } from '../protocol/contract.ts'
import { postgres } from '../protocol/postgres/postgres.ts'

/** Listeners of the same Weir in other processes. */
export type ListenersElsewhere = NonNullable<Parameters<typeof postgres>[0]['elsewhere']>

/**
 * @param encrypts whether there is a certificate to show to clients
 * @param elsewhere of one of several workers
 */
export function protocolFor(
  settings: Settings,
  secrets: Secrets,
  encrypts: boolean,
  elsewhere?: ListenersElsewhere,
): Protocol {
  const { auth, tls, limits, pool } = settings
  return postgres({
    secrets,
    scramKeys: new ScramKeyCache(),
    methods: auth.trust ? ['trust', ...auth.methods] : auth.methods,
    tls: encrypts ? tls.mode : 'off',
    nodeTls: tls.nodes === 'disable' || tls.nodes === 'prefer' ? tls.nodes : 'require',
    startupLimit: limits.startupPacketBytes,
    inspectBytes: limits.inspectBytes,
    preparedPerServer: limits.preparedStatementsPerServer,
    initQuery: pool.initQuery ?? '',
    elsewhere,
  })
}
