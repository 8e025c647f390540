/**
 * A replication client's way to a server connection of its own, before it is welcomed. Rule: exactly
 * one outcome unless cancelled, and a node that said no is quoted: its SQLSTATE and its words, as if
 * the client had asked it directly.
 */
import { WeirError } from '../core/errors.ts'
import type { Route } from '../endpoint/router.ts'
import type { Introduction } from '../protocol/contract.ts'
import type { ServerConnection } from '../server/server-connection.ts'
import type { Rooms } from './rooms.ts'
import type { Cancellable } from './welcome.ts'

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
