/**
 * How control connections log in: the probe, the wait for a promotion, the question to Aurora. Rule:
 * as every other connection to a node, with the same TLS and the same proofs.
 */
import type { Duplex } from 'node:stream'
import { ScramKeyCache } from '../auth/scram-key-cache.ts'
import type { Secrets } from '../auth/secrets.ts'
import type { Settings } from '../config/settings.ts'
import { Network } from '../net/network.ts'
import { postgres } from '../protocol/postgres/postgres.ts'
import type { NodeAddress } from '../server/node-address.ts'
import { Opener } from '../server/opener.ts'
import { type DriverLogin, driverStream } from './driver-stream.ts'
import { NodeTlsBook } from './node-tls.ts'

export interface ControlLogins {
  readonly user: string
  /** For option `stream` of a `pg` client; `applicationName` is what the node shows. */
  stream(node: NodeAddress, applicationName: string): Duplex
}

/** @param as default the user and database of `topology` */
export function controlLogins(
  settings: Settings,
  secrets: Secrets,
  as?: Pick<DriverLogin, 'user' | 'database' | 'settings'>,
): ControlLogins {
  const { topology, pool, limits } = settings
  const user = as?.user ?? topology.user ?? secrets.usernames()[0] ?? 'postgres'
  const { database } = as ?? topology
  const said = as?.settings ?? []
  const encryption = new NodeTlsBook(settings)
  const opener = new Opener({
    network: new Network(),
    // Nobody comes in here, so there is nothing to say about that.
    protocol: postgres({
      secrets,
      scramKeys: new ScramKeyCache(),
      ...{ methods: [], tls: 'off', startupLimit: limits.startupPacketBytes, initQuery: '' },
      ...{ inspectBytes: limits.inspectBytes, preparedPerServer: 1 },
    }),
    nodeTls: (node) => encryption.of(node),
    connectTimeoutMs: pool.connectTimeoutMs,
    loginTimeoutMs: pool.openTimeoutMs,
    securing: () => {},
    events: { lost: () => {}, sign: () => {}, cancel: () => Promise.resolve(true) },
  })
  return {
    user,
    stream: (node, applicationName) =>
      driverStream(opener, { node, user, database, applicationName, settings: said }),
  }
}
