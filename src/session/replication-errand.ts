/**
 * A replication client's way to a server connection of its own, before it is welcomed. Rule: exactly
 * one outcome unless cancelled, and a node that said no is quoted: its SQLSTATE and its words, as if
 * the client had asked it directly.
 */
import { WeirError } from '../core/errors.ts'
import type { EndpointRule } from '../endpoint/endpoint.ts'
import type { Route } from '../endpoint/router.ts'
import type { Introduction } from '../protocol/contract.ts'
import type { ServerConnection } from '../server/server-connection.ts'
import type { Rooms } from './rooms.ts'
import type { Cancellable } from './welcome.ts'

/**
 * Why an endpoint takes no replication client, when that is so: it would be pinned, or would not be
 * served by RDS Proxy.
 */
export function replicationRefusal(rule: EndpointRule): WeirError | undefined {
  const { pinning, pooling } = rule
  // With session pooling every session is pinned, whatever `pinning` says.
  if (pinning === 'follow' || pooling === 'session') return undefined
  const why =
    pinning === 'strict'
      ? 'would pin a server connection (replication)'
      : 'RDS Proxy does not serve (replication)'
  return new WeirError(
    'WEIR_NO_REPLICATION',
    `endpoint ${rule.name} refuses sessions that ${why}`,
    {
      sqlstate: '0A000',
      hint: 'Connect to an endpoint with pinning: follow, or to the node itself.',
    },
  )
}

/** Opens for `who` where `route` leads. May call `done` before it returns. */
export function openForReplication(
  { dedicated, counters, clock }: Rooms,
  who: Introduction,
  route: Route<ServerConnection>,
  done: (outcome: ServerConnection | WeirError) => void,
): Cancellable {
  const askedAt = clock.monotonic()
  return dedicated.open(who, route, {
    granted: (server) => {
      counters.borrow.record(clock.monotonic() - askedAt)
      done(server)
    },
    refused: (error) => {
      counters.borrowsRefused.add(error.code)
      const said = error.code === 'WEIR_OPEN_REFUSED' ? error.cause : undefined
      done(said instanceof WeirError ? said : error)
    },
  })
}
