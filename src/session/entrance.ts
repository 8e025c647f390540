/**
 * A client that has proved who it is, on its way to a session: the endpoint it asked for, room for one
 * more, and its welcome. Rule: exactly one outcome, a session or a refusal, unless it is cancelled; who
 * may not come in is asked again after every wait, for others may have come in meanwhile.
 */
import { WeirError } from '../core/errors.ts'
import type { Endpoint, Route } from '../endpoint/router.ts'
import type { Link } from '../net/link.ts'
import type { Introduction } from '../protocol/contract.ts'
import type { ServerConnection } from '../server/server-connection.ts'
import { ClientSession } from './client-session.ts'
import type { Doorway, TurnedAway } from './doorway.ts'
import { openForReplication, replicationRefusal } from './replication-errand.ts'
import { ReplicationSession } from './replication-session.ts'
import type { Rooms } from './rooms.ts'
import type { Cancellable } from './welcome.ts'
import { WelcomeErrand } from './welcome-errand.ts'

const NOTHING = Buffer.alloc(0)

/** The login, as far as its last steps go. */
export interface Entering {
  readonly door: Doorway
  readonly endpoint: Endpoint
  readonly rooms: Rooms
  readonly link: Link
  readonly over: boolean
  /** Goes over to another endpoint; false when it was refused there. */
  moveTo(named: { endpoint: Endpoint; rooms: Rooms }): boolean
  refuse(reason: string, error: WeirError): void
  /** Why no session of that user may begin now. */
  turnedAway(user: string): TurnedAway | undefined
  /** From now on it may take so long, milliseconds. */
  allow(ms: number): void
  /** Does it when its turn has come. */
  later(work: () => void): void
  /** The login is over, its session begins; returns what the client has said already. */
  enter(who: Introduction, id: number): Buffer
}

/** Begins the way in; undefined when it was decided at once. */
export function comeIn(login: Entering, who: Introduction): Cancellable | undefined {
  if (who.endpoint !== undefined && !changeEndpoint(login, who.endpoint)) return undefined
  if (full(login, who)) return undefined
  const route: Route<ServerConnection> = {
    endpoint: login.endpoint,
    database: who.database,
    user: who.user,
    node: undefined,
    seenLsn: undefined,
    prefer: () => true,
  }
  if (who.replication !== undefined) return replicate(login, who, route)
  const { welcomes, protocol } = login.rooms
  const key = `${login.endpoint.rule.name} ${protocol.welcomeKey(who)}`
  const known = welcomes.find(key)
  if (known === undefined) return fetchWelcome(login, key, who, route)
  begin(login, who, route, known)
  return undefined
}

/** Refuses when no session may begin now. */
function full(login: Entering, { user }: Introduction): boolean {
  const turnedAway = login.turnedAway(user)
  if (turnedAway !== undefined) login.refuse(turnedAway.reason, turnedAway.error)
  return turnedAway !== undefined
}

function changeEndpoint(login: Entering, name: string): boolean {
  const named = login.door.byName(name)
  if (named !== undefined) return login.moveTo(named)
  const names = login.door.endpointNames().join(', ')
  login.refuse(
    'no-endpoint',
    new WeirError('WEIR_NO_ENDPOINT', `there is no endpoint "${name}"`, {
      sqlstate: '08004',
      hint: `Endpoints here: ${names}.`,
    }),
  )
  return false
}

/** From here on the endpoint's borrow timeout counts, and a little more for the answer. */
function allowBorrowing(login: Entering): void {
  const { borrowTimeout } = login.endpoint.rule
  const patience = borrowTimeout === 'unlimited' ? Infinity : borrowTimeout
  const patienceMs = patience === 'nowait' ? 0 : patience
  login.allow(patienceMs + login.door.loginTimeoutMs)
}

function replicate(
  login: Entering,
  who: Introduction,
  route: Route<ServerConnection>,
): Cancellable | undefined {
  const { rooms, link } = login
  const refusal = replicationRefusal(login.endpoint.rule)
  if (refusal !== undefined) {
    login.refuse('replication', refusal)
    return undefined
  }
  allowBorrowing(login)
  return openForReplication(rooms, who, route, (outcome) => {
    if (outcome instanceof WeirError) {
      if (!login.over) login.refuse('no-server', outcome)
    } else if (full(login, who)) rooms.home(outcome).discard(outcome, 'draining')
    else {
      const id = rooms.sessions.nextId()
      const rest = login.enter(who, id)
      new ReplicationSession(rooms, id, link, who, route, outcome).begin(rest)
    }
  })
}

function fetchWelcome(
  login: Entering,
  key: string,
  who: Introduction,
  route: Route<ServerConnection>,
): Cancellable {
  allowBorrowing(login)
  const { rooms } = login
  return rooms.welcomes.fetch(
    key,
    (done) => {
      const errand = new WelcomeErrand(rooms, who, route, done)
      errand.start()
      return errand
    },
    (outcome) => {
      // Thousands may be told at once.
      login.later(() => {
        if (outcome instanceof WeirError) login.refuse('no-server', outcome)
        else begin(login, who, route, outcome)
      })
    },
  )
}

function begin(
  login: Entering,
  who: Introduction,
  route: Route<ServerConnection>,
  parameters: ReadonlyMap<string, string>,
): void {
  // Others may have come in while the welcome was being fetched.
  if (full(login, who)) return
  const { rooms, link } = login
  const id = rooms.sessions.nextId()
  const rest = login.enter(who, id)
  // What it has said by now is given on, and not kept for as long as it stays.
  const quiet = who.rest.length === 0 ? who : { ...who, rest: NOTHING }
  new ClientSession(rooms, id, link, quiet, route).begin(parameters, rest)
}
