/**
 * The plain counters of the data plane. A session keeps the `EndpointCounters` of its endpoint, a
 * server connection the `NodeCounters` of its node, and both change fields directly: an addition
 * to a number, no call, no lookup by name. Rule: only numbers, `Reasons`, `LatencyBuckets` and
 * `Histograms` live here, so a snapshot of them is plain JSON and two snapshots can be added (see
 * `snapshot.ts`).
 *
 * Fields that say "now" go up and down; all others only up.
 */
import { LatencyBuckets } from './buckets.ts'
import { Histograms } from './histograms.ts'
import { Reasons } from './reasons.ts'

/** What happens between clients and one endpoint. */
export class EndpointCounters {
  /** Client sessions open now, and those of them on TLS. */
  clients = 0
  clientsTls = 0
  /** Sockets accepted, before anything is known of them. */
  received = 0
  /** Logins that succeeded. */
  established = 0
  /** Logins refused by proof, user, TLS requirement or allow-list. */
  failedAuth = 0
  /**
   * Requests: one for each simple Query (however many statements it holds), each Execute of the
   * extended protocol and each FunctionCall. `queriesTls` counts those of TLS clients again.
   */
  queries = 0
  queriesTls = 0
  /** Boundaries reached: leases given back, or that would have been if the session were not pinned. */
  transactions = 0
  /** Of these, requests that shared a server connection with those of other clients. */
  rides = 0
  /** Requests that were to, and took the ordinary way after all, by reason. */
  readonly ridesPutBack = new Reasons()
  /** Cancel requests that named a session of this endpoint. */
  cancels = 0
  /** Clients that listen to a channel now, by the shared listener. */
  listening = 0
  /** Notifications of shared listeners given to clients; one for each client. */
  notificationsDelivered = 0
  /** Of ended sessions; a scrape adds those of living ones. */
  bytesFromClients = 0
  bytesToClients = 0
  /** Ended sessions by close reason. */
  readonly closed = new Reasons()
  /** Clients turned away before their login succeeded, by reason (junk, limit, draining, auth ...). */
  readonly refused = new Reasons()
  /** Pins set, by pin reason. */
  readonly pins = new Reasons()
  /** Borrows that ended without a lease, by refusal reason. */
  readonly borrowsRefused = new Reasons()
  /** Sessions whose server connection was lost under them, by what became of what they had asked. */
  readonly outcomes = new Reasons()
  /** From asking for a lease to holding it, zero waits included. */
  readonly borrow = new LatencyBuckets()
  /** From the first byte of a request to the last byte of its answer. */
  readonly response = new LatencyBuckets()
}

/** What happens between Weir and one node. */
export class NodeCounters {
  /** Openings begun, and those of them with TLS. */
  requests = 0
  requestsTls = 0
  opened = 0
  openFailed = 0
  /**
   * Server connections open over TLS, in a transaction, lent to a pinned session: now. Nobody keeps
   * these; a scrape counts them.
   */
  tls = 0
  inTransaction = 0
  pinned = 0
  /** Parse messages Weir itself sent so that a connection knows a client's statement. */
  statementsInjected = 0
  /** Cancel requests sent. */
  cancels = 0
  /** Of ended server connections, as `statementsInjected`; a scrape adds those of living ones. */
  bytesToServer = 0
  bytesFromServer = 0
  probesPassed = 0
  probesFailed = 0
  /** Times it was found taking writes though another node is the writer. */
  fenced = 0
  /** Server connections that left their pool, by evict reason. */
  readonly evicted = new Reasons()
  /** Hints of trouble from the data plane, by kind. */
  readonly hints = new Reasons()
  /** From sending a request to a node to the end of its answer. */
  readonly response = new LatencyBuckets()
}

/** What belongs to no endpoint and no node. */
export class GeneralCounters {
  /** Times another node became the writer. */
  writerChanges = 0
  /** Parts of failovers, by arrow (`promoted_observed`). */
  readonly failovers = new Histograms()
  /** Cancel requests for no session that is known: of one that left, or with a wrong secret. */
  cancelsIgnored = 0
  /** Cancel requests sent on, and those of them that did not get there, by the id of the peer. */
  readonly peerCancels = new Reasons()
  readonly peerCancelsFailed = new Reasons()
  /** Server connections that listen for many clients now, and the channels they listen to. */
  listeners = 0
  listenedChannels = 0
  /** Times the server connection of a listener was lost, or could not be had, while clients listened. */
  listenersLost = 0
  /** Notifications that servers sent to listeners. */
  notificationsReceived = 0
  /** Worker processes that ended without having been told to. */
  workersDied = 0
  /** Times a source of secrets gave others than before, and times one could not be read. */
  secretReloads = 0
  secretReloadsFailed = 0
  /** Sources of secrets that cannot be read now; what they last gave goes on. */
  secretSourcesBroken = 0
  /** Users looked up on a node, by what came of it. */
  readonly userLookups = new Reasons()
  /** Requests to the admin port that were refused, by reason. */
  readonly adminRefused = new Reasons()
  /** Lines of the audit log that were written, and those that were lost. */
  auditLines = 0
  auditLinesLost = 0
  /** 1 while the audit log cannot be written. */
  auditFailing = 0
  /** How late timers fire: the delay of everything in this process. */
  readonly loopLag = new LatencyBuckets()
}
