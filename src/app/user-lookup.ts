/**
 * Who answers for users: the secrets, and with `auth.query` a node for all others. Rule: the writer is
 * asked first, because a reader may not have heard of a change yet; when it is away a reader is.
 */
import pg from 'pg'
import type { CredentialLookup, ProofLookup } from '../auth/credential.ts'
import { QueriedUsers } from '../auth/query-source.ts'
import type { Secrets } from '../auth/secrets.ts'
import { UserLookup } from '../auth/user-lookup.ts'
import type { Settings } from '../config/settings.ts'
import type { Clock } from '../core/clock.ts'
import type { Log } from '../core/log.ts'
import { sparingLog } from '../core/sparing-log.ts'
import type { GeneralCounters } from '../metrics/counters.ts'
import { AuthQuery } from '../protocol/postgres/auth-query.ts'
import { addressOfNode } from '../server/node-address.ts'
import type { TopologyStore } from '../topology/store.ts'
import type { NodeSpec } from '../topology/topology.ts'
import { controlLogins } from './control-logins.ts'

export interface LookupParts {
  readonly settings: Settings
  readonly secrets: Secrets
  readonly store: TopologyStore
  readonly clock: Clock
  readonly log: Log
  readonly counters: GeneralCounters
}

/** What the session has from its first moment, whatever role and database say. */
const OURS = [
  ['search_path', 'pg_catalog'],
  ['default_transaction_read_only', 'on'],
] as const

export interface Users {
  readonly lookup: CredentialLookup & ProofLookup
  close(): void
}

export function usersFor(parts: LookupParts): Users {
  const { settings, secrets, store, clock, log, counters } = parts
  const { query } = settings.auth
  if (query === undefined) return { lookup: secrets, close: () => {} }
  const { user, database } = query
  const logins = controlLogins(settings, secrets, { user, database, settings: OURS })
  const asking = new AuthQuery<NodeSpec>({
    ...{ query: query.query, timeoutMs: query.timeoutMs, clock },
    nodes: () => bestFirst(store),
    client: (spec) =>
      new pg.Client({ stream: () => logins.stream(addressOfNode(spec), 'weir auth query') }),
  })
  const queried = new QueriedUsers({
    ...query,
    clock,
    log: sparingLog(log, clock),
    ask: (username, signal) => asking.ask(username, signal),
    mockOf: (username) => secrets.mockOf(username),
    count: (what) => counters.userLookups.add(what),
  })
  return { lookup: new UserLookup(secrets, queried), close: () => asking.close() }
}

function bestFirst({ current }: TopologyStore): NodeSpec[] {
  const up = current.nodes.filter(({ health }) => health !== 'down')
  const writers = up.filter(({ role }) => role === 'writer')
  return [...writers, ...up.filter(({ role }) => role !== 'writer')].map(({ spec }) => spec)
}
